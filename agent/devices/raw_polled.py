"""A MicroPython file whose read never waits, for descriptors that were not opened by us.

Nothing in MicroPython sets O_NONBLOCK on an open descriptor, so that it is asked first whether
anything is there.
"""

import select


class Polled:
    """`file` is MicroPython's own over the descriptor."""

    def __init__(self, file):
        self._file = file
        self._poller = select.poll()
        self._poller.register(file.fileno(), select.POLLIN)
        self.fileno = file.fileno
        self.write = file.write
        self.close = file.close

    def read(self, size):
        """At most `size` bytes, None where nothing is there yet."""
        return self._file.read(size) if self._poller.poll(0) else None
