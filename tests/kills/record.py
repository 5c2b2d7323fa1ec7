"""What passed between a client and the broker, packet by packet: who repeated, and who lost what.

One rule: it judges by bytes on the wire alone. At QoS 2 a sender must not send a message again
once it has sent its PUBREL (MQTT-4.3.3-6), which it sends when PUBREC has come; the receiver then
takes the identifier for a new message, and nobody can tell the second from a new one. So a message
that came twice is laid to the one who is seen to do that, or to nobody.
"""

import threading

TO_BROKER, TO_CLIENT = 0, 1
CONNECT, PUBLISH, PUBREL = 1, 3, 6
_WORDS = {3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP"}


class Way:
    """One direction: what its sender did with each numbered message."""

    def __init__(self):
        self.numbers = {}  # packet identifier: number, of the PUBLISH that was seen last
        self.trace = {}  # number: all that was seen, for people
        self.released = {}  # number: packet identifier of the PUBREL
        self.again = {}  # number: what was seen, where it was sent although it had been released
        self.twice = {}  # number: its identifiers, where it was sent under several

    def saw_publish(self, packet_id, number, is_dup):
        if number in self.released:
            told = (self.released[number], packet_id, is_dup)
            self.again[number] = "PUBREL %d, then PUBLISH %d with DUP %d" % told
        if self.numbers.get(packet_id) != number:
            self.twice.setdefault(number, []).append(packet_id)
        self.numbers[packet_id] = number

    def saw_pubrel(self, packet_id):
        number = self.numbers.get(packet_id)
        if number is not None:
            self.released[number] = packet_id

    def note(self, packet_id, connection, kind, flags):
        """One more packet about the message that has this identifier."""
        number = self.numbers.get(packet_id)
        if number is not None:
            again = " DUP" if kind == PUBLISH and flags & 8 else ""
            words = "%s %d%s on %d" % (_WORDS[kind], packet_id, again, connection)
            self.trace.setdefault(number, []).append(words)


class Record:
    """Both directions of all connections of one client; `tap` is what a wire.Wire calls."""

    def __init__(self):
        self.ways = (Way(), Way())
        self._levels = {}  # connection: version of MQTT, as its CONNECT says
        self._streams = {}
        self._lock = threading.Lock()  # a wire has a thread for each direction

    def tap(self, connection, direction, data):
        """Bytes that one side of a connection has sent."""
        with self._lock:
            stream = self._streams.setdefault((connection, direction), bytearray())
            stream += data
            while (size := whole(stream)) is not None:
                self._saw(connection, direction, bytes(stream[:size]))
                del stream[:size]

    def _saw(self, connection, direction, packet):
        kind, flags = packet[0] >> 4, packet[0] & 15
        body = packet[length_end(packet) :]
        if kind == CONNECT:
            self._levels[connection] = body[6]
        if kind not in _WORDS or kind == PUBLISH and not flags & 6:
            return
        way = self.ways[direction if kind in (PUBLISH, PUBREL) else 1 - direction]
        at = 2 + (body[0] << 8 | body[1]) if kind == PUBLISH else 0
        packet_id = body[at] << 8 | body[at + 1]
        if kind == PUBLISH:
            at += 2
            if self._levels.get(connection) == 5:
                at += 1 + body[at]  # these have fewer than 128 bytes of properties
            words = bytes(body[at:]).split(b" ", 1)
            if not words[0].isdigit():
                return
            number = int(words[0])
            if flags & 6 == 4:
                way.saw_publish(packet_id, number, flags >> 3)
            way.numbers[packet_id] = number
        elif kind == PUBREL:
            way.saw_pubrel(packet_id)
        way.note(packet_id, connection, kind, flags)


def length_end(packet):
    """Where the body begins; None if the length is not there yet."""
    for at in range(1, 5):
        if at >= len(packet):
            return None
        if packet[at] < 128:
            return at + 1
    raise ValueError("a length of five bytes")


def whole(stream):
    """The size of the first packet if all of it is there, else None."""
    start = length_end(stream)
    if start is None:
        return None
    length = 0
    for index in range(1, start):
        length |= (stream[index] & 127) << 7 * (index - 1)
    return start + length if len(stream) >= start + length else None


def judge(number, device, ledger):
    """(whether the broker is seen to have repeated this number, what was seen), for people.

    `device` and `ledger` are their Records. Whoever was told twice may tell twice.
    """
    if number in ledger.ways[TO_BROKER].again:
        return False, "the ledger: " + ledger.ways[TO_BROKER].again[number]
    if len(ledger.ways[TO_BROKER].twice.get(number, ())) > 1:
        return False, "the ledger sent it as new under another identifier"
    if number in device.ways[TO_CLIENT].again:
        return True, "to the device: " + device.ways[TO_CLIENT].again[number]
    if number in device.ways[TO_BROKER].again:
        return False, "the device: " + device.ways[TO_BROKER].again[number]
    if len(device.ways[TO_BROKER].twice.get(number, ())) > 1:
        return False, "the device sent it as new under another identifier"
    if number in ledger.ways[TO_CLIENT].again:
        return True, "to the ledger: " + ledger.ways[TO_CLIENT].again[number]
    return False, "nobody is seen to have repeated it"


def story(number, device, ledger):
    """All that was seen of a number, as lines."""
    found = []
    for name, record in (("ledger", ledger), ("device", device)):
        for words, way in zip(("to the broker", "from the broker"), record.ways, strict=True):
            found.append("  %s, %s: %s" % (name, words, "; ".join(way.trace.get(number, ()))))
    return found
