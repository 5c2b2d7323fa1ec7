"""Messages that leave at QoS 1 and 2: numbered, kept until acknowledged, sent again when needed.

One rule: at most the broker's Receive Maximum are under way, in the order in which they were
published; the rest wait here, within a bound in messages and in bytes. A message over the bound is
refused, unless its own rule is to take the place of an older one (making_room.py). Nothing else
that was accepted is dropped. Messages of a keeper (keeper.py), which have identifiers above
0x7FFF, stand in the same row.
Section numbers are those of the MQTT 5.0 standard. Knows no connection and no subscription.
"""

from collections import OrderedDict, namedtuple

from micropython import const

from agent.mqtt.wire import encode_ack, encode_properties, encode_publish, wrong

# The broker has the message (`reason` below 0x80, section 2.4), or will never take it.
Delivered = namedtuple("Delivered", ("packet_id", "reason"))

_V5 = const(5)
_NOT_OF_QOS_1 = const(15)  # of wrongs.py
_PACKET_TOO_LARGE = const(0x95)
_FIRST_PUBREL = const(0x62)
_DUP = const(8)
_RECEIVE_MAXIMUM = const(33)
_MAXIMUM_QOS = const(36)
_RETAIN_AVAILABLE = const(37)

_MAX_ID = const(0x7FFF)  # of the identifiers given here; those above are a keeper's

# What an entry is: the first byte of its PUBLISH (FIRST_PUBREL once the broker has it at QoS 2),
# topic as UTF-8, payload, properties, and how far it is.
_FIRST = const(0)
_TOPIC = const(1)
_PAYLOAD = const(2)
_PROPERTIES = const(3)
_STATE = const(4)
# Never sent, sent on an earlier connection, on this one.
_NEW = const(0)
_SENT = const(1)
_UNDER_WAY = const(2)
_DONE = const(3)  # exactly_once.DONE
_OVERHEAD = const(160)  # about what the objects around a message take on a 64-bit interpreter


class Outbox:
    """Accepted messages by packet identifier, oldest first.

    What is to be sent goes to the list `output`, each Delivered to the list `events`. What the
    broker takes (section 3.2.2.3): `packet_bytes`, 0 is no limit, `qos`, `retain`.
    """

    def __init__(self, outbox_messages, outbox_bytes, output, events):
        self.outbox_messages = outbox_messages
        self.outbox_bytes = outbox_bytes
        self.entries = OrderedDict()
        self.output = output
        self.events = events
        self.size = 0
        self.packet_bytes = 0
        self.qos = 2
        self.retain = True
        self.version = _V5
        self.window = 0  # how many may be under way: 0 while there is no connection
        self.under_way = 0
        # Ids of entries not sent on this connection. Not empty only while the window is used up.
        self.waiting = []
        self.last = 0
        self.droppable = None  # a set of ids, see making_room.py; None until there is one
        self.notes = None  # a list for (kind, packet id) of what a keeper must know, see kept.py

    def take_id(self, taken):
        """The next packet identifier that is neither used here nor in `taken` (section 2.2.1)."""
        packet_id = self.last
        entries = self.entries
        while True:
            packet_id = packet_id + 1 if packet_id < _MAX_ID else 1
            if packet_id not in entries and packet_id not in taken:
                self.last = packet_id
                return packet_id

    def add(self, taken, first, topic, payload, properties):
        """Accept a message and send it if it may leave now: its packet identifier.

        None if there is no room for it. Identifiers in `taken` are not used.
        """
        entries = self.entries
        size = self.size + len(payload) + len(topic) + _OVERHEAD
        if size > self.outbox_bytes or len(entries) >= self.outbox_messages:
            return None
        self.size = size
        packet_id = self.take_id(taken)
        entries[packet_id] = entry = [first, topic, payload, properties, _NEW]
        if self.under_way < self.window:
            self._send(packet_id, entry)
        else:
            self.waiting.append(packet_id)
        return packet_id

    def begin(self, version, session_present, told):
        """A connection is up: everything is sent again, or anew if the broker lost the session.

        `told` are the properties of CONNACK.
        """
        self.version = version
        self.window = told.get(_RECEIVE_MAXIMUM, 65535)
        self.qos = told.get(_MAXIMUM_QOS, 2)
        self.retain = told.get(_RETAIN_AVAILABLE, 1)
        # What was under way goes out again as a repetition; to a broker that forgot the session
        # (MQTT-3.2.2-5) it is new, and what it had taken at QoS 2 it had taken.
        for packet_id in list(self.entries):
            entry = self.entries[packet_id]
            if entry[_STATE] != _NEW:
                entry[_STATE] = _SENT if session_present else _NEW
            if entry[_FIRST] == _FIRST_PUBREL and not session_present:
                self.finish(packet_id, 0)
        self.under_way = 0
        self.waiting = list(self.entries)
        self.pump()

    def pump(self):
        """Send what waits, as far as it may leave."""
        waiting = self.waiting
        while waiting and self.under_way < self.window:
            packet_id = waiting.pop(0)
            self._send(packet_id, self.entries[packet_id])

    def _send(self, packet_id, entry):
        """Send its PUBLISH or PUBREL; if this broker takes no such message, that is settled."""
        first = entry[_FIRST]
        if first == _FIRST_PUBREL:
            packet = encode_ack(first, packet_id)
        else:
            if first >> 1 & 3 > self.qos:  # MQTT-3.2.2-11
                first = first & ~6 | self.qos << 1
            if not self.retain:  # MQTT-3.2.2-14
                first &= ~1
            entry[_FIRST] = first
            if entry[_STATE] == _SENT:
                first |= _DUP  # MQTT-3.3.1-1
            properties = entry[_PROPERTIES]
            if self.version != _V5:
                properties = b""
            else:
                properties = encode_properties(properties) if properties else b"\0"
            sent_id = packet_id if first & 6 else 0
            packet = encode_publish(first, entry[_TOPIC], sent_id, properties, entry[_PAYLOAD])
            if 0 < self.packet_bytes < len(packet):  # MQTT-3.2.2-15
                self.finish(packet_id, _PACKET_TOO_LARGE)
                return
            if not sent_id:  # to a broker that takes QoS 0 only
                self.output.append(packet)
                self.finish(packet_id, 0)
                return
        entry[_STATE] = _UNDER_WAY
        self.under_way += 1
        self.output.append(packet)

    def finish(self, packet_id, reason):
        """The message is settled, under way or not."""
        entry = self.entries.pop(packet_id)
        self.size -= len(entry[_TOPIC]) + len(entry[_PAYLOAD]) + _OVERHEAD
        self.events.append(Delivered(packet_id, reason))
        if packet_id > _MAX_ID:
            self.notes.append((_DONE, packet_id))
        elif self.droppable:
            self.droppable.discard(packet_id)

    def acknowledge(self, packet_id, reason):
        """PUBACK came, section 3.4. Raises BadMessage if the message is not of QoS 1."""
        entry = self.entries.get(packet_id)
        if entry and entry[_STATE] == _UNDER_WAY:
            if entry[_FIRST] & 0xF6 != 0x32:
                raise wrong(_NOT_OF_QOS_1)
            self.under_way -= 1
            self.finish(packet_id, reason)
            if self.waiting:
                self.pump()
