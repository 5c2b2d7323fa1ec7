"""`ioctl` and `flock` of `fcntl` for MicroPython on Linux: through `_linux`, else through `ffi`.

CPython has its own, and never reaches this file. The one rule: the API and the errors are
CPython's. Where neither way exists, importing it raises ImportError with that reason.
`HOLDS_LOCK`, which CPython's module lacks, says that the interpreter's lock is held while a
request lasts: then nothing else in the process runs.
"""

import os

try:
    import _linux
except ImportError:
    _linux = None

if _linux is None:
    try:
        import ffi
    except ImportError:
        raise ImportError("this MicroPython has neither the module _linux nor ffi")
    HOLDS_LOCK = True
    _call = ffi.open(None).func("i", "ioctl", "iLp")
    _flock = ffi.open(None).func("i", "flock", "ii")
else:
    HOLDS_LOCK = False
    _call = _linux.ioctl
    _flock = _linux.flock

LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN = 1, 2, 4, 8  # asm-generic/fcntl.h; alike everywhere


def ioctl(fd, request, arg=0, mutate_flag=True):
    """Send a request to the driver behind `fd`, a descriptor or what has a fileno().

    `arg` is an integer, handed over as it is; a bytearray, which the driver may change; or bytes,
    of which a changed copy is returned. Otherwise returns the call's own number. Raises OSError.
    """
    if not isinstance(fd, int):
        fd = fd.fileno()
    if isinstance(arg, int):
        return _checked(_call(fd, request, arg))
    is_changed = mutate_flag and not isinstance(arg, (bytes, str))
    buffer = arg if is_changed else bytearray(arg)
    status = _checked(_call(fd, request, buffer))
    return status if is_changed else bytes(buffer)


def flock(fd, operation):
    """Lock an open file against other processes; with LOCK_NB raises OSError where one has it."""
    status = _flock(fd if isinstance(fd, int) else fd.fileno(), operation)
    if status is not None:  # _linux returns nothing
        _checked(status)


def _checked(status):
    if status < 0:  # only the way through ffi: _linux raises by itself
        raise OSError(os.errno())
    return status
