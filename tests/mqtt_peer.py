"""A scripted broker for the tests of packets, session and link: it says bytes and hears packets.

One rule: what it says is put together here by hand from the standard, never by the code under
test. Works on every interpreter.
"""

from support import START

from agent.bad_message import BadMessage
from agent.mqtt.session import Session
from agent.mqtt.settings import Settings

# An acknowledgement of what was never sent, which every client ignores.
_STRAY = b"\x40\x02\xff\xfe"


def text(value):
    """A text field."""
    data = value.encode()
    return two(len(data)) + data


def two(value):
    """An integer of two bytes."""
    return bytes((value >> 8, value & 255))


def packet(first, *parts):
    """A whole packet from its first byte and the parts of its body."""
    body = b"".join(parts)
    length = len(body)
    head = bytearray((first,))
    while True:
        head.append(length % 128 + (128 if length > 127 else 0))
        length //= 128
        if not length:
            return bytes(head) + body


def connack(version=5, present=False, reason=0, properties=b""):
    """CONNACK; `properties` without their length."""
    body = bytes((1 if present else 0, reason))
    if version == 5:
        body += bytes((len(properties),)) + properties
    return packet(0x20, body)


def publish(topic, payload, qos=0, packet_id=0, version=5, flags=0, properties=b""):
    """PUBLISH; `flags` are RETAIN and DUP."""
    body = text(topic)
    if qos:
        body += two(packet_id)
    if version == 5:
        body += bytes((len(properties),)) + properties
    return packet(0x30 | flags | qos << 1, body, payload)


def suback(packet_id, code, version=5):
    """SUBACK for one filter."""
    return packet(0x90, two(packet_id), b"\0" if version == 5 else b"", bytes((code,)))


def split(data):
    """The packets in `data`, each as (first byte, body)."""
    found, rest = split_whole(data)
    assert not rest, "a packet cut short: %r" % rest
    return found


def split_whole(data):
    """The whole packets at the beginning of `data` as (first byte, body), and the rest."""
    found = []
    start = 0
    while True:
        at = start
        length = shift = 0
        more = True
        while more:
            at += 1
            if at >= len(data):
                return found, data[start:]
            length |= (data[at] & 127) << shift
            shift += 7
            more = data[at] > 127
        stop = at + 1 + length
        if stop > len(data):
            return found, data[start:]
        found.append((data[start], bytes(data[at + 1 : stop])))
        start = stop


def _put(session, data, now):
    """Hand over bytes as a link does, in pieces as large as there is room, with the events."""
    events = []
    at = 0
    while True:
        event = session.next_event()
        if event is not None:
            events.append(event)
            continue
        if at == len(data):
            return events
        space = session.space()
        count = min(len(space), len(data) - at)
        if not count or session.paused:
            return events
        space[:count] = data[at : at + count]
        session.filled(count, now)
        at += count


class Whole:
    """All bytes at once."""

    def __call__(self, session, data, now):
        return _put(session, data, now)


class Bytewise:
    """One byte at a time."""

    def __call__(self, session, data, now):
        events = []
        for index in range(len(data)):
            events += _put(session, data[index : index + 1], now)
        return events


class Tailed:
    """Each time with the beginning of another packet, whose end comes with the next."""

    def __init__(self):
        self._left = b""

    def __call__(self, session, data, now):
        data = self._left + data + _STRAY[:3]
        self._left = _STRAY[3:]
        return _put(session, data, now)


FEEDS = [("whole", Whole), ("byte by byte", Bytewise), ("with a tail", Tailed)]


class Peer:
    """A session with a scripted broker before it, connected unless told otherwise."""

    def __init__(self, feed=Whole, version=5, connected=True, connack_properties=b"", **settings):
        self.version = version
        self.now = START
        settings.setdefault("client_id", "me")
        self.session = Session(Settings(version=version, **settings))
        self._make_feed = feed
        if connected:
            self.reconnect(False, connack_properties)

    def reconnect(self, present=True, properties=b""):
        """Another connection, up to CONNACK; returns the events."""
        self.session.close()
        self._feed = self._make_feed()
        self.session.open(self.now)
        self.connect_packet = self.session.output(self.now)
        return self.say(connack(self.version, present, 0, properties))

    def open(self):
        """Another connection, up to CONNECT, which is returned as its body."""
        self.session.close()
        self._feed = self._make_feed()
        self.session.open(self.now)
        return self.hear()[0][1]

    def say(self, data):
        """The broker says `data`; returns the events."""
        return self._feed(self.session, data, self.now)

    def say_wrong(self, data):
        """The broker says what MQTT forbids; returns the BadMessage."""
        try:
            events = self.say(data)
        except BadMessage as error:
            return error
        raise AssertionError("accepted: %r as %r" % (data, events))

    def hear(self):
        """What the session says: a list of (first byte, body)."""
        return split(self.session.output(self.now))

    def after(self, milliseconds):
        """Time goes by."""
        self.now += milliseconds
        self.session.step(self.now)
        return self.hear()
