// Processes, signals and clocks: spawn, wait, kill, getpid, signalfd, eventfd, clock_gettime.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/runtime.h"

#include "calls.h"

extern char **environ;

// The signals that a program may wait for: those below the real-time ones (the collector and the
// C library use some of these), without those that stand for a fault in the code that runs.
#define LAST_SIGNAL 31

static mp_obj_t linux_getpid(void) {
    return mp_obj_new_int(getpid());
}
MP_DEFINE_CONST_FUN_OBJ_0(linux_getpid_obj, linux_getpid);

// alarm(seconds): SIGALRM then, which ends the process unless it is asked again; 0: never
static mp_obj_t linux_alarm(mp_obj_t seconds) {
    return mp_obj_new_int(alarm(linux_int(seconds, 0, INT_MAX, MP_QSTR_seconds)));
}
MP_DEFINE_CONST_FUN_OBJ_1(linux_alarm_obj, linux_alarm);

// chmod(path, mode)
static mp_obj_t linux_chmod(mp_obj_t path, mp_obj_t mode) {
    if (chmod(linux_text(path), linux_int(mode, 0, 07777, MP_QSTR_mode)) == -1) {
        linux_failed();
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(linux_chmod_obj, linux_chmod);

// kill(pid, signal); a negative pid names a process group, 0 as a signal only asks
static mp_obj_t linux_kill(mp_obj_t process, mp_obj_t signal_number) {
    int pid = linux_int(process, INT_MIN, INT_MAX, MP_QSTR_pid);
    if (kill(pid, linux_int(signal_number, 0, 64, MP_QSTR_signal)) == -1) {
        linux_failed();
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(linux_kill_obj, linux_kill);

// Lets no descriptor of ours into the child: MicroPython's own files and sockets stay open on exec.
static void close_on_exec(void) {
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        for (int fd = 3; fd < 1024; fd++) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int fd = atoi(entry->d_name); // 0 for . and ..
        if (fd > 2) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
    closedir(folder);
}

// A NULL-ended array of the texts in a list or tuple.
static char **texts(mp_obj_t object) {
    size_t count;
    mp_obj_t *items;
    mp_obj_get_array(object, &count, &items);
    char **found = m_new0(char *, count + 1);
    for (size_t at = 0; at < count; at++) {
        found[at] = (char *)linux_text(items[at]);
    }
    return found;
}

// Descriptors go to 0, 1, 2 in this order, so one of those may only be named where it still is
// what it was: itself, or 1 as the target of 2.
static void add_descriptor(posix_spawn_file_actions_t *actions, mp_obj_t object, int target) {
    if (object == mp_const_none) {
        return;
    }
    int fd = linux_descriptor(object);
    if (fd < 3 && fd != target && !(fd == 1 && target == 2)) {
        mp_raise_ValueError(MP_ERROR_TEXT("a standard descriptor in another's place"));
    }
    if (posix_spawn_file_actions_adddup2(actions, fd, target) != 0) {
        mp_raise_OSError(ENOMEM);
    }
}

static int start(char **words, char **environment, posix_spawn_file_actions_t *actions) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    // A session of its own: kill(-pid, n) reaches whatever the child starts. No signal blocked or
    // ignored: both would be inherited, and few programs expect it.
    posix_spawnattr_setflags(&attributes,
        POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    close_on_exec();
    pid_t pid;
    // Under the lock: a thread that opens something meanwhile would open it in the child as well.
    int error = posix_spawnp(&pid, words[0], actions, &attributes, words, environment);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        mp_raise_OSError_with_filename(error, words[0]);
    }
    return pid;
}

// spawn(arguments, stdin=None, stdout=None, stderr=None, environment=None, folder=None) -> pid
//
// arguments and environment (["NAME=value"]) are lists of text; a descriptor that is None, and
// the environment that is None, are the caller's own. The program is looked for on the PATH.
static mp_obj_t linux_spawn(size_t count, const mp_obj_t *positional, mp_map_t *named) {
    static const mp_arg_t allowed[] = {
        { MP_QSTR_arguments, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_stdin, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_stdout, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_stderr, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_environment, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_folder, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t given[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all(count, positional, named, MP_ARRAY_SIZE(allowed), allowed, given);
    char **words = texts(given[0].u_obj);
    if (words[0] == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("arguments are empty"));
    }
    char **environment = given[4].u_obj == mp_const_none ? environ : texts(given[4].u_obj);
    const char *folder = given[5].u_obj == mp_const_none ? NULL : linux_text(given[5].u_obj);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        nlr_jump(nlr.ret_val);
    }
    for (int target = 0; target < 3; target++) {
        add_descriptor(&actions, given[1 + target].u_obj, target);
    }
    if (folder != NULL && posix_spawn_file_actions_addchdir_np(&actions, folder) != 0) {
        mp_raise_OSError(ENOMEM);
    }
    int pid = start(words, environment, &actions);
    nlr_pop();
    posix_spawn_file_actions_destroy(&actions);
    return mp_obj_new_int(pid);
}
MP_DEFINE_CONST_FUN_OBJ_KW(linux_spawn_obj, 1, linux_spawn);

// wait(pid=-1, block=True) -> (pid, how it ended), or None when none has and block is False
//
// How: the exit status, or the negative number of the signal that ended it. -1 is any child;
// OSError(ECHILD) when there is none.
static mp_obj_t linux_wait(size_t count, const mp_obj_t *arguments) {
    int pid = count > 0 ? linux_int(arguments[0], -1, INT_MAX, MP_QSTR_pid) : -1;
    if (pid == 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("pid is out of range"));
    }
    int options = count > 1 && !mp_obj_is_true(arguments[1]) ? WNOHANG : 0;
    int status = 0;
    int ended;
    MP_HAL_RETRY_SYSCALL(ended, waitpid(pid, &status, options), mp_raise_OSError(err));
    if (ended == 0) {
        return mp_const_none;
    }
    int how = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    mp_obj_t both[2] = { mp_obj_new_int(ended), MP_OBJ_NEW_SMALL_INT(how) };
    return mp_obj_new_tuple(2, both);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(linux_wait_obj, 0, 2, linux_wait);

// signalfd(signals) -> descriptor that reads signalfd_siginfo records (128 bytes, the number in
// the first 4). Blocks the signals in this thread and those that it starts: call it before any.
static mp_obj_t linux_signalfd(mp_obj_t signals) {
    size_t count;
    mp_obj_t *items;
    mp_obj_get_array(signals, &count, &items);
    sigset_t wanted;
    sigemptyset(&wanted);
    for (size_t at = 0; at < count; at++) {
        int number = linux_int(items[at], 1, LAST_SIGNAL, MP_QSTR_signal);
        if (number == SIGBUS || number == SIGSEGV || number == SIGILL || number == SIGFPE) {
            mp_raise_ValueError(MP_ERROR_TEXT("a fault cannot be waited for"));
        }
        sigaddset(&wanted, number);
    }
    int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd == -1) {
        linux_failed();
    }
    pthread_sigmask(SIG_BLOCK, &wanted, NULL);
    return MP_OBJ_NEW_SMALL_INT(fd);
}
MP_DEFINE_CONST_FUN_OBJ_1(linux_signalfd_obj, linux_signalfd);

// eventfd(initial=0) -> descriptor of a counter: 8 bytes written are added, 8 read empty it
static mp_obj_t linux_eventfd(size_t count, const mp_obj_t *arguments) {
    int initial = count > 0 ? linux_int(arguments[0], 0, INT_MAX, MP_QSTR_initial) : 0;
    int fd = eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1) {
        linux_failed();
    }
    return MP_OBJ_NEW_SMALL_INT(fd);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(linux_eventfd_obj, 0, 1, linux_eventfd);

// clock_gettime(clock) -> nanoseconds, an int
static mp_obj_t linux_clock_gettime(mp_obj_t clock) {
    struct timespec now;
    if (clock_gettime(linux_int(clock, 0, INT_MAX, MP_QSTR_clock), &now) == -1) {
        linux_failed();
    }
    return mp_obj_new_int_from_ll((long long)now.tv_sec * 1000000000 + now.tv_nsec);
}
MP_DEFINE_CONST_FUN_OBJ_1(linux_clock_gettime_obj, linux_clock_gettime);
