"""The clock of a board: `machine.RTC`. The contract is `rtc`'s; the one clock is `rtc0`."""

import machine

from agent.devices import board, faults, rtc
from agent.schedule import civil

PATH = "rtc0"


def make(use):
    """The board's."""
    return Clocks()


class Clocks:
    """One clock."""

    def clocks(self):
        """The one there is."""
        return [{"path": PATH, "name": "machine.RTC", "system": True}]

    def read(self, path):
        """Seconds since 1970. Raises DeviceError."""
        year, month, day, _, hours, minutes, seconds = _clock(path).datetime()[:7]
        try:
            return rtc.unix_of(year, month, day, hours, minutes, seconds)
        except ValueError:
            raise faults.refusal(path, "what it shows is no date", "failed")

    def set(self, path, unix_s):
        """Set it; returns what it had."""
        try:
            before = self.read(path)
        except faults.DeviceError:
            before = None
        year, month, day, hours, minutes, seconds = rtc.date_of(unix_s)
        weekday = (civil.weekday(civil.days_from_civil(year, month, day)) - 1) % 7  # Monday is 0
        date = (year, month, day, weekday, hours, minutes, seconds, 0)
        board.attempt(path, "set", _clock(path).datetime, date)
        return before


def _clock(path):
    if path != PATH:
        raise faults.refusal(path, "no clock; there is %s" % PATH, "unavailable")
    return machine.RTC()
