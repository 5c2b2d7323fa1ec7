"""A device's memory that is none: bytes kept by path. The contract is that of `window_cpython`."""

from agent.devices.faults import os_error

_ENOENT, _EBADF, _EACCES = 2, 9, 13


class FakeWindows:
    """Stands for a `window_*` module; `memory` is a dict of path: bytearray."""

    def __init__(self, memory):
        self.memory = memory
        self.open_windows = 0

    def open_window(self, path, size, writable, offset=0):
        """Open what `memory` has under `path`."""
        if path not in self.memory:
            raise os_error(_ENOENT)
        self.open_windows += 1
        return Window(self, self.memory[path], writable, offset)


class Window:
    """One mapping."""

    def __init__(self, owner, data, writable, start):
        self._owner = owner
        self._data = data
        self._start = start
        self._writable = writable

    def load(self, offset, width):
        """One read of `width` bytes, little-endian."""
        data = self._open()
        at = self._start + offset
        return int.from_bytes(data[at : at + width], "little")

    def store(self, offset, width, value):
        """One write of `width` bytes, little-endian."""
        data = self._open()
        if not self._writable:
            raise os_error(_EACCES)
        at = self._start + offset
        data[at : at + width] = value.to_bytes(width, "little")

    def close(self):
        """Unmap."""
        if self._data is not None:
            self._data = None
            self._owner.open_windows -= 1

    def _open(self):
        if self._data is None:
            raise os_error(_EBADF)
        return self._data
