"""Stands in for a network on a board that has none: every connection is the wire on UART 1.

The one rule: what the agent asks of a socket, and no more. Whoever sits at the other end of the
wire takes a CONNECT for a new connection, and raises the pin BELL behind what it sends: asking a
UART ends the processor's next sleep, so it is asked only then.
"""

import io

import machine

AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2

_POLL = 3  # MP_STREAM_POLL, py/stream.h
_READABLE = 1
_WRITABLE = 4
_ROOM_BYTES = 1024
BELL = 22


def getaddrinfo(host, port, *rest):
    """One address, whatever the name."""
    return [(AF_INET, SOCK_STREAM, 0, "", (host, port))]


class socket(io.IOBase):  # noqa: N801 - the library's own name
    """One connection."""

    def __init__(self, *kind):
        self._uart = machine.UART(1, 460800, rxbuf=_ROOM_BYTES, txbuf=64, timeout_char=100)
        self._has_more = True
        self._bell = machine.Pin(BELL, machine.Pin.IN)
        self._bell.irq(self._ring, machine.Pin.IRQ_RISING)

    def _ring(self, pin):
        self._has_more = True

    def setblocking(self, is_blocking):
        """Never is."""

    def setsockopt(self, *words):
        """Has none."""

    def connect(self, address):
        """Is connected."""

    def send(self, data):
        """Bytes that were taken."""
        return self._uart.write(data) if data else 0

    def readinto(self, view):
        """Bytes that were put into `view`, None if none are there."""
        self._has_more = False  # before the question: it may ring behind it
        count = min(self._uart.any(), len(view))
        self._has_more = self._has_more or count > 0
        return self._uart.readinto(view, count) if count else None

    def ioctl(self, request, argument):
        """What the poller asks."""
        if request != _POLL:
            return 0
        return argument & (_WRITABLE | (_READABLE if self._has_more else 0))

    def close(self):
        """The wire stays."""
        self._bell.irq(None)
