"""The receive buffer: bytes in, whole packets out.

One rule: it is allocated once and never grows. A packet that does not fit is measured, its head is
held as long as somebody needs it, and the rest runs through without being kept.
Knows the fixed header (section 2.1 of the MQTT 5.0 standard) and nothing of what follows it.
"""

from agent.errors import BadMessage
from agent.mqtt.fields import MALFORMED

NOTHING = -1  # no whole packet is there
TOO_LARGE = -2  # a packet begins that will never fit


class Intake:
    """After `take()` gave a first byte, the packet's body is `view[body:stop]`.

    After TOO_LARGE, `body` is where it starts, `end` where the bytes at hand stop, and `size` what
    the whole packet measures; `drain()` lets it go.
    """

    def __init__(self, capacity):
        self.buffer = bytearray(capacity)
        self.view = memoryview(self.buffer)
        self.capacity = capacity
        self.start = 0
        self.end = 0
        self.body = 0
        self.stop = 0
        self.size = 0
        self._skip = 0

    def clear(self):
        """Forget everything: another connection starts."""
        self.start = self.end = self._skip = 0

    def space(self):
        """Where to put the bytes that come next: a memoryview, not empty after NOTHING."""
        start = self.start
        if start:
            rest = self.end - start
            if rest:
                self.view[0:rest] = self.view[start : self.end]
            self.start = 0
            self.end = rest
        return self.view[self.end :] if self.end else self.view

    def filled(self, count):
        """`count` bytes were put into `space()`."""
        if self._skip:  # the buffer is empty then, so they stand at its beginning
            passed = min(count, self._skip)
            self._skip -= passed
            self.start = passed
        self.end += count

    def take(self):
        """The first byte of the next whole packet, or NOTHING, or TOO_LARGE. Raises BadMessage."""
        start = self.start
        end = self.end
        if end - start < 2:
            return NOTHING
        buffer = self.buffer
        length = buffer[start + 1]
        body = start + 2
        if length > 127:
            length, body = self._long_length(start)
            if body < 0:
                return NOTHING
        stop = body + length
        if stop <= end:
            self.body = body
            self.stop = self.start = stop
            return buffer[start]
        if stop - start <= self.capacity:
            return NOTHING
        self.body = body
        self.size = stop - start
        return TOO_LARGE

    def _long_length(self, start):
        """Remaining Length of two to four bytes and where the body starts, -1 if not yet there."""
        length = 0
        for index in (1, 2, 3, 4):
            if start + index >= self.end:
                return 0, -1
            byte = self.buffer[start + index]
            length |= (byte & 127) << 7 * (index - 1)
            if byte < 128:
                if not byte:
                    raise BadMessage("a length that is not in its shortest form", MALFORMED)
                return length, start + index + 1
        raise BadMessage("a length of more than four bytes", MALFORMED)

    def drain(self):
        """Let go of what `take()` called TOO_LARGE, with all of it that is still to come."""
        self._skip = self.size - (self.end - self.start)
        self.start = self.end
