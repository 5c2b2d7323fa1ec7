"""Messages that leave at QoS 1 and 2: numbered, kept until acknowledged, sent again when needed.

One rule: at most the broker's Receive Maximum are under way, in the order in which they were
published; the rest wait here, within a bound in messages and in bytes. A message over the bound is
refused, unless its own rule is to take the place of an older one by the same rule that was never
sent. Nothing else that was accepted is dropped. Messages of a keeper (keeper.py), which have
identifiers above MAX_ID, stand in the same row.
Section numbers are those of the MQTT 5.0 standard. Knows no connection and no subscription.
"""

from collections import OrderedDict, deque, namedtuple

from agent.errors import BadMessage
from agent.mqtt.fields import PACKET_TOO_LARGE, PROTOCOL_ERROR, encode_properties
from agent.mqtt.packets import (
    DUP,
    FIRST_PUBREL,
    PACKET_ID_NOT_FOUND,
    RETAIN,
    V5,
    encode_ack,
    encode_publish,
)

# The broker has the message (`reason` below 0x80, section 2.4), or will never take it.
Delivered = namedtuple("Delivered", ("packet_id", "reason"))

# What becomes of a message that finds no room: the oldest by the same rule that was never sent
# makes way; it is refused; it is refused and not counted as lost, for its publisher tries again.
DROP_OLDEST, DROP_NEW, BLOCK = "drop-oldest", "drop-new", "block"

# What a keeper must know (keeper.py). Of a message that leaves: the broker has it at QoS 2, so
# that only its release is owed; it is settled. Of one of QoS 2 that came: it is its owner's; the
# broker has released its identifier; it has lost all of these.
RELEASED, DONE, TAKEN, GIVEN, LOST = 2, 3, 4, 5, 6

MAX_ID = 0x7FFF  # of the identifiers given here; those above are a keeper's
_KEPT_MOST = 256  # messages of a keeper that are here beside the bound

# What a broker takes: section 3.2.2.3. `packet_bytes` 0 is no limit.
Limits = namedtuple("Limits", ("receive_maximum", "packet_bytes", "qos", "retain"))
NO_LIMITS = Limits(65535, 0, 2, True)

# What an entry is: the first byte of its PUBLISH (FIRST_PUBREL once the broker has it at QoS 2),
# topic as UTF-8, payload, properties, and how far it is.
_FIRST, _TOPIC, _PAYLOAD, _PROPERTIES, _STATE = range(5)
_NEW, _SENT, _UNDER_WAY = range(3)  # never sent, sent on an earlier connection, on this one
_OVERHEAD = 160  # about what the objects around a message take on a 64-bit interpreter


def _within(limits, first):
    """The first byte of a PUBLISH, brought down to what the broker takes."""
    if first >> 1 & 3 > limits.qos:  # MQTT-3.2.2-11
        first = first & ~6 | limits.qos << 1
    return first if limits.retain else first & ~RETAIN  # MQTT-3.2.2-14


class Outbox:
    """Accepted messages by packet identifier, oldest first.

    What is to be sent goes to the list `output`, each Delivered to the list `events`.
    """

    def __init__(self, maximum_messages, maximum_bytes, output, events):
        self.maximum_messages = maximum_messages
        self.maximum_bytes = maximum_bytes
        self.entries = OrderedDict()
        self._output = output
        self._events = events
        self._size = 0
        self._limits = NO_LIMITS
        self._version = V5
        self._window = 0  # how many may be under way: 0 while there is no connection
        self._under_way = 0
        # Ids of entries not sent on this connection. Not empty only while the window is used up.
        self._waiting = deque((), maximum_messages + _KEPT_MOST)
        self._last_id = 0
        self._droppable = None  # ids published by DROP_OLDEST; None until there is one
        self.notes = None  # a list for (kind, packet id) of what a keeper must know, see kept.py

    def take_id(self, taken):
        """The next packet identifier that is neither used here nor in `taken` (section 2.2.1)."""
        packet_id = self._last_id
        entries = self.entries
        while True:
            packet_id = packet_id + 1 if packet_id < MAX_ID else 1
            if packet_id not in entries and packet_id not in taken:
                self._last_id = packet_id
                return packet_id

    def add(self, taken, first, topic, payload, properties):
        """Accept a message and send it if it may leave now: its packet identifier.

        None if there is no room for it. Identifiers in `taken` are not used.
        """
        entries = self.entries
        size = self._size + len(payload) + len(topic) + _OVERHEAD
        if size > self.maximum_bytes or len(entries) >= self.maximum_messages:
            return None
        self._size = size
        packet_id = self.take_id(taken)
        entries[packet_id] = entry = [first, topic, payload, properties, _NEW]
        if self._under_way < self._window:
            self._send(packet_id, entry)
        else:
            self._waiting.append(packet_id)
        return packet_id

    def make_room(self, size):
        """Drop the oldest that may be dropped, until `size` bytes fit; how many, None if too few.

        Nothing is dropped in vain.
        """
        found = []
        room = self.maximum_bytes - self._size - _OVERHEAD
        entries = self.entries
        for packet_id in entries:
            if room >= size and len(entries) - len(found) < self.maximum_messages:
                break
            if packet_id in self._droppable and entries[packet_id][_STATE] == _NEW:
                found.append(packet_id)
                room += len(entries[packet_id][_TOPIC]) + len(entries[packet_id][_PAYLOAD])
                room += _OVERHEAD
        if room < size or len(entries) - len(found) >= self.maximum_messages:
            return None
        for packet_id in found:
            entry = entries.pop(packet_id)
            self._size -= len(entry[_TOPIC]) + len(entry[_PAYLOAD]) + _OVERHEAD
            self._droppable.discard(packet_id)
        waiting = [packet_id for packet_id in self._waiting if packet_id not in found]
        self._waiting = deque(waiting, self.maximum_messages + _KEPT_MOST)
        return len(found)

    def allow_drop(self, packet_id=None):
        """This message may be dropped for a newer one; without one: some day some may."""
        if self._droppable is None:
            self._droppable = set()
        if packet_id:
            self._droppable.add(packet_id)

    def put(self, packet_id, first, topic, payload, properties, sent):
        """Take a keeper's message under the identifier it has; `sent`: perhaps it left before."""
        self._size += len(payload) + len(topic) + _OVERHEAD
        state = _SENT if sent else _NEW
        self.entries[packet_id] = entry = [first, topic, payload, properties, state]
        if self._under_way < self._window:
            self._send(packet_id, entry)
        else:
            self._waiting.append(packet_id)

    def begin(self, version, session_present, limits):
        """A connection is up: everything is sent again, or anew if the broker lost the session."""
        self._version = version
        self._limits = limits
        self._demote(session_present)
        self._window = limits.receive_maximum
        self._under_way = 0
        self._waiting = deque(list(self.entries), self.maximum_messages + _KEPT_MOST)
        self._pump()

    def end(self):
        """The connection is gone."""
        self._window = 0

    def _demote(self, session_present):
        # What was under way goes out again as a repetition; to a broker that forgot the session
        # (MQTT-3.2.2-5) it is new, and what it had taken at QoS 2 it had taken.
        for packet_id in list(self.entries):
            entry = self.entries[packet_id]
            if entry[_STATE] != _NEW:
                entry[_STATE] = _SENT if session_present else _NEW
            if entry[_FIRST] == FIRST_PUBREL and not session_present:
                self._finish(packet_id, 0)

    def _pump(self):
        waiting = self._waiting
        while waiting and self._under_way < self._window:
            packet_id = waiting.popleft()
            self._send(packet_id, self.entries[packet_id])

    def _send(self, packet_id, entry):
        first = entry[_FIRST]
        if first == FIRST_PUBREL:
            packet = encode_ack(first, packet_id)
        else:
            packet = self._encode(packet_id, entry)
            if packet is None:
                return
        entry[_STATE] = _UNDER_WAY
        self._under_way += 1
        self._output.append(packet)

    def _encode(self, packet_id, entry):
        """Its PUBLISH; None if this broker takes no such message, which is settled then."""
        first = entry[_FIRST]
        limits = self._limits
        if limits is not NO_LIMITS:
            first = entry[_FIRST] = _within(limits, first)
        if entry[_STATE] == _SENT:
            first |= DUP  # MQTT-3.3.1-1
        properties = entry[_PROPERTIES]
        if self._version != V5:
            properties = b""
        elif properties:
            properties = encode_properties(properties)
        else:
            properties = b"\0"
        sent_id = packet_id if first & 6 else 0
        packet = encode_publish(first, entry[_TOPIC], sent_id, properties, entry[_PAYLOAD])
        if 0 < limits.packet_bytes < len(packet):  # MQTT-3.2.2-15
            self._finish(packet_id, PACKET_TOO_LARGE)
            return None
        if not sent_id:  # to a broker that takes QoS 0 only
            self._output.append(packet)
            self._finish(packet_id, 0)
            return None
        return packet

    def _finish(self, packet_id, reason):
        entry = self.entries.pop(packet_id)
        self._size -= len(entry[_TOPIC]) + len(entry[_PAYLOAD]) + _OVERHEAD
        self._events.append(Delivered(packet_id, reason))
        if packet_id > MAX_ID:
            self.notes.append((DONE, packet_id))
        elif self._droppable:
            self._droppable.discard(packet_id)

    def acknowledge(self, packet_id, reason):
        """PUBACK came, section 3.4. Raises BadMessage if the message is not of QoS 1.

        Here as below, an identifier that is not under way is ignored: brokers repeat themselves.
        """
        entry = self.entries.get(packet_id)
        if entry and entry[_STATE] == _UNDER_WAY:
            if entry[_FIRST] & 0xF6 != 0x32:
                raise BadMessage("a PUBACK for a message of QoS 2", PROTOCOL_ERROR)
            self._free(packet_id, reason)

    def record(self, packet_id, reason):
        """PUBREC came, section 3.5: the broker has a message of QoS 2, or refuses it."""
        entry = self.entries.get(packet_id)
        if not entry or entry[_STATE] != _UNDER_WAY:
            if reason < 0x80:  # MQTT-4.3.3-4: a refusal is not released
                reason = PACKET_ID_NOT_FOUND if self._version == V5 else 0
                self._output.append(encode_ack(FIRST_PUBREL, packet_id, reason))
            return
        if entry[_FIRST] & 0xF6 == 0x32:
            raise BadMessage("a PUBREC for a message of QoS 1", PROTOCOL_ERROR)
        if reason >= 0x80:
            self._free(packet_id, reason)
            return
        entry[_FIRST] = FIRST_PUBREL
        if packet_id > MAX_ID:
            self.notes.append((RELEASED, packet_id))
        self._output.append(encode_ack(FIRST_PUBREL, packet_id))

    def complete(self, packet_id, reason):
        """PUBCOMP came, section 3.7: the broker has released the identifier."""
        entry = self.entries.get(packet_id)
        if entry and entry[_STATE] == _UNDER_WAY:
            if entry[_FIRST] != FIRST_PUBREL:
                raise BadMessage("a PUBCOMP before the PUBREL", PROTOCOL_ERROR)
            # PACKET_ID_NOT_FOUND is a broker that had finished already: section 4.3.3.
            self._free(packet_id, 0 if reason == PACKET_ID_NOT_FOUND else reason)

    def _free(self, packet_id, reason):
        self._under_way -= 1
        self._finish(packet_id, reason)
        if self._waiting:
            self._pump()
