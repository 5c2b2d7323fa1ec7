"""A device's memory on stock MicroPython: `mmap` of the C library, and `uctypes`.

A member of an aligned uctypes structure is read with one instruction of its width. The contract is
that of `window_cpython`.
"""

import os

import ffi
import uctypes

from agent.devices.faults import os_error

_O_RDONLY, _O_RDWR, _O_SYNC, _O_CLOEXEC = 0, 2, 0o4010000, 0o2000000
_PROT_READ, _PROT_WRITE, _MAP_SHARED = 1, 2, 1
_EBADF = 9

_library = ffi.open(None)
_open = _library.func("i", "open", "si")
_close = _library.func("i", "close", "i")
# Of 64 bits everywhere: a 32-bit off_t ends at 2 GiB, below where boards have their registers.
_mmap = _library.func("l", "mmap64", "pLiiiq")
_munmap = _library.func("i", "munmap", "lL")

_TYPES = {1: uctypes.UINT8, 2: uctypes.UINT16, 4: uctypes.UINT32, 8: uctypes.UINT64}


def open_window(path, size, writable, offset=0):
    """Map `size` bytes of the file `path` from `offset` on, which begins a page."""
    flags = (_O_RDWR if writable else _O_RDONLY) | _O_SYNC | _O_CLOEXEC
    descriptor = _open(path, flags)
    if descriptor < 0:
        raise OSError(os.errno())
    try:
        protection = _PROT_READ | (_PROT_WRITE if writable else 0)
        address = _mmap(0, size, protection, _MAP_SHARED, descriptor, offset)
        if address == -1:
            raise OSError(os.errno())
        return Window(address, size)
    finally:
        _close(descriptor)


class Window:
    """One mapping."""

    def __init__(self, address, size):
        self._address = address
        self._size = size

    def load(self, offset, width):
        """One read of `width` bytes."""
        return self._at(offset, width).value

    def store(self, offset, width, value):
        """One write of `width` bytes."""
        self._at(offset, width).value = value

    def close(self):
        """Unmap."""
        address, self._address = self._address, None
        if address is not None:
            _munmap(address, self._size)

    def _at(self, offset, width):
        if self._address is None:
            raise os_error(_EBADF)
        place = self._address + offset
        return uctypes.struct(place, {"value": _TYPES[width] | 0}, uctypes.NATIVE)
