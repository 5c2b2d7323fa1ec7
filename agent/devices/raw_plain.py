"""Opens device files with MicroPython's own `open`, which may wait: for a carrier, for a medium.

For builds with neither `_linux` nor `ffi`. The contract is that of `raw_cpython`.
"""

WAITS_ON_OPEN = True


def open_raw(path, writable):
    """Open, waiting as long as the driver does."""
    return open(path, "r+b" if writable else "rb")


def wrap(descriptor):
    """The file of an open descriptor; reading it may wait."""
    return open(descriptor, "r+b")


def address_of(buffer):
    """Nobody here could use it: without a way to send requests there is no pointer in any."""
    raise OSError(38)
