"""A wake-up call for a thread that sleeps in `select.poll` beside its sockets.

The one rule: `set()` never blocks and never fails, whoever calls it, from any thread; the owner
alone calls `clear()`, and looks at its shared state after that, never before.

Two threads need no lock here. `set()` skips the system call while a call is pending; `clear()`
first empties the socket, then takes the mark back. A `set()` that found the mark still up came
before the owner looked, so the owner sees what it announces (that state has a lock of its own,
which orders the two). The other order would leave a mark up over an empty socket, for ever.

Not here: waiting. The owner has a poller with its own sockets in it; threads that wait for one
another use `threading`.
"""

import io
import sys
from errno import EADDRINUSE

from interpreter import random_bytes

try:
    import socket
except ImportError:  # a board without a network
    socket = None

# struct sockaddr_un of an abstract name (unix(7)): the family in host order, a zero byte, the
# name. MicroPython's sockets take the raw structure. Abstract names are Linux only; they leave no
# file behind and are free again when the last descriptor closes.
_RAW_FAMILY = {"little": b"\x01\x00", "big": b"\x00\x01"}
_NAME_ATTEMPTS = 8


class Unavailable(OSError):  # noqa: N818 - what it says, as everywhere here
    """The system cannot make this kind of channel; the text says what it answered."""


def unix_address(name):
    """What sockets take for an AF_UNIX name, bytes; behind a zero byte it is an abstract one."""
    if hasattr(socket, "socketpair"):  # CPython writes the structure itself
        return name
    return _RAW_FAMILY[sys.byteorder] + name


def self_connected():
    """Make a non-blocking datagram socket that is connected to itself: what it sends, it reads.

    One descriptor, no name in the file system, and no other process can write to it, since a
    connected datagram socket takes nothing from strangers. Raises Unavailable.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise Unavailable("this port has no AF_UNIX sockets")
    try:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        raise Unavailable("no socket to wait on: %s" % error)
    try:
        _bind_to_itself(channel)
        channel.setblocking(False)
    except OSError as error:
        channel.close()
        raise Unavailable("no abstract socket name: %s" % error)
    return channel


def _bind_to_itself(channel):
    for attempt in range(_NAME_ATTEMPTS):
        address = unix_address(b"\0limpet-" + random_bytes(12))
        try:
            channel.bind(address)
            break
        except OSError as error:
            if error.args[0] != EADDRINUSE or attempt == _NAME_ATTEMPTS - 1:
                raise
    channel.connect(address)


class _SocketChannel:
    """`reader` becomes readable when a byte goes into `writer`; they may be one socket."""

    def __init__(self, reader, writer):
        self.pollable = reader
        self._writer = writer
        self._pending = False  # written without a lock: see the head of this file
        self._open = True

    def set(self):
        if self._pending:
            return
        self._pending = True
        try:
            self._writer.send(b"\0")
        except OSError:
            pass  # full means that it is readable already; closed means that nobody waits

    def clear(self):
        # One call is all there is, unless two threads made theirs at once: then the other one
        # ends the next wait too, in vain.
        try:
            self.pollable.recv(64)
        except OSError:
            pass  # it is empty
        self._pending = False

    def is_set(self):
        return self._pending

    def close(self):
        if not self._open:
            return  # up to 1.26 MicroPython's second close() takes somebody else's descriptor
        self._open = False
        self._pending = True  # a late set() must not write into a number that was given away
        self.pollable.close()
        if self._writer is not self.pollable:
            self._writer.close()


def _pair_channel():
    if not hasattr(socket, "socketpair"):
        raise Unavailable("this runtime has no socketpair")
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    return _SocketChannel(reader, writer)


def _datagram_channel():
    channel = self_connected()
    return _SocketChannel(channel, channel)


_POLL = 3  # MP_STREAM_POLL, py/stream.h
_READABLE = 1  # MP_STREAM_POLL_RD
_ERROR = -1


class _Flag(io.IOBase):
    """What MicroPython's poller asks on every round, when it has no descriptor to wait for."""

    def __init__(self):
        self.up = False

    def ioctl(self, request, argument):
        if request != _POLL:
            return _ERROR
        return argument & _READABLE if self.up else 0


class _FlagChannel:
    """For boards: their poller asks each object in turn, so a flag that answers is enough.

    A call is noticed at the poller's next round: read in the ports' source, 1 ms on most, one
    tick of 10 ms on the ESP32. On a Unix system the poller would spin at 1 ms, so there this is
    the last resort.
    """

    def __init__(self):
        if hasattr(socket, "socketpair"):
            raise Unavailable("this runtime's poller takes descriptors only")
        self.pollable = _Flag()

    def set(self):
        self.pollable.up = True

    def clear(self):
        self.pollable.up = False

    def is_set(self):
        return self.pollable.up

    def close(self):
        pass


# Best first.
KINDS = (("pair", _pair_channel), ("datagram", _datagram_channel), ("flag", _FlagChannel))


def Channel():  # noqa: N802 - a class to its callers, whichever kind it makes
    """Make the best channel that this runtime has.

    `.pollable` is what `select.poll().register` takes; `.set()` makes it readable, from any
    thread (and from a signal handler on CPython), at the cost of one system call until the next
    `.clear()`; `.is_set()` tells; `.close()` gives the descriptors back, after the owner has
    unregistered `.pollable`. Raises Unavailable with every kind's reason.
    """
    reasons = []
    for name, make in KINDS:
        try:
            return make()
        except OSError as error:
            reasons.append("%s: %s" % (name, error))
    raise Unavailable("no wake-up channel: " + "; ".join(reasons))
