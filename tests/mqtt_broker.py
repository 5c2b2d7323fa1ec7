"""A scripted broker on loopback, driven by the test in the same thread, faulty on demand.

One rule: it never waits; the test steps link and broker in turn. Works on every interpreter.
"""

import socket
from struct import pack

from interpreter import random_bytes
from mqtt_peer import START, connack, split_whole

from agent.mqtt.tcp import socket_address

_ROUNDS = 400
_SOL_SOCKET = 1
_SO_LINGER = 13


def listener():
    """A listening socket and its (host, port), which MicroPython cannot ask the kernel for."""
    for _ in range(50):
        high, low = random_bytes(2)
        port = 20000 + (high << 8 | low) % 12000  # below the range for outgoing connections
        family, address = socket_address("127.0.0.1", port)
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.bind(address)
            found.listen(5)
        except OSError:
            found.close()
            continue
        found.setblocking(False)
        return found, ("127.0.0.1", port)
    raise OSError("no free port")


class Broker:
    """`say` and `hear` speak with the connection that was accepted last."""

    def __init__(self):
        self._listener, self.address = listener()
        self.channel = None
        self.accepted = 0
        self._data = b""

    def accept(self):
        """Whether there is a connection, a new one if somebody has come."""
        try:
            channel = self._listener.accept()[0]
        except OSError:
            return self.channel is not None
        self.drop()
        channel.setblocking(False)
        self.channel = channel
        self.accepted += 1
        self._data = b""
        return True

    def read(self):
        """Take in bytes that have come."""
        if self.channel is None:
            return
        try:
            data = self.channel.recv(32768)
        except OSError:
            return
        if not data:
            self.drop()
        self._data += data

    def hear(self):
        """The whole packets that have come, as (first byte, body)."""
        self.read()
        found, self._data = split_whole(self._data)
        return found

    def say(self, data):
        """Send bytes, which must find room."""
        assert self.channel.send(data) == len(data)

    def drop(self):
        """Close the connection."""
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.close()

    def reset(self):
        """End the connection the hard way: with RST."""
        self.channel.setsockopt(_SOL_SOCKET, _SO_LINGER, pack("ii", 1, 0))
        self.drop()

    def close(self):
        """End everything."""
        self.drop()
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class Stage:
    """A link, a broker, and a clock that goes by one millisecond a round, or as told."""

    def __init__(self, link, broker=None):
        self.link = link
        self.broker = broker
        self.now = START
        self.events = []

    def round(self):
        """Let the link and the broker each have one turn."""
        link = self.link
        fresh = list(link.receive(self.now))
        self.events += fresh
        link.send(self.now)
        if self.broker is not None:
            self.broker.accept()
            self.broker.read()
        link.wait(1)
        self.now += 1
        return fresh

    def until(self, condition):
        """Rounds until `condition()` holds; its value."""
        for _ in range(_ROUNDS):
            value = condition()
            if value:
                return value
            self.round()
        raise AssertionError("it never came to that; events: %r" % self.events)

    def until_event(self, kind):
        """Rounds until an event of this kind has come, which is taken out of `events`."""

        def found():
            return [event for event in self.events if isinstance(event, kind)]

        event = self.until(found)[0]
        self.events.remove(event)
        return event

    def until_heard(self, first):
        """Rounds until the broker has heard a packet with this first byte; its body."""
        heard = []

        def found():
            heard.extend(self.broker.hear())
            return [(body,) for byte, body in heard if byte == first]

        return self.until(found)[0][0]

    def connect(self, version=5, present=False):
        """A whole connection, up to the Connected; the body of CONNECT."""
        body = self.until_heard(0x10)
        self.broker.say(connack(version, present))
        self.until(lambda: self.link.connected)
        return body
