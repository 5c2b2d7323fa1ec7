"""TCP without waiting: the transport that a link uses unless it is given another.

One rule: no call here blocks, but the name resolver's, which no interpreter lets one interrupt.
Every failure is a TransportError (faults.py) whose `code` tells a program and whose message tells
a person what happened. A back-end file: what sockets do differently on CPython and MicroPython is
settled here.

A transport has: open(), finish(), read_into(view), write(data), acknowledge(), close(), and
`pollable`, `buffers` (whether it may hold bytes that the poller does not see), `handshaking`
(whether what is to be written waits for bytes to read).
"""

import socket
import sys
from errno import EAGAIN, EINPROGRESS, ENOTCONN

from micropython import const

_TCP = const(6)  # IPPROTO_TCP; MicroPython has no names for these
_NODELAY = const(1)
# Linux acknowledges what came at once when this option is set, and not for ever after; so it is
# set before each wait that follows a read. Without it a broker with Nagle's algorithm on waits
# 40 ms for our acknowledgement. Where something is sent that carries the acknowledgement along,
# one of its own would be a packet too many.
_QUICKACK = const(12)


def socket_address(host, port):
    """What `socket.connect` takes for a TCP connection, and the address family to make it with.

    Returns `(family, address)`. Blocks as long as the resolver does. Raises OSError.
    """
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    return found[0], found[-1]


class Tcp:
    """One connection to `host`:`port`, from `open` to `close`.

    Without a `resolver`, a resolver.Resolver, looking up a name blocks.
    """

    buffers = False
    handshaking = False

    def __init__(self, host, port, resolver=None):
        self.name = "%s:%d" % (host, port)
        self.address = host, port
        self.look = socket_address if resolver is None else resolver.look
        self.read = None
        self.quick = sys.platform == "linux"
        self.pollable = None

    def open(self):
        """Begin to connect; when the poller finds the socket writable or broken, call `finish`.

        While the name is being looked up there is no `pollable`.
        """
        try:
            found = self.look(*self.address)
        except (OSError, UnicodeError) as error:  # CPython's idna refuses what is no host name
            self._fail(error, "name-not-found")
        if found is None:
            return
        try:
            self.pollable = pollable = socket.socket(found[0], socket.SOCK_STREAM)
            pollable.setblocking(False)
            pollable.connect(found[1])
        except OSError as error:
            if error.args[0] != EINPROGRESS:
                self.close()
                self._fail(error, "unreachable")
        # CPython's sockets read into a buffer under this name, MicroPython's under that.
        self.read = getattr(pollable, "recv_into", None) or pollable.readinto

    def finish(self):
        """Whether the connection is there; raises what the attempt ended with."""
        if self.pollable is None:
            self.open()
            return False
        try:
            self.pollable.send(b"")  # sends nothing, but tells
        except OSError as error:
            return self._wait(error, "unreachable")
        try:
            self.pollable.setsockopt(_TCP, _NODELAY, 1)
        except OSError:
            pass  # slower, not wrong
        return True

    def _wait(self, error, code="lost"):
        """0 where `error` only says that it takes longer; raises what else it means."""
        number = error.args[0]
        if number == EAGAIN or (code != "lost" and number in (EINPROGRESS, ENOTCONN)):
            return 0
        return self._fail(error, code)

    def _fail(self, error, code):
        from agent.mqtt import faults

        faults.fail(self.name, error, code)

    def read_into(self, view):
        """Bytes that were put into `view`, 0 if none are there now."""
        try:
            count = self.read(view)
        except OSError as error:
            return self._wait(error)
        if count == 0:
            self._fail(OSError("closed by the other side"), "lost")
        return count or 0  # None: none yet

    def acknowledge(self):
        """Let the other side know now that what was read has come."""
        if self.quick:
            try:
                self.pollable.setsockopt(_TCP, _QUICKACK, 1)
            except OSError:
                self.quick = False

    def write(self, data):
        """How many bytes of `data` the system took."""
        try:
            return self.pollable.send(data)
        except OSError as error:
            return self._wait(error)

    def close(self):
        """Give the socket back; take it out of every poller first. May be called again."""
        channel, self.pollable = self.pollable, None
        if channel is not None:  # up to 1.26 MicroPython's second close() hits somebody else's
            channel.close()
