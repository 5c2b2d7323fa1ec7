"""Clears what the broker keeps of this device's earlier lives: states of jobs nobody knows now.

The one rule: only what the broker has retained, on the device's own `job/` topics, and what is not
known here. The broker tells at the subscription, so listening ends a minute after the start.
"""

from agent.mqtt.packets import NO_LOCAL

LISTEN_MS = 60_000  # what came by then is what there was


class Sweep:
    """`knows(job)` is whether a job of that id is known here. A part of the loop."""

    def __init__(self, link, base, knows):
        self._link = link
        self._start = base + "job/"
        self._knows = knows
        self._link.subscribe(self._start + "+", 0, NO_LOCAL)
        self.due = LISTEN_MS  # when `step` is wanted, in ms; None once it is done

    def take(self, message):
        """Whether a message is one of these; then it is dealt with."""
        if not message.topic.startswith(self._start):
            return False
        is_kept = message.retain and len(message.payload) > 0
        if is_kept and not self._knows(message.topic[len(self._start) :]):
            self._link.publish(message.topic, b"", 1, True)
        return True

    def step(self, now):
        """A minute has passed; without a connection the broker has yet to tell."""
        if self._link.connected:
            self._link.unsubscribe(self._start + "+")
            self.due = None
        else:
            self.due = now + LISTEN_MS
