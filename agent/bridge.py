"""Where commands meet MQTT: calls come off the link, responses go onto it.

The one rule: no response is lost to a full outbox. While a response finds no room, no further call
is taken: it stays unacknowledged, so the broker keeps it, and by MQTT 5's Receive Maximum sends no
more than that. Reading must go on all the same, since the acknowledgements that make room come on
the same stream. So what comes above Receive Maximum (MQTT 3.1.1 knows none, and mosquitto 2.0.11
was seen to send nine times as many) is answered `busy` at QoS 0, which needs no room.
A call is acknowledged once its owner has committed to it: once a turn, for all that came in it.
A signed call is its owner's once the signature has been checked, some steps each turn.
Owner: the main thread.
"""

from agent.commands.service import Incoming
from agent.mqtt import fields

_NO_PROPERTIES = {}
CHECK_STEPS = 16  # of some 300 of a signature, in one turn: 0.6 ms on a PC, 80 ms on a small board


class Bridge:
    """`topics` are those that calls arrive on, `room` is Receive Maximum."""

    def __init__(self, link, topics, room):
        self._link = link
        self._topics = topics
        self._room = room
        self._accept = self._decline = self._commit = None
        self._others = {}  # topic: function(message) of what is no call
        self._rest = None  # called with each Message that none of those is for
        self._is_closed = False
        self._held = []  # messages not taken yet, at most `room`
        self._checked = []  # (message, generator) of signed calls, at most `room`, oldest first
        self._taken = []  # messages whose owner has not taken responsibility yet
        self._unsent = []  # responses that found no room: at most what was taken before the first

    def connect(self, accept, decline, commit):
        """Give each call to one of the first two, as an Incoming; want calls from the broker.

        What `accept` returns is None, or a generator: the call is accepted when that ends.
        After `commit()` the calls accepted before are their owner's, and are acknowledged.
        """
        self._accept = accept
        self._decline = decline
        self._commit = commit
        for topic in self._topics:
            self._link.subscribe(topic, 1)

    def listen(self, topic, take):
        """Give messages on `topic`, which are no calls, to `take`, and to those before it."""
        first = self._others.get(topic)
        self._others[topic] = take if first is None else lambda m: (first(m), take(m))
        self._link.subscribe(topic, 1)

    def listen_to_all(self, take):
        """Give `take` each message that is no call and that nobody listens to by its topic."""
        self._rest = take

    def retarget(self, topics):
        """Take calls on these topics from now on, and on no others."""
        for topic in self._topics:
            if topic not in topics:
                self._link.unsubscribe(topic)
        for topic in topics:
            if topic not in self._topics:
                self._link.subscribe(topic, 1)
        self._topics = topics

    @property
    def drained(self):
        """Whether every response has been given to the link."""
        return not self._unsent

    @property
    def is_idle(self):
        """Whether nothing that came or is to be sent waits here."""
        return not (self._held or self._checked or self._taken or self._unsent)

    def close(self):
        """Take no more: what comes from now on stays the broker's."""
        self._is_closed = True
        self._held = []
        self._checked = []

    def receive(self, message):
        """A message came."""
        if self._is_closed:
            return
        if not self._unsent and len(self._checked) < self._room:
            self._give(message, self._accept)
        elif message.qos and len(self._held) < self._room:
            self._held.append(message)
        else:
            self._give(message, self._decline)

    def _give(self, message, take):
        if message.topic in self._topics:
            told = message.properties or _NO_PROPERTIES
            check = take(
                Incoming(
                    message.topic,
                    message.payload,
                    message.retain,
                    told.get(fields.RESPONSE_TOPIC),
                    told.get(fields.CORRELATION_DATA),
                    told.get(fields.MESSAGE_EXPIRY),
                )
            )
            if check is not None:
                self._checked.append((message, check))
                return
        elif message.topic in self._others:
            self._others[message.topic](message)
        elif self._rest is not None:
            self._rest(message)
        self._taken.append(message)

    def answer(self, topic, payload, correlation, keep):
        """Send a response: to be kept, now or when there is room, in order; else at QoS 0."""
        if not keep:
            self._publish(topic, payload, correlation, 0)
        elif self._unsent or not self._publish(topic, payload, correlation, 1):
            self._unsent.append((topic, payload, correlation, 1))

    def _publish(self, topic, payload, correlation, qos):
        properties = None if correlation is None else {fields.CORRELATION_DATA: correlation}
        return self._link.publish(topic, payload, qos, False, properties) is not None

    def step(self):
        """Send what found no room before, take the calls that waited for it, acknowledge.

        Returns True while there is a signature to check.
        """
        while self._unsent and self._publish(*self._unsent[0]):
            self._unsent.pop(0)
        if self._checked and not self._unsent:
            self._check()
        while self._held and not self._unsent and len(self._checked) < self._room:
            self._give(self._held.pop(0), self._accept)
        self._commit()
        if self._taken:
            for message in self._taken:
                self._link.acknowledge(message)
            self._taken = []
        return len(self._checked) > 0

    def _check(self):
        message, check = self._checked[0]
        for _ in range(CHECK_STEPS):
            try:
                next(check)
            except StopIteration:
                self._checked.pop(0)
                self._taken.append(message)
                return

    def disconnected(self):
        """The connection is gone: the broker will send again what was not acknowledged."""
        self._held = []
        self._checked = []
