"""TCP without waiting: the transport that a link uses unless it is given another.

One rule: no call here blocks, but the name resolver's, which no interpreter lets one interrupt.
Every failure is a TransportError whose `code` tells a program and whose message tells a person
what happened. A back-end file: what sockets do differently on CPython and MicroPython is settled
here.

A transport has: open(), finish(), read_into(view), write(data), acknowledge(), close(), and
`pollable`, `buffers` (whether it may hold bytes that the poller does not see), `handshaking`
(whether what is to be written waits for bytes to read).
"""

import socket
import sys
from errno import EAGAIN, ECONNREFUSED, EINPROGRESS, ENOTCONN, ETIMEDOUT

from interpreter import socket_address

from agent.errors import LimpetError

_TCP = 6  # IPPROTO_TCP; MicroPython has no names for these
_NODELAY = 1
# Linux acknowledges what came at once when this option is set, and not for ever after; so it is
# set before each wait that follows a read. Without it a broker with Nagle's algorithm on waits
# 40 ms for our acknowledgement. Where something is sent that carries the acknowledgement along,
# one of its own would be a packet too many.
_QUICKACK = 12 if sys.platform == "linux" else None

_CODES = {ECONNREFUSED: "refused", ETIMEDOUT: "timeout"}

_STILL_CONNECTING = (EAGAIN, EINPROGRESS, ENOTCONN)


class TransportError(LimpetError):
    """`code` is name-not-found, refused, unreachable, timeout, lost, certificate or tls."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Tcp:
    """One connection to `host`:`port`, from `open` to `close`.

    Without a `resolver`, a resolver.Resolver, looking up a name blocks.
    """

    buffers = False
    handshaking = False

    def __init__(self, host, port, resolver=None):
        self.name = "%s:%d" % (host, port)
        self._host = host
        self._port = port
        self._look = socket_address if resolver is None else resolver.look
        self._read = None
        self._quick = _QUICKACK is not None
        self.pollable = None

    def open(self):
        """Begin to connect; when the poller finds the socket writable or broken, call `finish`.

        While the name is being looked up there is no `pollable`.
        """
        try:
            found = self._look(self._host, self._port)
        except (OSError, UnicodeError) as error:  # CPython's idna refuses what is no host name
            raise TransportError("name-not-found", "no address for %s: %s" % (self.name, error))
        if found is not None:
            self._connect(found[0], found[1])

    def _connect(self, family, address):
        try:
            self.pollable = channel = socket.socket(family, socket.SOCK_STREAM)
            channel.setblocking(False)
            channel.connect(address)
        except OSError as error:
            if error.args[0] != EINPROGRESS:
                self.close()
                raise self._failure(error, "unreachable")
        # CPython's sockets read into a buffer under this name, MicroPython's under that.
        self._read = getattr(channel, "recv_into", None) or channel.readinto

    def finish(self):
        """Whether the connection is there; raises what the attempt ended with."""
        if self.pollable is None:
            self.open()
            return False
        try:
            self.pollable.send(b"")  # sends nothing, but tells
        except OSError as error:
            if error.args[0] in _STILL_CONNECTING:
                return False
            raise self._failure(error, "unreachable")
        try:
            self.pollable.setsockopt(_TCP, _NODELAY, 1)
        except OSError:
            pass  # slower, not wrong
        return True

    def _failure(self, error, otherwise):
        code = _CODES.get(error.args[0], otherwise)
        return TransportError(code, "%s: %s (%s)" % (self.name, code, error))

    def read_into(self, view):
        """Bytes that were put into `view`, 0 if none are there now."""
        try:
            count = self._read(view)
        except OSError as error:
            if error.args[0] == EAGAIN:
                return 0
            raise self._failure(error, "lost")
        if count is None:
            return 0
        if not count:
            raise TransportError("lost", "%s closed the connection" % self.name)
        return count

    def acknowledge(self):
        """Let the other side know now that what was read has come."""
        if self._quick:
            try:
                self.pollable.setsockopt(_TCP, _QUICKACK, 1)
            except OSError:
                self._quick = False

    def write(self, data):
        """How many bytes of `data` the system took."""
        try:
            return self.pollable.send(data)
        except OSError as error:
            if error.args[0] == EAGAIN:
                return 0
            raise self._failure(error, "lost")

    def close(self):
        """Give the socket back; take it out of every poller first. May be called again."""
        channel, self.pollable = self.pollable, None
        if channel is not None:  # up to 1.26 MicroPython's second close() hits somebody else's
            channel.close()
