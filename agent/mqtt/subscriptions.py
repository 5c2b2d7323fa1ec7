"""What the client wants to be told of, and what the broker has granted.

One rule: a filter that is wanted and not granted in this session is asked for at every connection;
the broker's word on whether it kept the session decides what is granted. Knows no bytes beyond the
packets it makes.
"""

from collections import namedtuple

from agent.mqtt.packets import encode_subscribe, encode_unsubscribe

# The answer to a subscription: `codes` is a tuple of the granted QoS, or a refusal from 0x80 on.
Subscribed = namedtuple("Subscribed", ("packet_id", "codes", "topic_filter"))
Unsubscribed = namedtuple("Unsubscribed", ("packet_id", "topic_filter"))

# Subscription options, section 3.8.3.1 of the MQTT 5.0 standard; 3.1.1 knows the QoS only.
NO_LOCAL = 4
RETAIN_AS_PUBLISHED = 8


class Subscriptions:
    """`pending` holds the packet identifiers in use: those of questions without an answer yet."""

    def __init__(self):
        self.wanted = {}  # filter: options
        self.pending = {}  # packet id: (filter, whether it was a SUBSCRIBE)
        self._granted = set()

    def begin(self, session_present):
        """A connection is up; the filters to subscribe to, and those to unsubscribe from."""
        self.pending = {}
        if not session_present:
            self._granted = set()
        missing = [name for name in self.wanted if name not in self._granted]
        return missing, [name for name in self._granted if name not in self.wanted]

    def subscribe(self, version, packet_id, topic_filter):
        """The SUBSCRIBE for a filter that is wanted."""
        self.pending[packet_id] = (topic_filter, True)
        options = self.wanted[topic_filter] | RETAIN_AS_PUBLISHED
        return encode_subscribe(version, packet_id, topic_filter, options)

    def unsubscribe(self, version, packet_id, topic_filter):
        """The UNSUBSCRIBE for a filter."""
        self.pending[packet_id] = (topic_filter, False)
        self._granted.discard(topic_filter)
        return encode_unsubscribe(version, packet_id, topic_filter)

    def refused(self, packet_id, reason):
        """The event of a question that may not be put."""
        topic_filter, subscribed = self.pending.pop(packet_id)
        if subscribed:
            return Subscribed(packet_id, (reason,), topic_filter)
        return Unsubscribed(packet_id, topic_filter)

    def answered(self, answer, subscribed):
        """The event that a SUBACK (`subscribed`) or UNSUBACK stands for; None if nobody asked."""
        asked = self.pending.get(answer.packet_id)
        if asked is None or asked[1] != subscribed:
            return None
        topic_filter = self.pending.pop(answer.packet_id)[0]
        if not subscribed:
            return Unsubscribed(answer.packet_id, topic_filter)
        if answer.codes[0] < 0x80 and topic_filter in self.wanted:
            self._granted.add(topic_filter)
        return Subscribed(answer.packet_id, answer.codes, topic_filter)
