"""What the device says unasked, on its own topics, sealed: `limpet/<id>/...`.

The one rule: whoever says something hears whether there was room for it, and decides what that
means. What may not be lost to a restart goes through `keep`. Owner: the main thread.
"""

import json

from agent.mqtt.fields import MESSAGE_EXPIRY


class Voice:
    """`base` begins the topics; `open_outbox()` gives the keeper of durable messages, or None
    where nothing can be stored; it is loaded with the first one."""

    def __init__(self, base, gate, link, open_outbox):
        self.base = base
        self.outbox = None  # a mqtt.keeper.Keeper, once there is one
        self._gate = gate
        self._link = link
        self._open_outbox = open_outbox

    def say(self, name, payload, retain=True, qos=1):
        """Send bytes; False if the link has no room for them."""
        topic = self.base + name
        payload = self._gate.seal_for_all(topic, payload)
        return self._link.publish(topic, payload, qos, retain) is not None

    def tell(self, name, payload, expiry_s=None):
        """Say a state that the broker forgets after so many seconds, or, where the payload is
        empty, now; False without room, None without a connection."""
        if not self._link.connected:
            return None
        topic = self.base + name
        if payload:
            payload = self._gate.seal_for_all(topic, payload)
        properties = None if expiry_s is None else {MESSAGE_EXPIRY: expiry_s}
        return self._link.publish(topic, payload, 1, True, properties) is not None

    def keep(self, name, words):
        """Send a JSON-able dict that may not be lost to a restart; False without room for it."""
        return self.keep_bytes(name, json.dumps(words).encode())

    def keep_bytes(self, name, payload, is_bulk=False):
        """As `keep`, of what is encoded already; `is_bulk`: samples, which put out no event."""
        if self.outbox is None:
            self.outbox = self._open_outbox()
        if self.outbox is None:
            return self.say(name, payload, False)
        topic = self.base + name
        payload = self._gate.seal_for_all(topic, payload)
        publish = self.outbox.publish_bulk if is_bulk else self.outbox.publish
        return publish(topic, payload) is not None

    def flush(self):
        """Put on the medium what `keep` took: the process ends."""
        if self.outbox is not None:
            self.outbox.flush()


class Trail:
    """The audit's events, as they become due: a part of the loop."""

    def __init__(self, gate, voice):
        self._gate = gate
        self._voice = voice

    @property
    def due(self):
        """When `step` is wanted, in ms; None for never."""
        return self._gate.due

    def step(self, now):
        """Say what is due; what finds no room is counted."""
        for event in self._gate.step(now):
            if not self._voice.keep("event/audit", event):
                self._gate.audit.dropped += 1
