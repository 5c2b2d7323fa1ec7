"""Low power: awake for what there is to do, then asleep until the next schedule or the period.

The one rule: nothing is left undone for a sleep. A device sleeps when it is connected, everything
that it took is answered and acknowledged, and nothing came for a while; or when no connection came
for so long that waiting for one would empty the battery. It says so before it goes: `sleeping` and
for how long; callers' requests wait at the broker, whose session outlives the sleep.

A wake is a start like any other: journal, schedules and outbox go on from the medium. Loaded only
where the configuration has `sleep`. Pure but for `fall_asleep`. Owner: the main thread.
"""

import time

LOOK_MS = 200  # between two looks at whether there is anything to do
LEAST_MS = 2000  # less is not worth a start
SAYING_MS = 5000  # for the broker to acknowledge it


def check(values, error):
    """Raise error(message) unless a checked configuration may sleep so."""
    period_s, expiry_s = values["sleep"]["period_s"], values["mqtt"]["session_expiry_s"]
    if period_s >= expiry_s:
        text = "sleep.period_s: expected less than mqtt.session_expiry_s, %d: what is asked of it "
        raise error((text + "while it sleeps would be lost") % expiry_s)


class Duty:
    """`options` is `sleep` of the configuration. A part of the loop, with these hands:

    connected()      whether the broker hears us
    busy()           whether anything is under way
    activity()       a value that changes whenever something was done
    next_due()       uptime in ms of the next run of a schedule by the wall clock, or None
    say(seconds)     tell that the device sleeps so long; False if there is something to send first
    drained()        whether the broker has acknowledged that
    stay()           tell that it does not after all
    end()            end the agent
    """

    def __init__(self, options, now, hands):
        self._linger_ms = int(options["linger_s"] * 1000)
        self._period_ms = options["period_s"] * 1000
        self._patience_ms = options["patience_s"] * 1000
        self._hands = hands
        self._mark = None
        self._since = self._heard = self._quiet = now
        self._said = None  # when it was told
        self._sleep_ms = 0
        self.sleep_ms = None  # how long to sleep, once that is settled
        self.due = now

    def step(self, now):
        """See whether it is time."""
        self.due = now + LOOK_MS
        hands = self._hands
        if hands["connected"]():
            self._heard = now
        elif self._said is not None:
            self._settle()
            return
        elif now - self._heard < self._patience_ms:
            self._quiet = now
            return
        self._look_for_work(now)
        if self._said is not None:
            self._see_off(now)
        elif now - self._quiet >= self._linger_ms:
            self._go(now)

    def _look_for_work(self, now):
        mark = self._hands["activity"]()
        if mark != self._mark or self._hands["busy"]():
            self._mark = mark
            self._quiet = now

    def _go(self, now):
        self._sleep_ms = self._pause(now)
        if self._sleep_ms < LEAST_MS:
            return
        if self._heard != now:  # there is nobody to tell
            self._settle()
        elif self._hands["say"](-(-self._sleep_ms // 1000)):
            self._said = now

    def _pause(self, now):
        """How long to sleep: to the next run, and so that the wakes are a period apart."""
        pause_ms = max(self._period_ms - (now - self._since), LEAST_MS)
        due = self._hands["next_due"]()
        return pause_ms if due is None else min(pause_ms, due - now)

    def _see_off(self, now):
        if self._quiet == now and now != self._said:  # something came meanwhile
            self._said = None
            self._hands["stay"]()
        elif self._hands["drained"]() or now - self._said >= SAYING_MS:
            self._settle()

    def _settle(self):
        self.sleep_ms = self._sleep_ms
        self._hands["end"]()


def fall_asleep(milliseconds):
    """Sleep; a board starts anew then, elsewhere whoever started us does that."""
    try:
        from machine import deepsleep
    except ImportError:
        time.sleep(milliseconds / 1000)
    else:
        deepsleep(milliseconds)
