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
not. Subscriptions and messages of QoS 1 and 2 outlive the connection; outbox.py and inbox.py say
how. A filter that is wanted and not granted in this session is asked for at every connection.
`now` is an int of milliseconds that never wraps. Section numbers are those of the MQTT 5.0
standard. Here is what every session meets; seldom.py reads all else, and loads when it comes.
"""

from collections import namedtuple

from micropython import const

from agent import LimpetError
from agent.mqtt.inbox import Inbox, Intake
from agent.mqtt.outbox import Outbox
from agent.mqtt.wire import (
    encode_properties,
    encode_publish,
    encode_subscribe,
    encode_text,
    is_topic,
    read_numbers,
)

# `properties` is what the broker told in CONNACK, None on MQTT 3.1.1.
Connected = namedtuple("Connected", ("session_present", "version", "properties"))
Received = namedtuple("Received", ("message",))
# The answer to a subscription: `codes` is a tuple of the granted QoS, or a refusal from 0x80 on.
Subscribed = namedtuple("Subscribed", ("packet_id", "codes", "topic_filter"))

# How far the connection is.
_IDLE = const(0)
_OPENING = const(1)
_OPEN = const(2)
_ENDED = const(3)

_V5 = const(5)
_MAXIMUM_PACKET_SIZE = const(39)
_IDENTIFIERS_AVAILABLE = const(41)
_KEEP_ALIVE_TIMEOUT = const(0x8D)

# An option of a subscription, section 3.8.3.1.
_RETAIN_AS_PUBLISHED = const(8)

# Parsing pauses while this many packets wait to be written, so that a peer which asks much and
# reads nothing fills its own buffers, not ours. Nothing else may pause it: the acknowledgements
# that make room for what waits here come on the same stream, behind what would be held up.
_OUTPUT_PAUSE = const(256)


class Session:
    """See the head of this file.

    `will`, a packets.Will or None, is read at each `open`; `version` may be changed between
    connections; `dropped` counts what `publish` refused or put out, `blocked` what its publisher
    will try again. `ended` is a events.Ended once the other side has brought this connection to
    its end. `paused`: `next_event` leaves what came unread until writes have caught up; so should
    the transport. For the other modules of this room: `packets` waits to be written, `wanted` has
    the filters with their options and properties, `granted` those that this session
    may have at the broker, with 0 or the packet id of what was asked since and not answered yet,
    `asked` what is without an answer: packet id: (filter, whether a SUBSCRIBE); `identifiers`
    is 0 where the broker of this connection knows no Subscription Identifiers.
    """

    def __init__(self, settings, will=None):
        self.will = will
        self.dropped = self.blocked = 0
        self.size = 0  # of QoS 0, in `packets`
        # The last topic published to, as text and as bytes: replies repeat it.
        self.topic = self.name = None
        self.change(settings)
        self.state = _IDLE
        self.ended = None
        self.paused = False
        self.packets = []
        self.events = []
        size = settings.maximum_packet_bytes
        self.intake = Intake(size)
        self.inbox = Inbox(settings.receive_maximum, size, settings.topic_alias_maximum)
        self.outbox = Outbox(
            settings.outbox_messages, settings.outbox_bytes, self.packets, self.events
        )
        self.wanted = {}
        self.granted = {}
        self.asked = {}
        # When to call `step`, None for never. Sending and hearing, which happen all the time, do
        # not move it; `step` does when it is called too early, once in an interval at most.
        self.due = self._ping_sent = None
        self._sent = self._heard = self._interval_ms = 0

    def change(self, settings):
        """Use other settings from the next connection on; sizes stay as they were made."""
        self.settings = settings
        self.client_id = settings.client_id
        self.version = settings.version

    # The transport's side.

    def open(self, now):
        """The transport is connected: queue CONNECT."""
        self.close()
        self.state = _OPENING
        self.packets.append(self.settings.connect_packet(self.version, self.client_id, self.will))

    def close(self):
        """The transport is gone."""
        intake = self.intake
        intake.start = intake.end = intake.skip = 0
        self.packets.clear()
        self.size = 0
        self.paused = False
        self.outbox.window = 0
        self.due = None
        self.state = _IDLE
        self.ended = None

    def space(self):
        """The memoryview to read bytes into; may be empty while `paused`."""
        return self.intake.space()

    def filled(self, count, now):
        """`count` bytes were read into `space()`."""
        self._heard = now
        self.intake.filled(count)

    def output(self, now):
        """Everything queued since the last time, as one piece of bytes; empty if nothing is."""
        packets = self.packets
        if not packets:
            return b""
        data = packets[0] if len(packets) == 1 else b"".join(packets)
        packets.clear()
        self.size = 0
        self.paused = False
        self._sent = now
        return data

    def step(self, now):
        """Look after the keep-alive: ping, or end the connection of a broker that is silent.

        Silence is one and a half times the keep-alive, which is what a broker grants us too.
        """
        if self.due is not None and now >= self.due:
            self._move_due()
            if now >= self.due:
                if self._ping_sent is not None:
                    self._seldom().refuse(self, _KEEP_ALIVE_TIMEOUT)
                    return
                self._ping_sent = now
                self.packets.append(b"\xc0\x00")
                self._move_due()

    def _move_due(self):
        """Bytes of any kind count as life, so a long packet on a slow line is no silence."""
        if self._ping_sent is not None:
            self.due = max(self._ping_sent, self._heard) + self._interval_ms // 2
        elif self._interval_ms:
            self.due = min(self._sent, self._heard) + self._interval_ms

    def _seldom(self):
        from agent.mqtt import seldom

        return seldom

    def next_event(self):
        """The next event in what was received; None if more bytes must come first.

        Raises BadMessage at bytes that MQTT forbids: the DISCONNECT that says why is queued then,
        and the connection is over.
        """
        events = self.events
        if events:
            return events.pop(0)
        try:
            intake = self.intake
            packets = self.packets
            while self.state == _OPEN or self.state == _OPENING:
                if len(packets) > _OUTPUT_PAUSE:
                    self.paused = True
                    break
                first = intake.take()
                if first == -1:
                    break
                event = self._act(first)
                if event:
                    return event
                if events:
                    return events.pop(0)
                if first == -2:
                    break
        except LimpetError as error:  # a BadMessage, which knows the reason code
            self._seldom().refuse(self, error.reason)
            raise
        return None

    def _act(self, first):
        """Do what the packet says that begins with `first`; its event, if it is one.

        PUBLISH, and PUBACK, SUBACK and PINGRESP in their usual forms: no properties, one filter.
        """
        intake = self.intake
        if self.state == _OPENING:
            return self._answer(first)
        if first >> 4 == 3:
            inbox = self.inbox
            message = inbox.read(first, intake.view, intake.body, intake.stop)
            if first & 6 and not inbox.arrive(message):
                inbox.recorded().repeat(message.packet_id, inbox.arrived, self.packets)
                return None
            return Received(message)
        at = intake.body
        size = intake.stop - at
        buffer = intake.buffer
        if first == 0x40 and size == 2:
            packet_id = buffer[at] << 8 | buffer[at + 1]
            if packet_id:
                return self.outbox.acknowledge(packet_id, 0)
        elif first == 0x90 and size == 4 and not buffer[at + 2] and buffer[at + 3] < 3:
            if self.version == _V5:
                return self.subscribed(buffer[at] << 8 | buffer[at + 1], buffer[at + 3])
        elif first == 0xD0 and not size:
            self._ping_sent = None
            return self._move_due()
        return self._seldom().read(self, first)

    def subscribed(self, packet_id, code):
        """The event that a SUBACK stands for; None if nobody asked."""
        topic_filter, is_asked = self.asked.get(packet_id, (None, False))
        if not is_asked:
            return None
        del self.asked[packet_id]
        if code < 0x80 and self.granted.get(topic_filter) == packet_id:
            self.granted[topic_filter] = 0
        return Subscribed(packet_id, (code,), topic_filter)

    def _answer(self, first):
        """What comes of the first packet, which should be a CONNACK: section 3.2."""
        intake = self.intake
        view = intake.view
        at = intake.body
        if first == 0x20 and intake.stop - at > 2 and self.version == _V5 and not view[at + 1]:
            properties = read_numbers(view, at + 2, intake.stop)
            if properties is not False and view[at] <= (0 if self.settings.clean_start else 1):
                return self.begin(view[at] == 1, properties, properties or {}, view[at])
        return self._seldom().read(self, first)

    def begin(self, present, properties, told, resumes):
        """Connected: send again what is unacknowledged, ask again for what is not granted.

        `told` has the broker's limits; `resumes`: what was under way goes out as a repetition.
        """
        self.state = _OPEN
        # Assigned Client Identifier and Server Keep Alive.
        if not self.client_id:  # who brought a name is not given another: section 3.2.2.3.7
            self.client_id = told.get(18, "")
        self._interval_ms = told.get(19, self.settings.keep_alive_s) * 1000
        self._sent = self._heard
        self._ping_sent = None
        self._move_due()
        self.inbox.begin(self.version, present)
        self.outbox.packet_bytes = told.get(_MAXIMUM_PACKET_SIZE, 0)
        self.identifiers = told.get(_IDENTIFIERS_AVAILABLE, 1)
        self.asked.clear()
        if not present:
            self.granted.clear()
        for topic_filter in self.wanted:
            if self.granted.get(topic_filter, 1):
                self._ask(topic_filter)
        for topic_filter in list(self.granted):
            if topic_filter not in self.wanted:
                self.unsubscribe(topic_filter)
        self.outbox.begin(self.version, resumes, told)
        return Connected(present, self.version, properties)

    # What the owner says.

    def publish(self, topic, payload, qos=0, retain=False, properties=None, rule=None):
        """Queue a message: its packet identifier, 0 at QoS 0, None if there is no room for it.

        `payload` is bytes. QoS 1 and 2 are accepted without a connection too and end in a
        Delivered; QoS 0 without one has no room. What becomes of a message without room says its
        `rule`, one of making_room.py's, DROP_NEW where none is given; it is counted.
        `properties` is a dict by identifier, not sent on MQTT 3.1.1. Raises ValueError at a topic
        that cannot be published to (wire.is_topic).
        """
        if topic != self.topic:
            if not is_topic(topic):
                raise ValueError("not a topic to publish to: %r" % topic)
            self.topic = topic
            self.name = topic.encode()
        first = 0x30 | qos << 1 | (1 if retain else 0)
        if qos:
            packet_id = self.outbox.add(self.asked, first, self.name, payload, properties)
        else:
            packet_id = self._send_unnumbered(first, payload, properties)
        if rule:
            from agent.mqtt import making_room

            message = self.asked, first, self.name, payload, properties
            return making_room.follow(self, rule, packet_id, message)
        if packet_id is None:
            self.dropped += 1
        return packet_id

    def is_pending(self, packet_id):
        """Whether a message of QoS 1 or 2 has not been delivered yet."""
        return packet_id in self.outbox.entries

    def _send_unnumbered(self, first, payload, properties):
        if self.state != _OPEN:
            return None
        outbox = self.outbox
        encoded = encode_properties(properties) if self.version == _V5 else b""
        if not outbox.retain:
            first &= ~1
        packet = encode_publish(first, self.name, 0, encoded, payload)
        size = self.size + len(packet)
        if size > outbox.outbox_bytes or 0 < outbox.packet_bytes < len(packet):
            return None
        self.size = size
        self.packets.append(packet)
        return 0

    def acknowledge(self, message):
        """The owner of a received message has taken responsibility for it.

        The acknowledgement leaves after those of all messages that came before. A message of an
        earlier connection is ignored here: the broker sends it again.
        """
        if message.qos and self.state == _OPEN:
            self.inbox.acknowledge(message, self.packets)

    def subscribe(self, topic_filter, qos=1, options=0, properties=None):
        """Want a filter, now and after every reconnect; a Subscribed follows from each asking.

        `options` may be packets.NO_LOCAL (MQTT 5). `properties` is a dict of SUBSCRIPTION_ID, 1 to
        268435455, which each message of this filter brings then, and of USER_PROPERTY, a list of
        pairs; not sent on MQTT 3.1.1. Where the broker knows no identifiers, the Subscribed says
        0xA1 and nothing is asked. Raises ValueError at any other property or value.
        """
        if properties:
            properties = self._seldom().check_asking(properties, True)
        # What cannot be said is not wanted: no later connection could begin.
        encode_text(topic_filter)
        self.wanted[topic_filter] = (qos | options, properties)
        if topic_filter in self.granted:  # in another form
            self.granted[topic_filter] = 1
        if self.state == _OPEN:
            self._ask(topic_filter)

    def _ask(self, topic_filter):
        packet_id = self.outbox.take_id(self.asked)
        self.asked[packet_id] = (topic_filter, True)
        options, properties = self.wanted[topic_filter]
        if properties and self._seldom().lacks_identifiers(self, packet_id, properties):
            return
        self.granted[topic_filter] = packet_id
        options |= _RETAIN_AS_PUBLISHED
        version = self.version
        packet = encode_subscribe(version, packet_id, topic_filter, options, properties)
        self.send(packet_id, packet)

    def send(self, packet_id, packet):
        """Queue the packet of what is asked."""
        if 0 < self.outbox.packet_bytes < len(packet):  # MQTT-3.2.2-15
            self.events.append(self._seldom().refused(self, packet_id))
        else:
            self.packets.append(packet)

    def unsubscribe(self, topic_filter, properties=None):
        """Want a filter no longer; an Unsubscribed follows, from a kept session later too.

        `properties` may hold USER_PROPERTY; they go with what is asked at once, not with later.
        """
        self._seldom().unsubscribe(self, topic_filter, properties)

    def disconnect(self, with_will=False):
        """Say goodbye: queue DISCONNECT, after which nothing more is sent or read."""
        if self.state == _OPEN:
            tells = with_will and self.version == _V5  # section 3.14.2.1: 3.1.1 gives no reason
            self.packets.append(b"\xe0\x01\x04" if tells else b"\xe0\x00")
        self.state = _ENDED
