"""A broker that does all that MQTT allows it at QoS 1, and callers who do not give up.

One rule: nothing here is fair: copies come twice, late, and once more after each reconnect; what
is in flight when the connection ends is lost or not, as chance has it. Only what MQTT promises
holds: a publication that was acknowledged arrives while the session lasts. Time is real time, in
ms.
"""

import json

from journal_device import CALL, PREFIX

from agent.mqtt.inbox import Message

RECEIVE_MAXIMUM = 20
RETRY_LATER = ("busy", "unavailable")  # codes that say: nothing was started


class Broker:
    """The device's session. `chance(p)` is True with probability p."""

    def __init__(self, chance, queue_ms):
        self._chance = chance
        self._queue_ms = queue_ms
        self._messages = []  # [id, payload, dies_at or None, in flight], in order
        self._next = 0
        self.away_since = None

    def publish(self, now, payload, dies_at, topic=CALL):
        """A caller publishes a request."""
        for _ in range(2 if self._chance(0.05) else 1):
            self._next += 1
            self._messages.append([self._next, payload, dies_at, False, topic])

    def disconnect(self, now):
        """The device is away."""
        if self.away_since is None:
            self.away_since = now

    def connect(self, now):
        """The device is back: all that it did not acknowledge is sent again, if any is kept."""
        if self.away_since is not None and now - self.away_since > self._queue_ms:
            self._messages = []
        self.away_since = None
        for message in self._messages:
            message[3] = False

    def deliver(self, now):
        """The messages that go out now."""
        kept = [m for m in self._messages if m[3] or m[2] is None or m[2] > now]
        self._messages = kept
        out = []
        for message in kept[:RECEIVE_MAXIMUM]:
            if not message[3]:
                message[3] = True
                out.append(self._message(message, now))
        return out

    def _message(self, message, now):
        identity, payload, dies_at, _, topic = message
        properties = {} if dies_at is None else {2: -(-(dies_at - now) // 1000)}
        return Message(topic, payload, 1, False, identity, properties)

    def acknowledge(self, message):
        """PUBACK came."""
        self._messages = [m for m in self._messages if m[0] != message.packet_id]


class Wire:
    """The device's end: what leaves it goes out at the end of its turn, or is lost with it."""

    def __init__(self, broker, chance, take):
        self._broker = broker
        self._chance = chance
        self._take = take  # called with topic and bytes of each message that arrives
        self._acks = []
        self._outbox = []  # responses the broker has not acknowledged
        self._fresh = []

    def subscribe(self, topic, qos):
        """As Link.subscribe."""

    connected = True

    def publish(self, topic, payload, qos, retain, properties=None):
        """As Link.publish."""
        if len(self._outbox) + len(self._fresh) >= 64:
            return None
        self._fresh.append((topic, payload))
        return 1

    def acknowledge(self, message):
        """As Link.acknowledge."""
        self._acks.append(message)

    def flush(self):
        """The end of a turn: one write, which arrives."""
        for message in self._acks:
            self._broker.acknowledge(message)
        self._acks = []
        for topic, payload in self._fresh:
            self._take(topic, payload)
        # A PUBACK may be under way when the connection ends: then the response goes out again.
        self._outbox = self._fresh if self._chance(0.2) else []
        self._fresh = []

    def break_off(self):
        """The connection ended before the turn's write: acknowledgements are lost."""
        self._acks = []

    def reconnect(self):
        """The session goes on: what was not acknowledged goes out again."""
        self._fresh = self._outbox + self._fresh
        self._outbox = []


class Caller:
    """One request, and what its caller was told.

    `bounded` ones say how old they may get where they wait, others have a ttl only.
    """

    patience_s = None  # `reply_within`, where the work is long
    topic = CALL
    job = None  # its name, once the answer was one
    ended = None  # (state, result or error's code), once that was told
    next_poll = 0
    cancels_at = None  # when it asks for the end, if it does
    cancelled = False

    def __init__(self, number, method, start, ttl_ms, bounded, nosy):
        self.number = number
        self.method = method
        self.start = start
        self.deadline = start + ttl_ms
        self.bounded = bounded
        self.nosy = nosy  # goes on asking when it knows
        self.next_try = start
        self.tries = 0
        self.final = None  # the answer, once there is one that ends the matter

    def request(self, now):
        """The payload of the next try, with what is left of the first deadline."""
        words = {
            "id": "request-%08d" % self.number,
            "method": self.method,
            "params": {"n": self.number, "size": self.number % 7 * 60},
            "ttl": (self.deadline - now) / 1000,
            "reply": PREFIX + "caller",
        }
        if self.patience_s is not None:
            words["reply_within"] = self.patience_s
        return json.dumps(words).encode()

    def ask(self, verb, number, now):
        """The payload of a question about its job, or of the order to cancel it."""
        name = self.job or "request-%08d" % self.number
        words = {"id": "job-%s-%08d-%06d" % (verb, self.number, number), "method": "job." + verb}
        words.update({"params": {"job": name}, "ttl": 5, "reply": PREFIX + "caller"})
        return json.dumps(words).encode()

    def wants_to_try(self, now):
        """Whether this caller publishes now."""
        if now < self.next_try or now >= self.deadline:
            return False
        return self.final is None or self.nosy
