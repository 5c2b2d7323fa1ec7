"""Opens device files on our own Linux builds: `open` of the C module `_linux`.

Only the opening needs it, for O_NONBLOCK; MicroPython's own file then reads and writes. The
contract is that of `raw_cpython`.
"""

import _linux
from uctypes import addressof as address_of  # noqa: F401 - part of the contract

from agent.devices.raw_polled import Polled

WAITS_ON_OPEN = False

_O_NOCTTY = 0o400  # asm-generic/fcntl.h; _linux adds O_CLOEXEC by itself


def open_raw(path, writable):
    """Open without waiting for a carrier, a medium or a writer."""
    flags = (_linux.O_RDWR if writable else _linux.O_RDONLY) | _linux.O_NONBLOCK | _O_NOCTTY
    descriptor = _linux.open(path, flags)
    return open(descriptor, "r+b")


def wrap(descriptor):
    """The file of a descriptor that a request gave; it never waits."""
    return Polled(open(descriptor, "r+b"))
