"""Linux calls on CPython: `os` and `subprocess`; the contract is the package's."""

import os
import subprocess

O_PATH, O_DIRECTORY, O_NOFOLLOW = os.O_PATH, os.O_DIRECTORY, os.O_NOFOLLOW

close = os.close
read = os.read
write = os.write
pipe = os.pipe
kill = os.kill

_running = {}  # pid: Popen, until its end was told


def open(path, flags, mode):  # noqa: A001 - the contract's name
    """A descriptor, closed on exec."""
    return os.open(path, flags | os.O_CLOEXEC, mode)


def spawn(arguments, stdin, stdout, stderr, environment):
    """Start a program in a session of its own; its pid."""
    words = dict([line.split("=", 1) for line in environment])
    process = subprocess.Popen(
        arguments, stdin=stdin, stdout=stdout, stderr=stderr, env=words, start_new_session=True
    )
    _running[process.pid] = process
    return process.pid


def wait(pid):
    """None while it runs, else how it ended."""
    status = _running[pid].poll()
    if status is not None:
        del _running[pid]
    return status
