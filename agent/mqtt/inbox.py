"""What arrives: bytes, whole packets out of them, and messages, until their owner has them.

Two rules. The receive buffer is allocated once and never grows: a packet that does not fit is
measured, its head is held as long as somebody needs it, and the rest runs through without being
kept. And an acknowledgement leaves only when the message's owner gave it and every message before
it has been acknowledged (section 4.6 of the MQTT 5.0 standard). So what this side has not taken
responsibility for stays with the broker, and a connection's loss makes the broker send it again.
What QoS 2 and topic aliases need besides is in exactly_once.py and seldom.py, loaded at first use.
"""

from collections import namedtuple

from micropython import const

from agent.mqtt.wire import decode_text, encode_ack, is_topic, wrong

_V5 = const(5)
# What is wrong with what came: rows of wrongs.py.
_LENGTH_WRONG = const(9)
_QOS_WRONG = const(10)
_TOPIC_CUT_SHORT = const(11)
_NO_TOPIC = const(12)
_TOPIC_WRONG = const(13)
_TOO_MANY = const(14)
_FIRST_PUBACK = const(0x40)
_FIRST_PUBREC = const(0x50)

# What is taken above Receive Maximum. Brokers do not keep to it: mosquitto 2.0.11 had 178 messages
# under way where 20 were allowed, and to a session that is resumed it sends all it has queued at
# once, by default 1,000 beside the 20. Who closes then gets the same again at every connection and
# never comes up. So these bounds stand far above, and only keep the memory bounded:
_MOST_ENTRIES = const(2048)  # of which those waiting as acknowledgements are one word each
_LEAST_BYTES = const(16384)  # held for owners, where Receive Maximum times packet size is less
_OVERHEAD = const(160)  # about what the objects around a message take on a 64-bit interpreter

# `topic` text, `payload` bytes, `qos` 0 to 2, `retain` whether the broker had kept it (always
# known on MQTT 5; on 3.1.1 only when it comes because of a subscription), `packet_id` 0 at QoS 0,
# `properties` None or a dict by identifier.
Message = namedtuple("Message", ("topic", "payload", "qos", "retain", "packet_id", "properties"))


class Intake:
    """After `take()` gave a first byte, the packet's body is `view[body:stop]`.

    After -2, a packet that will never fit, `body` is where it starts, `end` where the bytes at
    hand stop, and `size` what the whole packet measures. `skip` bytes are still to be let go of.
    """

    def __init__(self, capacity):
        self.buffer = bytearray(capacity)
        self.view = memoryview(self.buffer)
        self.capacity = capacity
        self.start = self.end = self.body = self.stop = self.size = self.skip = 0

    def space(self):
        """Where to put the bytes that come next: a memoryview, not empty once `take` gave -1."""
        start = self.start
        if start:
            rest = self.end - start
            if rest:
                self.view[0:rest] = self.view[start : self.end]
            self.start = 0
            self.end = rest
        return self.view[self.end :] if self.end else self.view

    def filled(self, count):
        """`count` bytes were put into `space()`."""
        if self.skip:  # the buffer is empty then, so they stand at its beginning
            passed = min(count, self.skip)
            self.skip -= passed
            self.start = passed
        self.end += count

    def take(self):
        """The first byte of the next whole packet; -1: none is there; -2: one that will never fit.

        Raises BadMessage.
        """
        start = self.start
        end = self.end
        if end - start < 2:
            return -1
        buffer = self.buffer
        length = buffer[start + 1]
        body = start + 2
        if length > 127:
            shift = 7
            length &= 127
            while True:
                if body >= end:
                    return -1
                byte = buffer[body]
                body += 1
                if not byte or (shift == 21 and byte > 127):
                    raise wrong(_LENGTH_WRONG)
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
        stop = body + length
        if stop <= end:
            self.body = body
            self.stop = self.start = stop
            return buffer[start]
        self.body = body
        self.size = stop - start
        return -1 if stop - start <= self.capacity else -2


class Inbox:
    """What has arrived on this connection and is not acknowledged yet.

    `arrived` holds, in order of arrival, each Message that is still with its owner, or, of one
    whose acknowledgement waits for an earlier one, that packet's first byte and identifier as an
    int. What its messages take is at most what `receive_maximum` packets of `packet_bytes` do.
    """

    def __init__(self, receive_maximum, packet_bytes, alias_maximum):
        self.arrived = []
        self._held_bytes = 0
        self._most_bytes = max(_LEAST_BYTES, receive_maximum * (packet_bytes + _OVERHEAD))
        self.alias_maximum = alias_maximum
        self.aliases = None  # a dict once the broker makes one
        self.version = _V5
        self._recorded = None  # an exactly_once.Recorded, from the first message of QoS 2 on
        # The last topic, as bytes and as text: most messages repeat it, and on MicroPython making
        # and checking the text costs more than all the rest of the packet.
        self.name = self.topic = None

    def begin(self, version, session_present):
        """A connection starts: what was not acknowledged will come again."""
        self.version = version
        self._held_bytes = 0
        self.arrived = []
        self.aliases = None
        if self._recorded and not session_present:
            self._recorded.lose()

    def recorded(self):
        """What remembers the messages of QoS 2, for exactly_once.py and a keeper."""
        if self._recorded is None:
            from agent.mqtt import exactly_once

            self._recorded = exactly_once.Recorded()
        return self._recorded

    def read(self, flags, view, start, stop):
        """The Message in the body `view[start:stop]` of a PUBLISH, section 3.3. Raises BadMessage.

        `flags` are the low four bits of its first byte; higher ones are not looked at.
        """
        qos = flags >> 1 & 3
        if qos == 3 or flags & 14 == 8:  # MQTT-3.3.1-4, MQTT-3.3.1-2: DUP at QoS 0
            raise wrong(_QOS_WRONG)
        at = start + 2
        if at <= stop:
            start, at = at, at + (view[start] << 8 | view[start + 1])
        if at + (2 if qos else 0) > stop:
            raise wrong(_TOPIC_CUT_SHORT)
        name = view[start:at]
        topic = self.topic if name == self.name else self._read_topic(view, start, at)
        packet_id = 0
        if qos:
            packet_id = view[at] << 8 | view[at + 1]
            at += 2
        properties = None
        if self.version == _V5:
            if at < stop and not view[at]:  # the usual: none
                at += 1
            else:
                from agent.mqtt import seldom

                topic, properties, at = seldom.read_properties_of(self, topic, view, at, stop)
        if not topic or (qos and not packet_id):
            raise wrong(_NO_TOPIC)
        return Message(topic, bytes(view[at:stop]), qos, flags & 1 == 1, packet_id, properties)

    def _read_topic(self, view, start, stop):
        topic = decode_text(view, start, stop)
        if topic:
            if not is_topic(topic):
                raise wrong(_TOPIC_WRONG)
            self.name = bytes(view[start:stop])
            self.topic = topic
        return topic

    def arrive(self, message):
        """Note a message of QoS 1 or 2; False if its owner had it already. Raises BadMessage."""
        arrived = self.arrived
        entries = len(arrived)
        if message.qos == 2:
            recorded = self.recorded()
            if recorded.holds(message.packet_id, arrived):
                return False
            entries += len(recorded.packet_ids)
        arrived.append(message)
        self._held_bytes += len(message.payload) + _OVERHEAD
        if entries >= _MOST_ENTRIES or self._held_bytes > self._most_bytes:
            raise wrong(_TOO_MANY, entries)
        return True

    def acknowledge(self, message, output):
        """Its owner has `message`; append to `output` the acknowledgements that may leave now.

        One that is not of this connection is ignored: the broker will send it again.
        """
        packet_id = message.packet_id
        first = _FIRST_PUBACK if message.qos == 1 else _FIRST_PUBREC
        arrived = self.arrived
        if arrived and arrived[0] is message:  # the usual
            arrived.pop(0)
            output.append(encode_ack(first, packet_id))
            while arrived and isinstance(arrived[0], int):
                ack = arrived.pop(0)
                output.append(encode_ack(ack >> 16, ack & 0xFFFF))
        else:
            for at, one in enumerate(arrived):
                if one is message:
                    arrived[at] = first << 16 | packet_id
                    break
            else:
                return
        self._held_bytes -= len(message.payload) + _OVERHEAD
        if message.qos == 2:
            self._recorded.take(packet_id)
