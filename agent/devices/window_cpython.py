"""A device's memory on CPython: `mmap`, and a memoryview of each width.

An item of a cast memoryview is copied with one machine instruction of its width, which is what a
register needs; a slice of the mapping would go through memcpy. Contract of every `window_*`
module: `open_window(path, size, writable, offset=0) -> window` with load(offset, width) and
store(offset, width, value), widths in bytes, offsets aligned and in range by the caller; close(),
which may come twice. Raises OSError.
"""

import mmap
import os

_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def open_window(path, size, writable, offset=0):
    """Map `size` bytes of the file `path` from `offset` on, which begins a page."""
    flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_SYNC | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return Window(mmap.mmap(descriptor, size, mmap.MAP_SHARED, protection, offset=offset))
    except ValueError as error:
        raise OSError(22, str(error))  # a file shorter than what was asked for
    finally:
        os.close(descriptor)  # the mapping stays


class Window:
    """One mapping."""

    def __init__(self, mapping):
        self._mapping = mapping

    def load(self, offset, width):
        """One read of `width` bytes."""
        with self._item(offset, width) as items:
            return items[0]

    def store(self, offset, width, value):
        """One write of `width` bytes."""
        with self._item(offset, width) as items:
            items[0] = value

    def _item(self, offset, width):
        # The views between are let go of at once, so that the mapping can be closed.
        return memoryview(self._mapping)[offset : offset + width].cast(_FORMATS[width])

    def close(self):
        """Unmap."""
        self._mapping.close()
