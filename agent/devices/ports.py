"""I/O ports through a file: a PCI function's `resourceN`, or /dev/port.

A window as those of `window_*` are: each access is one read or write of its width at its offset,
which sysfs turns into one instruction; /dev/port moves every byte by itself, so that only single
ones are exact there. The file is unbuffered on every runtime.
"""


def open_window(path, size, writable, offset=0):
    """Open the file. Raises OSError."""
    return Window(open(path, "r+b" if writable else "rb", 0))


class Window:
    """An open file of ports."""

    def __init__(self, file):
        self._file = file

    def load(self, offset, width):
        """One read of `width` bytes."""
        self._file.seek(offset)
        data = self._file.read(width)
        if len(data) != width:
            raise OSError(5)
        return int.from_bytes(data, "little")

    def store(self, offset, width, value):
        """One write of `width` bytes."""
        self._file.seek(offset)
        if self._file.write(value.to_bytes(width, "little")) != width:
            raise OSError(5)

    def close(self):
        """Close the file."""
        self._file.close()
