// The program: says to MicroPython's own main() what to do with limpetd's command line.
//
// limpetd [OPTION ...]          runs the frozen limpetd.py, which sees nothing but frozen modules
// limpetd --heap SIZE ...       the same, with a heap of its own size; must come first
// limpetd --init                is the first process of a system, and keeps the agent running (init.c)
// limpetd --python [ARGUMENT]   is a plain MicroPython: FILE, -c TEXT, -m MODULE, -X heapsize=SIZE

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int interpreter_main(int argc, char **argv);
int run_init(char *self);

// What the agent holds at its start takes 150 KB of it on 32 bits and twice that on 64, and all the
// parts together as much again; pages that were never used take no memory.
#define HEAP (sizeof(void *) == 8 ? "768k" : "384k")
#define START "import sys; sys.path[:] = ['.frozen']; import limpetd; limpetd.start()"

static int refuse(const char *text, int status) {
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; // there is nobody else to tell
    return status;
}

static int run_agent(int argc, char **argv) {
    int first = 1;
    const char *heap = HEAP;
    if (argc > 1 && strcmp(argv[1], "--heap") == 0) {
        if (argc < 3) {
            return refuse("limpetd: --heap: expected a size, as 256k; --help tells more\n", 2);
        }
        heap = argv[2];
        first = 3;
    }
    static const char name[] = "heapsize=";
    char *option = malloc(sizeof(name) + strlen(heap));
    char **words = calloc(argc + 6, sizeof(char *));
    if (option == NULL || words == NULL) {
        return refuse("limpetd: no memory to start in\n", 1);
    }
    strcpy(option, name);
    strcat(option, heap);
    int count = 0;
    words[count++] = argv[0];
    words[count++] = "-X";
    words[count++] = option;
    words[count++] = "-c";
    words[count++] = START;
    for (int at = first; at < argc; at++) {
        words[count++] = argv[at];
    }
    return interpreter_main(count, words);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--python") == 0) {
        argv[1] = argv[0];
        return interpreter_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "--init") == 0) {
        return run_init(argv[0]);
    }
    return run_agent(argc, argv);
}
