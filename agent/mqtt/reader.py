"""What a broker says, and what it changes: the reading half of a session.

One rule: each packet is read, checked and acted upon in one place, in the order of arrival; what
comes of it is an event for the owner, bytes for the broker, or BadMessage. The writing half, and
how the two are used, is session.py. Section numbers are those of the MQTT 5.0 standard.
"""

from collections import namedtuple

from agent.errors import BadMessage
from agent.mqtt import fields, packets
from agent.mqtt.inbox import Inbox
from agent.mqtt.intake import NOTHING, TOO_LARGE, Intake
from agent.mqtt.keepalive import KeepAlive
from agent.mqtt.outbox import NO_LIMITS, Limits, Outbox
from agent.mqtt.packets import FIRST_PUBACK, FIRST_PUBCOMP, V5, V311
from agent.mqtt.subscriptions import Subscriptions

# `properties` is what the broker told in CONNACK, None on MQTT 3.1.1.
Connected = namedtuple("Connected", ("session_present", "version", "properties"))
Received = namedtuple("Received", ("message",))
# A message over the size was let through unseen; `topic` is what stood at its head.
Oversized = namedtuple("Oversized", ("size", "topic"))
# How the broker, or its silence, ended the connection: an MQTT 5 reason code and a sentence.
Ended = namedtuple("Ended", ("reason", "text"))

IDLE, OPENING, OPEN, ENDED = range(4)

# Parsing pauses while this many packets wait to be written, so that a peer which asks much and
# reads nothing fills its own buffers, not ours. Nothing else may pause it: the acknowledgements
# that make room for what waits here come on the same stream, behind what would be held up.
_OUTPUT_PAUSE = 256


class Reader:
    """The state that both sides change: connection, messages each way, subscriptions."""

    def __init__(self, settings):
        self.settings = settings
        self.version = settings.version
        self.client_id = settings.client_id
        self.state = IDLE
        self.ended = None
        self.paused = False
        self._output = []
        self._events = []
        self._intake = Intake(settings.maximum_packet_bytes)
        self._inbox = Inbox(
            settings.receive_maximum, settings.maximum_packet_bytes, settings.topic_alias_maximum
        )
        self._outbox = Outbox(
            settings.outbox_messages, settings.outbox_bytes, self._output, self._events
        )
        self._subscriptions = Subscriptions()
        self.keep_alive = KeepAlive()
        self._limits = NO_LIMITS
        # By packet type, section 2.1.2.
        self._handlers = [self._on_forbidden] * 16
        for packet_type, handler in (
            (packets.PUBLISH, self._on_publish),
            (packets.PUBACK, self._on_puback),
            (packets.PUBREC, self._on_pubrec),
            (packets.PUBREL, self._on_pubrel),
            (packets.PUBCOMP, self._on_pubcomp),
            (packets.SUBACK, self._on_suback),
            (packets.UNSUBACK, self._on_suback),
            (packets.PINGRESP, self._on_pingresp),
            (packets.DISCONNECT, self._on_disconnect),
        ):
            self._handlers[packet_type] = handler

    def _end(self, reason, text):
        self.state = ENDED
        self.ended = Ended(reason, text)

    def next_event(self):
        """The next event in what was received; None if more bytes must come first.

        Raises BadMessage at bytes that MQTT forbids: the DISCONNECT that says why is queued then,
        and the connection is over.
        """
        events = self._events
        if events:
            return events.pop(0)
        try:
            if self.state == OPENING:
                return self._parse_connack()
            intake = self._intake
            output = self._output
            while self.state == OPEN:
                if len(output) > _OUTPUT_PAUSE:
                    self.paused = True
                    return None
                first = intake.take()
                if first < 0:
                    return None if first == NOTHING else self._on_too_large()
                event = self._handlers[first >> 4](first)
                if event:
                    return event
                if events:
                    return events.pop(0)
        except BadMessage as error:
            if self.state == OPEN and self.version == V5:  # MQTT-3.14.0-1: not before CONNACK
                output.append(packets.encode_disconnect(V5, error.reason))
            self.state = ENDED
            raise
        return None

    def _on_forbidden(self, first):
        text = "packet type %d, which no broker may send" % (first >> 4)
        raise BadMessage(text, fields.PROTOCOL_ERROR)

    def _check_flags(self, first, flags):
        if first & 15 != flags:
            raise BadMessage("wrong flags in packet type %d" % (first >> 4), fields.MALFORMED)

    def _on_publish(self, first):
        intake = self._intake
        message = self._inbox.read(first, intake.view, intake.body, intake.stop)
        if message.qos and not self._inbox.arrive(message):
            self._inbox.repeat(message.packet_id, self._output)
            return None
        return Received(message)

    def _ack(self, first, flags):
        self._check_flags(first, flags)
        intake = self._intake
        return packets.decode_ack(self.version, first >> 4, intake.view, intake.body, intake.stop)

    def _on_puback(self, first):
        intake = self._intake
        body = intake.body
        if first == FIRST_PUBACK and intake.stop - body == 2:  # the usual
            buffer = intake.buffer
            packet_id = buffer[body] << 8 | buffer[body + 1]
            if packet_id:
                self._outbox.acknowledge(packet_id, 0)
                return
        ack = self._ack(first, 0)
        self._outbox.acknowledge(ack.packet_id, ack.reason)

    def _on_pubrec(self, first):
        ack = self._ack(first, 0)
        self._outbox.record(ack.packet_id, ack.reason)

    def _on_pubrel(self, first):
        ack = self._ack(first, 2)
        known = self._inbox.release(ack.packet_id)
        reason = 0 if known or self.version == V311 else packets.PACKET_ID_NOT_FOUND
        self._output.append(packets.encode_ack(FIRST_PUBCOMP, ack.packet_id, reason))

    def _on_pubcomp(self, first):
        ack = self._ack(first, 0)
        self._outbox.complete(ack.packet_id, ack.reason)

    def _on_suback(self, first):
        self._check_flags(first, 0)
        intake = self._intake
        answer = packets.decode_codes(
            self.version, first >> 4, intake.view, intake.body, intake.stop
        )
        return self._subscriptions.answered(answer, first >> 4 == packets.SUBACK)

    def _on_pingresp(self, first):
        self._check_flags(first, 0)
        if self._intake.stop != self._intake.body:
            raise BadMessage("a PINGRESP with content", fields.MALFORMED)
        self.keep_alive.answered()

    def _on_disconnect(self, first):
        self._check_flags(first, 0)
        if self.version == V311:
            raise BadMessage("a DISCONNECT from a broker of MQTT 3.1.1", fields.PROTOCOL_ERROR)
        intake = self._intake
        reason, properties = packets.decode_disconnect(intake.view, intake.body, intake.stop)
        self._end(reason, _said("the broker ended the connection", reason, properties))

    def _on_too_large(self):
        """A packet that does not fit the buffer: MQTT 5 forbids it, 3.1.1 could not be told."""
        intake = self._intake
        first = intake.buffer[intake.start]
        if self.version == V5 or first >> 4 != packets.PUBLISH:
            text = "a packet of %d bytes, over the maximum" % intake.size
            raise BadMessage(text, fields.PACKET_TOO_LARGE)
        message = self._inbox.read_head(first, intake.view, intake.body, intake.end)
        if message is None:
            if intake.end - intake.start >= intake.capacity:
                raise BadMessage("a topic longer than the buffer", fields.PACKET_TOO_LARGE)
            return None
        intake.drain()
        if message.qos and self._inbox.arrive(message):
            self.acknowledge(message)  # or the broker would send it for ever
        return Oversized(intake.size, message.topic)

    def _parse_connack(self):
        intake = self._intake
        first = intake.take()
        if first == NOTHING:
            return None
        if first == TOO_LARGE or first >> 4 != packets.CONNACK:
            raise BadMessage("not a CONNACK first", fields.PROTOCOL_ERROR)
        self._check_flags(first, 0)
        answer = packets.decode_connack(self.version, intake.view, intake.body, intake.stop)
        if answer.reason:
            text = _said("the broker refuses the connection", answer.reason, answer.properties)
            self._end(answer.reason, text)
            return None
        if answer.session_present and self.settings.clean_start:
            raise BadMessage("a session where a clean start was asked for", fields.PROTOCOL_ERROR)
        self._begin(answer)
        return self._events.pop(0)

    def _begin(self, answer):
        """Connected: send again what is unacknowledged, ask again for what is not granted."""
        self.state = OPEN
        told = answer.properties or {}
        present = answer.session_present
        if not self.client_id:  # who brought a name is not given another: section 3.2.2.3.7
            self.client_id = told.get(fields.ASSIGNED_CLIENT_ID, "")
        interval_s = told.get(fields.SERVER_KEEP_ALIVE, self.settings.keep_alive_s)
        self.keep_alive.begin(self.keep_alive.heard, interval_s)
        self._events.append(Connected(present, self.version, answer.properties))
        self._inbox.begin(self.version, present)
        self._limits = self._read_limits(told)
        missing, unwanted = self._subscriptions.begin(present)
        for topic_filter in missing:
            self._ask(self._subscriptions.subscribe, topic_filter)
        for topic_filter in unwanted:
            self._ask(self._subscriptions.unsubscribe, topic_filter)
        if self.version == V311 and self.client_id and not self.settings.clean_start:
            present = True  # MQTT-4.4.0-1 there asks for all to be sent again, whatever it says
        self._outbox.begin(self.version, present, self._limits)

    def _read_limits(self, told):
        if self.version == V311:
            return Limits(self.settings.send_maximum, 0, 2, True)
        if not told:
            return NO_LIMITS
        return Limits(
            told.get(fields.RECEIVE_MAXIMUM, NO_LIMITS.receive_maximum),
            told.get(fields.MAXIMUM_PACKET_SIZE, NO_LIMITS.packet_bytes),
            told.get(fields.MAXIMUM_QOS, NO_LIMITS.qos),
            bool(told.get(fields.RETAIN_AVAILABLE, NO_LIMITS.retain)),
        )

    def _ask(self, encode, topic_filter):
        packet_id = self._outbox.take_id(self._subscriptions.pending)
        packet = encode(self.version, packet_id, topic_filter)
        if 0 < self._limits.packet_bytes < len(packet):  # MQTT-3.2.2-15
            self._events.append(self._subscriptions.refused(packet_id, fields.PACKET_TOO_LARGE))
            return
        self._output.append(packet)


def _said(text, reason, properties):
    """`text` with what the reason code says, and the broker's own words, if it had any."""
    from agent.mqtt import reasons

    words = properties and properties.get(fields.REASON_STRING)
    return "%s: %s%s" % (text, reasons.words(reason), ", it says: %s" % words if words else "")
