"""Places held by descriptor: Linux. Nobody can put a link in the way between a check and its use.

Each folder on the way is opened by itself and told not to follow a link (O_PATH, O_NOFOLLOW), and
the next name is looked up in that very folder, through /proc/self/fd. A file is looked at before
it is opened, so that no device's driver and no FIFO ever notices. `plain.py` has the same
functions for everything else.
"""

import os

from agent import system_calls

calls = system_calls.load()
WEAKNESS = None  # why a link could be followed in a race: it cannot

_FOLDER = calls.O_PATH | calls.O_DIRECTORY
_NEXT = _FOLDER | calls.O_NOFOLLOW
_NEW = system_calls.O_WRONLY | system_calls.O_CREAT | system_calls.O_EXCL | calls.O_NOFOLLOW


def open_root(path):
    """The owner wrote this path, so that links in it are fine."""
    return calls.open(path, _FOLDER, 0)


def open_below(folder, name):
    """The folder `name` in an open folder."""
    return calls.open(in_folder(folder, name), _NEXT, 0)


def close_folder(folder):
    """Give an open folder back."""
    calls.close(folder)


def path_of(folder):
    """A path of the open folder for listing and stat."""
    return "/proc/self/fd/%d" % folder


def in_folder(folder, name):
    """A path of `name` in the open folder, for calls that never follow the last name."""
    return "/proc/self/fd/%d/%s" % (folder, name)


def look(folder, name):
    """`os.stat` of the name itself, a link's too. Raises OSError."""
    descriptor = calls.open(in_folder(folder, name), calls.O_PATH | calls.O_NOFOLLOW, 0)
    try:
        return os.stat(path_of(descriptor))
    finally:
        calls.close(descriptor)


def open_file(folder, name, mode, accept):
    """An open file, once `accept(os.stat of it)` has not raised. Raises OSError."""
    descriptor = calls.open(in_folder(folder, name), calls.O_PATH | calls.O_NOFOLLOW, 0)
    try:
        accept(os.stat(path_of(descriptor)))
        return open(path_of(descriptor), mode)
    finally:
        calls.close(descriptor)


def make_file(folder, name, executable):
    """Make an empty file; OSError(EEXIST) where there is something of that name."""
    calls.close(calls.open(in_folder(folder, name), _NEW, 0o777 if executable else 0o666))
