"""Which app may start now: what is known of those that took the whole device down with them.

An exception of an app never ends the agent. What can: a fault in a driver or the interpreter, no
memory left, a loop that the watchdog has to end. Whoever died so tells nothing. So the names of
apps that start are on the medium before their first line runs, and come off it once they have run
for `SETTLE_MS`. The one rule: an agent that finds names there starts these one by one, and
an app that was alone then `MOST_CRASHES` times is left out for `PAUSE_MS`, so that a device with a
deadly app is always reached again.

Pure: the record in, decisions out. A power cut within those seconds counts like a crash, since
nothing can tell them apart; therefore no app is left out for good.
"""

SETTLE_MS = 20_000  # a start that lasts this long has not killed the agent
MOST_CRASHES = 2  # alone, after the one that it shared with others
PAUSE_MS = 3_600_000  # then it is tried again: in a day without people at most 24 restarts more


class Trust:
    """`record` is what `words` gave when it was last stored, or {}."""

    def __init__(self, record):
        crashed = record.get("starting", [])
        self._crashes = record.get("crashes", {})  # name: crashes that are its own
        self.starting = []  # names that are on the medium while they settle
        self._left_out = {}  # name: uptime in ms at which it is tried again
        self._suspects = list(crashed)
        if len(crashed) == 1:
            name = crashed[0]
            self._crashes[name] = self._crashes.get(name, 0) + 1

    def words(self):
        """What must be on the medium from now on, JSON-able."""
        return {"starting": self.starting, "crashes": self._crashes}

    def next(self, names, now):
        """Of `names`, those that are to start now, together: [] while one settles or waits."""
        if self.starting:
            return []
        free = [name for name in names if name not in self._suspects]
        if free:
            return free
        for name in names:
            if not self._is_left_out(name, now):
                self._left_out.pop(name, None)
                return [name]
        return []

    def _is_left_out(self, name, now):
        if self._crashes.get(name, 0) < MOST_CRASHES:
            return False
        if name not in self._left_out:
            self._left_out[name] = now + PAUSE_MS
        return now < self._left_out[name]

    def left_out(self):
        """Names that are left out, each with the uptime in ms at which it is tried again."""
        return dict(self._left_out)

    def settled(self, names):
        """These have run long enough, or were stopped in good order."""
        for name in names:
            if name in self.starting:
                self.starting.remove(name)
            if name in self._suspects:
                self._suspects.remove(name)
            self._crashes.pop(name, None)
            self._left_out.pop(name, None)
