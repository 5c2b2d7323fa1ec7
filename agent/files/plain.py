"""Places held by their paths: boards, whose file systems have no links, and Linux without `ffi`.

A name is looked up in its folder's list, which tells a link from what it points to. Between that
and its use a program on the device itself could put a link there: `WEAKNESS` says so where there
are links. The functions are those of `held.py`.
"""

import errno
import os

from interpreter import list_folder

_LINK = 0o120000
WEAKNESS = "between a check and its use another program could put a link in the way"


def open_root(path):
    """The path itself, if it is a folder's."""
    os.listdir(path)
    if path == "/":
        try:  # MicroPython's stat of "/" alone asks no file system, and tells no inode
            os.stat("/.")
            return "/."
        except OSError:
            pass
    return path


def open_below(folder, name):
    """The folder `name` in a folder."""
    if look(folder, name)[0] & 0o170000 != 0o040000:
        raise OSError(20, name)  # ENOTDIR, which MicroPython's errno has not
    return in_folder(folder, name)


def close_folder(folder):
    """Nothing is held."""


def path_of(folder):
    """The folder's path."""
    return folder


def in_folder(folder, name):
    """The path of `name` in the folder."""
    return folder.rstrip("/") + "/" + name


def look(folder, name):
    """`os.stat` of the name itself, a link's too. Raises OSError."""
    kind = None
    for found, its_kind in list_folder(folder):  # to its end: MicroPython closes it there only
        if found == name:
            kind = its_kind
    if kind is None:
        raise OSError(errno.ENOENT, name)
    if kind == _LINK:
        return (_LINK, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    return os.stat(in_folder(folder, name))


def open_file(folder, name, mode, accept):
    """An open file, once `accept(os.stat of it)` has not raised. Raises OSError."""
    accept(look(folder, name))
    return open(in_folder(folder, name), mode)


def make_file(folder, name, executable):
    """Make an empty file; OSError(EEXIST) where there is something of that name."""
    try:
        look(folder, name)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        open(in_folder(folder, name), "wb").close()
        return
    raise OSError(errno.EEXIST, name)
