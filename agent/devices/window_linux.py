"""A device's memory on our own Linux builds: the mapping of the C module `_linux`.

It turns a SIGBUS into an OSError. The contract is that of `window_cpython`.
"""

import _linux

from agent.devices.faults import os_error

_EBADF = 9


def open_window(path, size, writable, offset=0):
    """Map `size` bytes of the file `path` from `offset` on."""
    flags = (_linux.O_RDWR if writable else _linux.O_RDONLY) | _linux.O_SYNC
    descriptor = _linux.open(path, flags)
    try:
        protection = _linux.PROT_READ | (_linux.PROT_WRITE if writable else 0)
        return Window(_linux.mmap(descriptor, size, protection, _linux.MAP_SHARED, offset))
    finally:
        _linux.close(descriptor)


class Window:
    """One mapping."""

    def __init__(self, mapping):
        self._mapping = mapping

    def load(self, offset, width):
        """One read of `width` bytes."""
        return self._open().load(offset, 8 * width)

    def store(self, offset, width, value):
        """One write of `width` bytes."""
        self._open().store(offset, 8 * width, value)

    def close(self):
        """Unmap."""
        mapping, self._mapping = self._mapping, None
        if mapping is not None:
            mapping.close()

    def _open(self):
        if self._mapping is None:
            raise os_error(_EBADF)
        return self._mapping
