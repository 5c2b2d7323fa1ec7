"""The watchdog of a board: `machine.WDT`, which nothing stops. The contract is `watchdog`'s."""

import machine

from agent.devices import faults, reset
from agent.errors import Unavailable

PATH = "wdt0"


def make(use):
    """The board's one."""
    return Watchdogs()


class Watchdogs:
    """One timer, which runs from its start to the next restart."""

    def __init__(self):
        self._timer = None

    def timers(self):
        """The one there is."""
        timer = self._timer
        return [
            {
                "path": PATH,
                "name": "machine.WDT",
                "active": timer is not None,
                "timeout_s": timer.timeout_s if timer else None,
                "time_left_s": None,
                "pretimeout_s": None,
                "can_stop": False,
                "reset_causes": reset.causes_of(machine),
            }
        ]

    def start(self, path, timeout_s, pretimeout_s=0):
        """Arm it, or take it over where it runs: a second start may not change the timeout."""
        if path != PATH:
            raise faults.refusal(path, "no watchdog; there is %s" % PATH, "unavailable")
        if pretimeout_s:
            raise Unavailable("%s: a board's watchdog has no pretimeout" % path)
        if self._timer is None:
            try:
                self._timer = Timer(machine.WDT(timeout=timeout_s * 1000), timeout_s)
            except (OSError, ValueError) as error:
                raise faults.refusal(path, "timeout_s %d: %s" % (timeout_s, error))
        elif self._timer.timeout_s != timeout_s:
            words = "runs with %d s, which nothing changes" % self._timer.timeout_s
            raise faults.refusal(path, words, "busy")
        self._timer.feed()
        return self._timer


class Timer:
    """The running watchdog."""

    path = PATH

    def __init__(self, timer, timeout_s):
        self.timeout_s = timeout_s
        self.feed = timer.feed

    def stop(self):
        """Nothing stops it."""
        raise Unavailable("%s: a board's watchdog cannot be stopped" % PATH)

    def leave(self):
        """It runs on, unfed."""
