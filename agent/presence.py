"""`status`, `about` and the will: whether the device is there, and what it can.

The one rule: what is retained at the broker is true. It is said with each connection, again when
the clock's quality changes, and again later where there was no room. Owner: the main thread.
"""

import json

from agent.mqtt import packets

CHECK_MS = 60_000  # how soon a changed clock quality shows in `status`
AGAIN_MS = 200  # after there was no room: acknowledgements make some in less


class Presence:
    """`boot` and `clock` give what a status holds; `about()` gives a JSON-able dict; `has_rival()`
    whether another client seems to have this one's id."""

    def __init__(self, voice, gate, boot, clock, about, has_rival):
        self._voice = voice
        self._gate = gate
        self._boot = boot
        self._clock = clock
        self._about = about
        self._has_rival = has_rival
        self._status = None  # what `_changing` was last published, None without a connection
        self._is_announced = True  # False while status or about wait for room in the link
        self.due = CHECK_MS  # when `step` is wanted, in ms

    @property
    def is_online(self):
        """Whether this connection has heard that the device is there."""
        return self._status is not None

    def will(self):
        """The Will of the next connection, sealed with the keys of now."""
        topic = self._voice.base + "status"
        payload = self._gate.seal_for_all(topic, self._words("offline", True))
        return packets.Will(topic, payload, 1, True, None)

    def connected(self):
        """There is a connection: say what the device is."""
        self._is_announced = self._announce()
        self._plan(self._clock.now())

    def disconnected(self):
        """There is none: nothing can be said."""
        self._status = None
        self._is_announced = True

    def step(self, now):
        """Say again what found no room, or has changed."""
        if not self._is_announced:
            self._is_announced = self._announce()
        elif self._status is not None and self._status != self._changing():
            self.renew()
        self._plan(now)

    def _plan(self, now):
        self.due = now + (CHECK_MS if self._is_announced else AGAIN_MS)

    def _announce(self):
        return self.renew() and self._voice.say("about", json.dumps(self._about()).encode())

    def change(self):
        """What the device can has changed: say it, where somebody listens."""
        if self._status is not None:
            self._is_announced = False
            self.due = 0

    def renew(self):
        """Say that the device is there; False if the link has no room for it."""
        changing = self._changing()
        if not self._voice.say("status", self._words("online")):
            return False
        self._status = changing
        return True

    def _changing(self):
        return self._clock.wall()[1], self._has_rival()

    def leave(self, qos=1):
        """Say that the device goes, where the broker has heard that it is there."""
        if self._status is not None:
            self._voice.say("status", self._words("offline"), True, qos)

    def sleep(self, seconds):
        """Say that the device goes for so long; False without room."""
        if not self._voice.say("status", self._words("sleeping", seconds=seconds)):
            return False
        self._status = None
        return True

    def _words(self, state, is_will=False, seconds=None):
        unix_ms, quality = self._clock.wall()
        words = {
            "state": state,
            "boot": self._boot.number,
            "nonce": self._boot.nonce,
            "clock": quality,
            "next": seconds,
        }
        if quality != "unset":  # a will's is that of the connection whose end it tells
            words["at"] = unix_ms // 1000
        if is_will:
            words["lost"] = True
        if self._has_rival():
            words["rival"] = True
        return json.dumps(words).encode()
