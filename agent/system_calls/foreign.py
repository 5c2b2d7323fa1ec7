"""Linux calls on stock MicroPython: the C library through `ffi`; the contract is the package's.

posix_spawn and no fork: the child never runs this interpreter. Where threads are unsafe there is
but one, so that nothing else opens a descriptor while a program is started.
"""

import os
import platform
import struct

import ffi
import uctypes

_library = ffi.open(None)
_ARM = "-arm" in platform.platform() or "-aarch64" in platform.platform()

# asm-generic/fcntl.h, and asm/fcntl.h of arm and arm64, which have two of their own.
O_PATH = 0o10000000
O_DIRECTORY, O_NOFOLLOW = (0o40000, 0o100000) if _ARM else (0o200000, 0o400000)
_CLOEXEC = 0o2000000

_SETSIGDEF, _SETSIGMASK, _SETSID = 0x04, 0x08, 0x80  # spawn.h of glibc and of musl
_NOHANG = 1
_SETFD, _FD_CLOEXEC = 2, 1
# posix_spawnattr_t has 336 bytes, sigset_t 128, posix_spawn_file_actions_t 80 in both libraries.
_ROOM = 512

_open = _library.func("i", "open", "sii")
_close = _library.func("i", "close", "i")
_pipe = _library.func("i", "pipe2", "pi")
_read = _library.func("i", "read", "ipi")
_write = _library.func("i", "write", "ipi")
_kill = _library.func("i", "kill", "ii")
_wait = _library.func("i", "waitpid", "ipi")
_control = _library.func("i", "fcntl", "iii")
_spawn = _library.func("i", "posix_spawn", "pspppp")
_dup2 = _library.func("i", "posix_spawn_file_actions_adddup2", "pii")


def _checked(result):
    if result < 0:
        raise OSError(os.errno())
    return result


def open(path, flags, mode):  # noqa: A001 - the contract's name
    """A descriptor, closed on exec."""
    return _checked(_open(path, flags | _CLOEXEC, mode))


def close(descriptor):
    """Give the descriptor back."""
    _checked(_close(descriptor))


def pipe():
    """(descriptor to read, descriptor to write)."""
    ends = bytearray(8)
    _checked(_pipe(ends, _CLOEXEC))
    return struct.unpack("ii", ends)


def read(descriptor, size):
    """At most `size` bytes; b"" at the end."""
    data = bytearray(size)
    return bytes(data[: _checked(_read(descriptor, data, size))])


def write(descriptor, data):
    """How many bytes were taken."""
    return _checked(_write(descriptor, data, len(data)))


def kill(pid, signal):
    """Send a signal; to a group where pid is negative."""
    _checked(_kill(pid, signal))


def wait(pid):
    """None while it runs, else how it ended."""
    status = bytearray(4)
    if _checked(_wait(pid, status, _NOHANG)) == 0:
        return None
    word = struct.unpack("i", status)[0]
    return -(word & 0x7F) if word & 0x7F else word >> 8 & 0xFF


def spawn(arguments, stdin, stdout, stderr, environment):
    """Start a program in a session of its own; its pid."""
    keep = []  # what C points at must stay until the call is over
    actions, attributes, signals = bytearray(_ROOM), bytearray(_ROOM), bytearray(_ROOM)
    _call("posix_spawn_file_actions_init", "p", actions)
    for target, descriptor in enumerate((stdin, stdout, stderr)):
        _checked(-_dup2(actions, descriptor, target))
    _call("posix_spawnattr_init", "p", attributes)
    _call("posix_spawnattr_setsigmask", "pp", attributes, signals)
    for byte in range(128):
        signals[byte] = 0xFF
    _call("posix_spawnattr_setsigdefault", "pp", attributes, signals)
    flags = _SETSID | _SETSIGMASK | _SETSIGDEF
    _call("posix_spawnattr_setflags", "pi", attributes, flags)
    pid = bytearray(4)
    _close_on_exec()
    words = _texts(arguments, keep), _texts(environment, keep)
    failed = _spawn(pid, arguments[0], actions, attributes, words[0], words[1])
    _call("posix_spawn_file_actions_destroy", "p", actions)
    if failed:
        raise OSError(failed)
    return struct.unpack("i", pid)[0]


def _call(name, kinds, *arguments):
    failed = _library.func("i", name, kinds)(*arguments)
    if failed:
        raise OSError(failed)


def _texts(words, keep):
    """A NULL-ended array of pointers to texts."""
    texts = [word.encode() + b"\0" for word in words]
    keep.append(texts)
    pointers = [uctypes.addressof(text) for text in texts] + [0]
    keep.append(bytearray(struct.pack("%dP" % len(pointers), *pointers)))
    return keep[-1]


def _close_on_exec():
    """Let no descriptor of ours into the child: MicroPython's sockets stay open on exec."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            _control(int(name), _SETFD, _FD_CLOEXEC)
