"""Feeds running watchdogs from completed turns of the agent's loop: one that hangs starves them.

The one rule: only a turn that ended feeds. Owner: the main thread, which alone starts, feeds and
stops. Time is an int of monotonic ms.
"""

from agent.devices import faults
from agent.errors import LimpetError

SHARE = 4  # feedings in a timeout: three may come too late


class Keeper:
    """Running timers by path; those that a caller feeds are only kept open."""

    def __init__(self):
        self._timers = {}
        self._fed = {}  # path: (when to feed next, every how many ms)
        self.due = None  # when `step` is wanted: monotonic ms, None for never

    def keep(self, timer, feeds):
        """Take a running timer over; `feeds`: turns of the loop feed it."""
        self._timers[timer.path] = timer
        if feeds:
            self._fed[timer.path] = (0, timer.timeout_s * 1000 // SHARE)
            self.due = 0

    def about(self):
        """What the device says of it: the timers that it feeds."""
        fed = sorted(self._fed)
        return {"backend": ", ".join(fed)} if fed else {"absent": "no watchdog is fed by turns"}

    def find(self, path):
        """The timer that was started here. Raises DeviceError."""
        if path not in self._timers:
            raise faults.refusal(path, "not started here", "unavailable")
        return self._timers[path]

    def stop(self, path):
        """Disarm one. Raises Unavailable, and it runs on, fed as before."""
        self.find(path).stop()
        del self._timers[path]
        self._fed.pop(path, None)
        self._plan()

    def step(self, now):
        """A turn of the loop was completed. Raises DeviceError for a timer that is gone, once."""
        for path in list(self._fed):
            when, every = self._fed.pop(path)
            if now >= when:
                self._timers[path].feed()
                when = now + every
            self._fed[path] = (when, every)
        self._plan()

    def close(self, leaves):
        """The agent ends: disarm all, or with `leaves` leave them to who starts it again."""
        for path in self._timers:
            timer = self._timers[path]
            try:
                timer.leave() if leaves else timer.stop()
            except LimpetError:
                pass  # it runs on, and restarts the machine: nothing is left to be done here
        self._timers = {}
        self._fed = {}
        self._plan()

    def _plan(self):
        times = [plan[0] for plan in self._fed.values()]
        self.due = min(times) if times else None
