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

from agent.mqtt import fields, packets
from agent.mqtt.keepalive import PING, SILENT
from agent.mqtt.outbox import BLOCK, DROP_OLDEST
from agent.mqtt.packets import FIRST_PUBLISH, V5
from agent.mqtt.reader import (  # noqa: F401 - the events are the session's own
    ENDED,
    IDLE,
    OPEN,
    OPENING,
    Connected,
    Ended,
    Oversized,
    Reader,
    Received,
)


class Session(Reader):
    """See the head of this file.

    `will`, a packets.Will or None, is read at each `open`; `version` may be changed between
    connections; `dropped` counts what `publish` refused or put out, `blocked` what its publisher
    will try again. `ended` is an Ended once the other side
    has brought this connection to its end. `paused`: `next_event` leaves what came unread until
    writes have caught up; so should the transport.
    """

    def __init__(self, settings, will=None):
        super().__init__(settings)
        self.will = will
        self.dropped = self.blocked = 0
        self._unnumbered_bytes = 0  # of QoS 0, in `_output`
        # The last topic published to, as text and as bytes: replies repeat it.
        self._topic = self._name = None

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

    def change(self, options):
        """Use other settings from the next connection on; sizes stay as they were made."""
        self.settings = options
        self.client_id = options.client_id
        self.version = options.version

    @property
    def drained(self):
        """Whether the broker has acknowledged all that was published at QoS 1 and 2."""
        return not self._outbox.entries

    # What the owner says.

    def publish(self, topic, payload, qos=0, retain=False, properties=None, rule=None):
        """Queue a message: its packet identifier, 0 at QoS 0, None if there is no room for it.

        `payload` is bytes. QoS 1 and 2 are accepted without a connection too and end in a
        Delivered; QoS 0 without one has no room. What becomes of a message without room says its
        `rule`, one of outbox.py's, DROP_NEW where none is given; it is counted.
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
            if rule == DROP_OLDEST:
                packet_id = self._insist(packet_id, taken, first, payload, properties)
            if packet_id:
                return packet_id
        elif self.state == OPEN and self._send_unnumbered(first, payload, properties):
            return 0
        if rule == BLOCK:
            self.blocked += 1
        else:
            self.dropped += 1
        return None

    def is_pending(self, packet_id):
        """Whether a message of QoS 1 or 2 has not been delivered yet."""
        return packet_id in self._outbox.entries

    def _insist(self, packet_id, taken, first, payload, properties):
        """A message that takes the place of older ones, and gives it up to younger ones."""
        outbox = self._outbox
        outbox.allow_drop()
        if packet_id is None:
            count = outbox.make_room(len(payload) + len(self._name))
            if count is None:
                return None
            self.dropped += count
            packet_id = outbox.add(taken, first, self._name, payload, properties)
        outbox.allow_drop(packet_id)
        return packet_id

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

    # What a keeper says (keeper.py).

    def tell_notes(self):
        """The list in which all is noted, from now on, that a keeper must know before `output`."""
        self._outbox.notes = self._inbox.notes = notes = []
        return notes

    def restore(self, recorded):
        """An earlier process has taken the messages of QoS 2 with these identifiers."""
        self._inbox.restore(recorded)

    def resume(self, packet_id, first, topic, payload, properties, sent):
        """Take a message that is kept: as Outbox.put."""
        self._outbox.put(packet_id, first, topic, payload, properties, sent)

    def look(self, packet_id):
        """First byte, topic as UTF-8, payload and properties of a message under way."""
        return self._outbox.entries[packet_id][:4]

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

    def disconnect(self, with_will=False):
        """Say goodbye: queue DISCONNECT, after which nothing more is sent or read."""
        if self.state == OPEN:
            reason = packets.DISCONNECT_WITH_WILL if with_will else packets.NORMAL
            self._output.append(packets.encode_disconnect(self.version, reason))
        self.state = ENDED
