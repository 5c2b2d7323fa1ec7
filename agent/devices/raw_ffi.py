"""Opens device files on stock MicroPython: `open` of the C library through `ffi`.

Only the opening needs it, for O_NONBLOCK; MicroPython's own file then reads and writes, and lets
go of its lock while it does. The contract is that of `raw_cpython`.
"""

import os

import ffi
from uctypes import addressof as address_of  # noqa: F401 - part of the contract

from agent.devices.raw_polled import Polled

WAITS_ON_OPEN = False

# asm-generic/fcntl.h; O_CLOEXEC keeps the descriptor out of what os.system starts.
_O_RDONLY, _O_RDWR, _O_NOCTTY, _O_NONBLOCK, _O_CLOEXEC = 0, 2, 0o400, 0o4000, 0o2000000
_open = ffi.open(None).func("i", "open", "si")


def open_raw(path, writable):
    """Open without waiting for a carrier, a medium or a writer."""
    flags = (_O_RDWR if writable else _O_RDONLY) | _O_NONBLOCK | _O_NOCTTY | _O_CLOEXEC
    descriptor = _open(path, flags)
    if descriptor < 0:
        raise OSError(os.errno())
    return open(descriptor, "r+b")


def wrap(descriptor):
    """The file of a descriptor that a request gave; it never waits."""
    return Polled(open(descriptor, "r+b"))
