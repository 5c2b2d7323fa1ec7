// limpetd --init: the first process of a system that holds nothing else.
//
// It mounts what the kernel offers, runs /etc/rc once where there is one, keeps the agent running,
// and takes note of every process that ends, so that none is left over. SIGTERM restarts the
// machine, SIGUSR2 switches it off, as BusyBox's reboot and poweroff ask for.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RC "/etc/rc"
#define CONFIG "/etc/limpet.json"
#define AGAIN_S 1 // between an agent that ended and the next
#define GOODBYE_S 3 // for the agent to say that it goes

int run_init(char *self);

static const struct {
    const char *kind, *place;
} mounts[] = {{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/run"}};

static volatile sig_atomic_t asked;

static void ask(int number) {
    asked = number;
}

static pid_t start(char **words) {
    pid_t child = fork();
    if (child == 0) {
        setsid();
        execv(words[0], words);
        _exit(127);
    }
    return child;
}

// Wait for `child`, or with 0 for no time at all, and for all else that has ended meanwhile.
static void wait_for(pid_t child) {
    for (;;) {
        pid_t ended = waitpid(-1, NULL, child == 0 ? WNOHANG : 0);
        if (ended == child || ended == 0 || (ended < 0 && (asked || errno == ECHILD))) {
            return;
        }
    }
}

static void end(pid_t agent) {
    kill(agent, SIGINT); // which it says goodbye to
    for (int i = 0; i < GOODBYE_S * 10 && kill(agent, 0) == 0; i++) {
        usleep(100000);
        wait_for(0);
    }
    sync();
    reboot(asked == SIGUSR2 ? RB_POWER_OFF : RB_AUTOBOOT);
}

int run_init(char *self) {
    for (unsigned i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        mkdir(mounts[i].place, 0755);
        mount(mounts[i].kind, mounts[i].place, mounts[i].kind, MS_NOSUID, NULL); // or it is there
    }
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; console >= 0 && fd < 3; fd++) {
        dup2(console, fd);
    }
    struct sigaction action = {.sa_handler = ask};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    if (access(RC, X_OK) == 0) {
        char *rc[] = {RC, NULL};
        wait_for(start(rc));
    }
    for (;;) {
        char *words[] = {self, "--config", CONFIG, NULL};
        pid_t agent = start(words);
        wait_for(agent);
        if (asked) {
            end(agent);
        }
        sleep(AGAIN_S);
    }
}
