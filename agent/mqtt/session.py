"""One client's MQTT session: bytes and `now` in, events and bytes out.

One rule: nothing here knows a socket, a clock or a thread, and nothing grows with what a peer
sends. The owner of the transport does, for each connection:

    session.open(now)                    the transport is there: CONNECT is queued
    n = read into session.space()        then session.filled(n, now)
    event = session.next_event()         until it is None
    session.step(now)                    keep-alive; `session.due` says when next
    data = session.output(now)           everything queued, for one write
    session.close()                      the transport is gone, or let go of once `session.ended`

and the owner of the messages calls publish, subscribe, unsubscribe and acknowledge, connected or
not. Subscriptions and messages of QoS 1 and 2 outlive the connection; outbox.py, inbox.py and
subscriptions.py say how. `now` is an int of milliseconds that never wraps. Section numbers are
those of the MQTT 5.0 standard.
"""

from collections import namedtuple

from agent.errors import BadMessage
from agent.mqtt import fields, packets
from agent.mqtt.inbox import Inbox
from agent.mqtt.intake import NOTHING, TOO_LARGE, Intake
from agent.mqtt.keepalive import PING, SILENT, KeepAlive
from agent.mqtt.outbox import NO_LIMITS, Limits, Outbox
from agent.mqtt.packets import FIRST_PUBACK, FIRST_PUBCOMP, FIRST_PUBLISH, V5, V311
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


class Session:
    """See the head of this file.

    `will`, a packets.Will or None, is read at each `open`; `version` may be changed between
    connections; `dropped` counts what `publish` refused. `ended` is an Ended once the other side
    has brought this connection to its end. `paused`: `next_event` leaves what came unread until
    writes have caught up; so should the transport.
    """

    def __init__(self, settings, will=None):
        self.settings = settings
        self.will = will
        self.version = settings.version
        self.client_id = settings.client_id
        self.state = IDLE
        self.ended = None
        self.paused = False
        self.dropped = 0
        self._output = []
        self._unnumbered_bytes = 0  # of QoS 0, in `_output`
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
        # The last topic published to, as text and as bytes: replies repeat it.
        self._topic = self._name = None
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

    # The transport's side.

    def open(self, now):
        """The transport is connected: queue CONNECT."""
        self._forget_connection()
        self.state = OPENING
        self.ended = None
        packet = self.settings.connect_packet(self.version, self.client_id, self.will)
        self._output.append(packet)

    def close(self):
        """The transport is gone."""
        self._forget_connection()
        self.state = IDLE
        self.ended = None

    def _forget_connection(self):
        self._intake.clear()
        self._output.clear()
        self._unnumbered_bytes = 0
        self.paused = False
        self._outbox.end()
        self.keep_alive.end()

    def space(self):
        """The memoryview to read bytes into; may be empty while `paused`."""
        return self._intake.space()

    def filled(self, count, now):
        """`count` bytes were read into `space()`."""
        self.keep_alive.heard = now
        self._intake.filled(count)

    def output(self, now):
        """Everything queued since the last time, as one piece of bytes; empty if nothing is."""
        output = self._output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        self._unnumbered_bytes = 0
        self.paused = False
        self.keep_alive.sent = now
        return data

    @property
    def due(self):
        """When `step` has something to do next, None if never."""
        return self.keep_alive.due

    def step(self, now):
        """Look after the keep-alive: ping, or end the connection of a broker that is silent."""
        if self.state != OPEN:
            return
        what = self.keep_alive.step(now)
        if what == PING:
            self._output.append(packets.PINGREQ)
        elif what == SILENT:
            self._end(packets.KEEP_ALIVE_TIMEOUT, "the broker does not answer the ping")

    def _end(self, reason, text):
        self.state = ENDED
        self.ended = Ended(reason, text)

    # What the broker says.

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
        self.client_id = told.get(fields.ASSIGNED_CLIENT_ID, self.client_id)
        interval_s = told.get(fields.SERVER_KEEP_ALIVE, self.settings.keep_alive_s)
        self.keep_alive.begin(self.keep_alive.heard, interval_s)
        self._events.append(Connected(present, self.version, answer.properties))
        self._inbox.begin(self.version, present)
        missing, unwanted = self._subscriptions.begin(present)
        for topic_filter in missing:
            self._ask(self._subscriptions.subscribe, topic_filter)
        for topic_filter in unwanted:
            self._ask(self._subscriptions.unsubscribe, topic_filter)
        self._limits = self._read_limits(told)
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

    # What the client says.

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        """Queue a message: its packet identifier, 0 at QoS 0, None if there is no room for it.

        `payload` is bytes. QoS 1 and 2 are accepted without a connection too and end in a
        Delivered; QoS 0 without one has no room. What is refused is counted in `dropped`.
        `properties` is a dict by identifier, not sent on MQTT 3.1.1. Raises ValueError at a topic
        that cannot be published to (fields.is_topic).
        """
        if topic != self._topic:
            if not fields.is_topic(topic):
                raise ValueError("not a topic to publish to: %r" % topic)
            self._topic = topic
            self._name = topic.encode()
        first = FIRST_PUBLISH | qos << 1 | (1 if retain else 0)
        if qos:
            taken = self._subscriptions.pending
            packet_id = self._outbox.add(taken, first, self._name, payload, properties)
            if packet_id:
                return packet_id
        elif self.state == OPEN and self._send_unnumbered(first, payload, properties):
            return 0
        self.dropped += 1
        return None

    def _send_unnumbered(self, first, payload, properties):
        encoded = fields.encode_properties(properties) if self.version == V5 else b""
        if not self._limits.retain:
            first &= ~packets.RETAIN
        packet = packets.encode_publish(first, self._name, 0, encoded, payload)
        size = self._unnumbered_bytes + len(packet)
        if size > self.settings.outbox_bytes or 0 < self._limits.packet_bytes < len(packet):
            return False
        self._unnumbered_bytes = size
        self._output.append(packet)
        return True

    def acknowledge(self, message):
        """The owner of a received message has taken responsibility for it.

        The acknowledgement leaves after those of all messages that came before. A message of an
        earlier connection is ignored here: the broker sends it again.
        """
        if message.qos and self.state == OPEN:
            self._inbox.acknowledge(message, self._output)

    def subscribe(self, topic_filter, qos=1, options=0):
        """Want a filter, now and after every reconnect; a Subscribed follows from each asking.

        `options` may be subscriptions.NO_LOCAL (MQTT 5).
        """
        self._subscriptions.wanted[topic_filter] = qos | options
        if self.state == OPEN:
            self._ask(self._subscriptions.subscribe, topic_filter)

    def unsubscribe(self, topic_filter):
        """Want a filter no longer; an Unsubscribed follows, from a kept session later too."""
        self._subscriptions.wanted.pop(topic_filter, None)
        if self.state == OPEN:
            self._ask(self._subscriptions.unsubscribe, topic_filter)

    def _ask(self, encode, topic_filter):
        packet_id = self._outbox.take_id(self._subscriptions.pending)
        self._output.append(encode(self.version, packet_id, topic_filter))

    def disconnect(self, with_will=False):
        """Say goodbye: queue DISCONNECT, after which nothing more is sent or read."""
        if self.state == OPEN:
            reason = packets.DISCONNECT_WITH_WILL if with_will else packets.NORMAL
            self._output.append(packets.encode_disconnect(self.version, reason))
        self.state = ENDED


def _said(text, reason, properties):
    """`text` with the reason code and the broker's own words, if it had any."""
    words = properties and properties.get(fields.REASON_STRING)
    return "%s: 0x%02x%s" % (text, reason, " (%s)" % words if words else "")
