"""Stands in for a network on a board that has none: every connection is the wire on UART 1.

The one rule: what the agent asks of a socket, and no more. Whoever sits at the other end of the
wire takes a CONNECT for a new connection.
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


def getaddrinfo(host, port, *rest):
    """One address, whatever the name."""
    return [(AF_INET, SOCK_STREAM, 0, "", (host, port))]


class socket(io.IOBase):  # noqa: N801 - the library's own name
    """One connection."""

    def __init__(self, *kind):
        self._uart = machine.UART(1, 460800, rxbuf=_ROOM_BYTES, txbuf=64, timeout_char=100)

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
        count = min(self._uart.any(), len(view))
        return self._uart.readinto(view, count) if count else None

    def ioctl(self, request, argument):
        """What the poller asks."""
        if request != _POLL:
            return 0
        return argument & (_WRITABLE | (_READABLE if self._uart.any() else 0))

    def close(self):
        """The wire stays."""
