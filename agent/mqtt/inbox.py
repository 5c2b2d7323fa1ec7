"""Messages that arrive: read, told from repetitions, and acknowledged by their owner in order.

One rule: an acknowledgement leaves only when the message's owner gave it and every message before
it has been acknowledged (section 4.6 of the MQTT 5.0 standard). So what this side has not taken
responsibility for stays with the broker, and a connection's loss makes the broker send it again.
"""

from collections import namedtuple

from agent.errors import BadMessage
from agent.mqtt.fields import (
    MALFORMED,
    PROTOCOL_ERROR,
    RECEIVE_MAXIMUM_EXCEEDED,
    TOPIC_ALIAS,
    TOPIC_ALIAS_INVALID,
    Cursor,
    decode_properties,
    decode_text,
    is_topic,
)
from agent.mqtt.outbox import GIVEN, LOST, TAKEN
from agent.mqtt.packets import FIRST_PUBACK, FIRST_PUBREC, PUBLISH, V5, encode_ack

# What is taken above Receive Maximum. Brokers do not keep to it: mosquitto 2.0.11 had 178 messages
# under way where 20 were allowed, and to a session that is resumed it sends all it has queued at
# once, by default 1,000 beside the 20. Who closes then gets the same again at every connection and
# never comes up. So these bounds stand far above, and only keep the memory bounded:
MOST_ENTRIES = 2048  # of which those waiting as acknowledgements are one word each
LEAST_BYTES = 16384  # held for owners, where Receive Maximum times packet size is less
OVERHEAD = 160  # about what the objects around a message take on a 64-bit interpreter

# `topic` text, `payload` bytes, `qos` 0 to 2, `retain` whether the broker had kept it (always
# known on MQTT 5; on 3.1.1 only when it comes because of a subscription), `packet_id` 0 at QoS 0,
# `properties` None or a dict by identifier.
Message = namedtuple("Message", ("topic", "payload", "qos", "retain", "packet_id", "properties"))


class Inbox:
    """What has arrived on this connection and is not acknowledged yet.

    `arrived` holds, in order of arrival, each Message that is still with its owner, or, of one
    whose acknowledgement waits for an earlier one, that packet's first byte and identifier as an
    int. What its messages take is at most what `receive_maximum` packets of `packet_bytes` do.
    """

    def __init__(self, receive_maximum, packet_bytes, alias_maximum):
        self.arrived = []
        self._receive_maximum = receive_maximum
        self._held_bytes = 0
        self._most_bytes = max(LEAST_BYTES, receive_maximum * (packet_bytes + OVERHEAD))
        self._alias_maximum = alias_maximum
        self._aliases = {}
        self._version = V5
        # Packet ids of QoS 2 whose PUBREC is out and whose PUBREL is not yet in, section 4.3.3.
        self._recorded = set()
        self.notes = None  # a list for (kind, packet id) of what a keeper must know, see kept.py
        # The last topic, as bytes and as text: most messages repeat it, and on MicroPython making
        # and checking the text costs more than all the rest of the packet.
        self._name = None
        self._topic = None

    def begin(self, version, session_present):
        """A connection starts: what was not acknowledged will come again."""
        self._version = version
        self._held_bytes = 0
        self.arrived = []
        self._aliases = {}
        if not session_present and self._recorded:
            self._recorded = set()
            self._note(LOST, 0)

    def restore(self, recorded):
        """These identifiers are recorded: an earlier process took their messages."""
        self._recorded = recorded

    def _note(self, kind, packet_id):
        if self.notes is not None:
            self.notes.append((kind, packet_id))

    def read(self, flags, view, start, stop):
        """The Message in the body `view[start:stop]` of a PUBLISH, section 3.3. Raises BadMessage.

        `flags` are the low four bits of its first byte; higher ones are not looked at.
        """
        qos = flags >> 1 & 3
        if qos == 3 or flags & 14 == 8:  # MQTT-3.3.1-4, MQTT-3.3.1-2: DUP at QoS 0
            raise BadMessage("a PUBLISH with QoS 3, or with DUP at QoS 0", MALFORMED)
        position = start + 2
        if position <= stop:
            start, position = position, position + (view[start] << 8 | view[start + 1])
        if position + (2 if qos else 0) > stop:
            raise BadMessage("a PUBLISH shorter than its topic", MALFORMED)
        name = view[start:position]
        topic = self._topic if name == self._name else self._read_topic(view, start, position)
        packet_id = 0
        if qos:
            packet_id = view[position] << 8 | view[position + 1]
            position += 2
            if not packet_id:
                raise BadMessage("a PUBLISH with packet identifier 0", PROTOCOL_ERROR)
        properties = None
        if self._version == V5:
            if position < stop and not view[position]:  # the usual: none
                position += 1
            else:
                cursor = Cursor(view, position, stop)
                properties = decode_properties(cursor, PUBLISH)
                position = cursor.position
                if TOPIC_ALIAS in properties:
                    topic = self._resolve(topic, properties[TOPIC_ALIAS])
        if not topic:
            raise BadMessage("a PUBLISH without a topic", PROTOCOL_ERROR)
        return Message(
            topic, bytes(view[position:stop]), qos, flags & 1 == 1, packet_id, properties
        )

    def read_head(self, flags, view, start, end):
        """Of a PUBLISH too large to hold: a Message without payload, None if more must come.

        MQTT 3.1.1 only, so there are no properties in front of it.
        """
        size = 2
        if start + 2 <= end:
            size = 4 + (view[start] << 8 | view[start + 1])
        if start + size > end:
            return None
        stop = start + size if flags & 6 else start + size - 2
        return self.read(flags, view, start, stop)

    def _read_topic(self, view, start, stop):
        topic = decode_text(view, start, stop)
        if not topic:
            return topic
        if not is_topic(topic):
            raise BadMessage("a PUBLISH to a topic with a wildcard", MALFORMED)
        self._name = bytes(view[start:stop])
        self._topic = topic
        return topic

    def _resolve(self, topic, alias):
        """The topic that `alias` stands for from now on, section 3.3.2.3.4."""
        if alias > self._alias_maximum:
            raise BadMessage("topic alias %d was not offered" % alias, TOPIC_ALIAS_INVALID)
        if topic:
            self._aliases[alias] = topic
        elif alias not in self._aliases:
            raise BadMessage("topic alias %d stands for nothing" % alias, PROTOCOL_ERROR)
        return self._aliases[alias]

    def arrive(self, message):
        """Note a message of QoS 1 or 2; False if its owner had it already. Raises BadMessage."""
        arrived = self.arrived
        if message.qos == 2 and self._has_come(message.packet_id):
            return False
        arrived.append(message)
        self._held_bytes += len(message.payload) + OVERHEAD
        entries = len(arrived) + len(self._recorded)
        if entries > MOST_ENTRIES or self._held_bytes > self._most_bytes:
            text = "%d messages under way, where Receive Maximum is %d"
            raise BadMessage(text % (entries, self._receive_maximum), RECEIVE_MAXIMUM_EXCEEDED)
        return True

    def _has_come(self, packet_id):
        """Whether the message of QoS 2 with this identifier is here, or was and is not released.

        Brokers of 3.1.1 may repeat themselves on one connection.
        """
        if packet_id in self._recorded:
            return True
        for one in self.arrived:
            if not isinstance(one, int) and one.packet_id == packet_id and one.qos == 2:
                return True
        return False

    def acknowledge(self, message, output):
        """Its owner has `message`; append to `output` the acknowledgements that may leave now.

        One that is not of this connection is ignored: the broker will send it again.
        """
        packet_id = message.packet_id
        first = FIRST_PUBACK if message.qos == 1 else FIRST_PUBREC
        arrived = self.arrived
        if arrived and arrived[0] is message:  # the usual
            arrived.pop(0)
            output.append(encode_ack(first, packet_id))
            self._flush(output)
        elif not self._replace(message, first << 16 | packet_id):
            return
        self._held_bytes -= len(message.payload) + OVERHEAD
        if message.qos == 2:
            self._recorded.add(packet_id)
            self._note(TAKEN, packet_id)

    def repeat(self, packet_id, output):
        """A message of QoS 2 came again: say once more that it has been recorded, if it has."""
        if packet_id in self._recorded and FIRST_PUBREC << 16 | packet_id not in self.arrived:
            output.append(encode_ack(FIRST_PUBREC, packet_id))

    def _replace(self, message, ack):
        arrived = self.arrived
        for index in range(len(arrived)):
            if arrived[index] is message:
                arrived[index] = ack
                return True
        return False

    def _flush(self, output):
        arrived = self.arrived
        count = 0
        while count < len(arrived) and isinstance(arrived[count], int):
            ack = arrived[count]
            output.append(encode_ack(ack >> 16, ack & 0xFFFF))
            count += 1
        if count:
            arrived[:count] = ()

    def release(self, packet_id):
        """A PUBREL came; False if no such packet identifier is known."""
        if packet_id not in self._recorded:
            return False
        self._recorded.remove(packet_id)
        self._note(GIVEN, packet_id)
        return True
