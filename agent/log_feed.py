"""Log lines for whoever follows from afar: `limpet/<id>/log`, QoS 0.

The one rule: following costs the device no more than was agreed. Lines beyond the rate are counted
and told, not kept; while there is no connection the MOST_LINES newest are. Following ends by
itself: a follower who wants more asks again.

`add` may be called from any thread; the rest is the main thread's. Loaded at its first use.
"""

import json
import threading

from agent.commands.freshness import Bucket
from agent.log import LEVELS

MOST_LINES = 32  # that wait for the next turn of the loop
PERIOD_MS = 1000  # between two messages that tell of nothing but lines left out


class LogFeed:
    """`publish(payload)` sends at QoS 0 and returns False where it cannot; `wake()` ends the
    main thread's sleep; `clock` is a Clock."""

    def __init__(self, publish, wake, clock):
        self._publish = publish
        self._wake = wake
        self._clock = clock
        self._lock = threading.Lock()  # guards _lines, _dropped and _bucket
        self._lines = []
        self._dropped = 0
        self._always = (None, 1)  # level and rate of the settings
        self._until = 0  # when following ends, in ms
        self._told = 0  # when a message left last
        self._again = 0  # when to try again, after there was no connection
        self._kept = ()
        self._bucket = None

    def set(self, level, rate):
        """What the settings say: `level` None is nothing."""
        self._always = (level, rate)
        if self._until <= self._clock.now():
            self._use(level, rate)

    def follow(self, level, rate, until):
        """Publish up to `level`, at most `rate` lines a second, until then (ms)."""
        self._until = until
        self._use(level, rate)

    def _use(self, level, rate):
        with self._lock:
            self._kept = () if level is None else LEVELS[: LEVELS.index(level) + 1]
            self._bucket = Bucket(rate, max(1, 1000 // rate))

    def add(self, now, level, line):
        """A line was logged."""
        if level not in self._kept:
            return
        with self._lock:
            if len(self._lines) >= MOST_LINES or not self._bucket.take(now):
                self._dropped += 1
                return
            self._lines.append((now, level, line))
            is_first = len(self._lines) == 1
        if is_first:
            self._wake()

    @property
    def due(self):
        """When `step` has something to do, in ms; None for never."""
        if self._lines:
            return self._again
        if self._dropped:
            return self._told + PERIOD_MS
        return self._until or None

    def step(self, now):
        """Send what waits."""
        if self._until and now >= self._until:
            self._until = 0
            self._use(*self._always)
        due = self.due
        if due is None or now < due or not (self._lines or self._dropped):
            return
        with self._lock:
            lines, self._lines = self._lines, []
            dropped, self._dropped = self._dropped, 0
        self._told = now
        self._again = 0
        if not self._publish(json.dumps({"lines": lines, "dropped": dropped}).encode()):
            self._again = now + PERIOD_MS
            with self._lock:
                lines += self._lines
                over = max(0, len(lines) - MOST_LINES)
                self._lines = lines[over:]
                self._dropped += dropped + over
