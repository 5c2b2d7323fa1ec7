"""A terminal for a program: the two ends of one that Linux makes of nothing (pty(7)).

The one rule: nothing here waits, and where there is no such thing the reason is said. The program
opens its own end by path, and as the first of its session it is steered by it: what is typed as
Ctrl-C reaches whatever runs in front there.
"""

import os
import struct

from agent import system_calls
from agent.errors import Unavailable

# asm-generic/ioctls.h and fcntl.h: alike on all that Linux runs MicroPython on.
_UNLOCK, _NUMBER, _SIZE = 0x40045431, 0x80045430, 0x5414
_NO_CONTROL, _NO_WAIT = 0o400, 0o4000
_MAKER = "/dev/ptmx"


def open_terminal(calls, rows, columns):
    """(descriptor of our end, path of the program's). Raises Unavailable."""
    try:
        import fcntl  # here: a board has none, and asks for no terminal
    except ImportError as error:
        raise Unavailable("no terminal here: %s" % error)
    flags = system_calls.O_RDWR | _NO_CONTROL | _NO_WAIT
    try:
        descriptor = calls.open(_MAKER, flags, 0)
    except OSError as error:
        raise Unavailable("no terminal here: %s: %s" % (_MAKER, error))
    try:
        fcntl.ioctl(descriptor, _UNLOCK, bytearray(4))
        number = bytearray(4)
        fcntl.ioctl(descriptor, _NUMBER, number)
        path = "/dev/pts/%d" % struct.unpack("i", number)[0]
        os.stat(path)
        set_size(descriptor, rows, columns)
    except OSError as error:
        calls.close(descriptor)
        raise Unavailable("no terminal here: %s" % error)
    return descriptor, path


def set_size(descriptor, rows, columns):
    """Tell whatever runs there how large it is. Raises OSError."""
    import fcntl

    fcntl.ioctl(descriptor, _SIZE, bytearray(struct.pack("HHHH", rows, columns, 0, 0)))


def in_session(leader):
    """The processes of the session that `leader` began: proc(5), the sixth word of `stat`."""
    found = []
    for name in os.listdir("/proc"):
        if name[0] not in "123456789":
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                words = file.read().split(b") ")[-1].split()
        except OSError:
            continue  # it has ended meanwhile
        if len(words) > 3 and int(words[3]) == leader:
            found.append(int(name))
    return found
