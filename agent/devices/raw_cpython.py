"""Opens device files on CPython: `os.open` with O_NONBLOCK, wrapped in an unbuffered file.

Contract of every `raw_*` module: `open_raw(path, writable) -> file` with read(n), write(data),
fileno(), close(); read gives None where nothing is there yet; `wrap(descriptor) -> file` for a
descriptor that a request gave, which is closed where that fails; `address_of(bytearray) -> int`
for the pointers in requests. Raises OSError.
"""

import io
import os

WAITS_ON_OPEN = False


def open_raw(path, writable):
    """Open without waiting for a carrier, a medium or a writer."""
    flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    return wrap(os.open(path, flags))


def wrap(descriptor):
    """The file of an open descriptor; it never waits."""
    try:
        os.set_blocking(descriptor, False)
        # Always "r+b": what the descriptor cannot do is the kernel's to refuse, with its errno.
        return io.FileIO(descriptor, "r+b")
    except OSError:
        os.close(descriptor)  # FileIO refuses a folder, and leaves the descriptor to us
        raise


def address_of(buffer):
    """Where a bytearray lies, as long as it is kept and not made longer or shorter."""
    import ctypes  # half a megabyte: only who needs it

    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
