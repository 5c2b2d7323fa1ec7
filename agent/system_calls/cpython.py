"""Linux calls on CPython: `os`; the contract is the package's."""

import os
import signal

O_PATH, O_DIRECTORY, O_NOFOLLOW = os.O_PATH, os.O_DIRECTORY, os.O_NOFOLLOW

close = os.close
read = os.read
write = os.write
pipe = os.pipe
kill = os.kill


def open(path, flags, mode):  # noqa: A001 - the contract's name
    """A descriptor, closed on exec."""
    return os.open(path, flags | os.O_CLOEXEC, mode)


def spawn(arguments, stdin, stdout, stderr, environment):
    """Start a program in a session of its own; its pid.

    With no signal ignored: an agent that a shell's `&` started ignores Ctrl-C, and so would all
    that it starts.
    """
    return os.posix_spawn(
        arguments[0],
        arguments,
        dict([line.split("=", 1) for line in environment]),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, descriptor, target)
            for target, descriptor in enumerate((stdin, stdout, stderr))
            if descriptor is not None
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def wait(pid):
    """None while it runs, else how it ended."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None
