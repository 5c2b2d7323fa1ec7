"""Time, asked for in one place.

`now()` counts milliseconds, only forward, and never wraps: every deadline in the house is such an
int and is compared with `<`. Only this file knows that the interpreter's ticks wrap (after 12.4
days on 32-bit MicroPython). Wall-clock time comes with its quality, since a device may not know
it.
"""

import os
import time

from interpreter import set_wall_clock, ticks_diff, ticks_ms

# A wall clock that shows a time before this source was written is certainly wrong: 2026-11-01.
LEAST_UNIX_S = 1793491200

# Ticks may be told apart over half their period, 2^29 ms at the least; long before that the state
# moves on. The link's keep-alive alone wakes the agent far more often.
MOVE_ON_MS = 1 << 27

# Some boards count time from 2000: seconds from 1970 to 2000.
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0

TICKS = (ticks_ms, ticks_diff)  # the counter, and how to tell two of its values apart


def system_unix_ms():
    """The system's wall clock in ms since 1970, right or wrong."""
    return int((time.time() + _EPOCH_S) * 1000)


class Clock:
    """A monotonic clock, and the wall clock with its quality.

    `now` may be called from any thread. `stored_unix_ms` is a time known to have passed, from an
    earlier run; the clock never shows less. `synced_file` exists once the system vouches for its
    clock (systemd-timesyncd's by default); None where nobody does.
    """

    def __init__(self, stored_unix_ms=0, synced_file=None, ticks=TICKS, system=system_unix_ms):
        self._ticks, self._difference = ticks
        self._system = system
        self._stored_unix_ms = stored_unix_ms
        self._synced_file = synced_file
        self._was_set = False  # in this run, by somebody who may
        self._learned_ms = None  # the wall clock's time when `now` was 0, as a time server said
        # (now, ticks) at one moment, replaced as a whole: whichever thread does it, the pair stays
        # true, so there is no lock.
        self._state = (0, self._ticks())

    def now(self):
        """Milliseconds since this clock was made."""
        base, start = self._state
        ticks = self._ticks()
        passed = self._difference(ticks, start)
        if passed > MOVE_ON_MS:
            self._state = (base + passed, ticks)
        return base + passed

    def wall(self):
        """`(unix_ms, quality)`: the time, and how far to trust it.

        'unset': nobody knows. 'restored': no earlier than the last time stored, or a plausible
        time that nobody vouches for. 'synced': the system says that it is right.
        """
        shown = self._system()
        if shown >= LEAST_UNIX_S * 1000 and self._is_vouched_for():
            return shown, "synced"  # whatever an earlier run believed: it may have been wrong
        if self._learned_ms is not None:
            return self._learned_ms + self.now(), "synced"
        least = self._stored_unix_ms + self.now() if self._stored_unix_ms else 0
        if shown < least:
            return least, "restored"
        if shown < LEAST_UNIX_S * 1000:
            return shown, "unset"
        return shown, "restored"

    def learn(self, unix_ms):
        """It is this late, says who is believed; the system's clock is left as it is."""
        self._learned_ms = unix_ms - self.now()

    def set_wall(self, unix_ms):
        """Set the system's clock, which whoever does it vouches for. Raises OSError."""
        set_wall_clock(unix_ms)
        self._was_set = True

    def _is_vouched_for(self):
        if self._was_set:
            return True
        if not self._synced_file:
            return False
        try:
            os.stat(self._synced_file)
        except OSError:
            return False
        return True
