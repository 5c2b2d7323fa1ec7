"""Clocks with a battery: what time they have kept.

Contract: `clocks()` lists; `read(path)` gives seconds since 1970, UTC; `set(path, unix_s)` returns
what the clock had, None where that is no date. One that lost its power shows as `failed`. Sources:
linux/rtc.h, Documentation/admin-guide/rtc.rst.
"""

from agent.devices import faults
from agent.schedule import civil

START = "/dev/rtc"
_DAY_S = 86400
_CLASS = "class/rtc"


def make(use):
    """The clocks of this machine."""
    return Clocks(use("ioctl"), use("sysfs"))


def unix_of(year, month, day, hours, minutes, seconds):
    """Seconds since 1970. Raises ValueError for no date."""
    if not (1970 <= year < 2200 and 1 <= month <= 12 and 0 <= hours < 24 and 0 <= minutes < 60):
        raise ValueError("no date")
    if not (1 <= day <= civil.days_in_month(year, month) and 0 <= seconds < 60):
        raise ValueError("no date")
    days = civil.days_from_civil(year, month, day)
    return days * _DAY_S + hours * 3600 + minutes * 60 + seconds


def date_of(unix_s):
    """(year, month, day, hours, minutes, seconds)."""
    days, rest = divmod(unix_s, _DAY_S)
    year, month, day = civil.civil_from_days(days)
    return year, month, day, rest // 3600, rest // 60 % 60, rest % 60


class Clocks:
    """By device file."""

    def __init__(self, transport, sysfs):
        self._transport = transport
        self._sysfs = sysfs

    def clocks(self):
        """Every clock: path, name, and whether the system took its time from it."""
        return [
            {
                "path": "/dev/" + name,
                "name": self._sysfs.read("%s/%s/name" % (_CLASS, name), ""),
                "system": self._sysfs.read("%s/%s/hctosys" % (_CLASS, name), "") == "1",
            }
            for name in self._sysfs.names(_CLASS, "rtc")
        ]

    def read(self, path):
        """Seconds since 1970. Raises DeviceError."""
        with self._open(path, False) as device:
            return _read(device)

    def set(self, path, unix_s):
        """Set it; returns what it had. Raises DeviceError."""
        with self._open(path, True) as device:
            try:
                before = _read(device)
            except faults.DeviceError:
                before = None
            year, month, day, hours, minutes, seconds = date_of(unix_s)
            words = {"tm_year": year - 1900, "tm_mon": month - 1, "tm_mday": day}
            words.update({"tm_hour": hours, "tm_min": minutes, "tm_sec": seconds})
            device.tell("RTC_SET_TIME", words)
        return before

    def _open(self, path, writable):
        if not path.startswith(START):
            raise faults.refusal(path, "no clock: expected %s0" % START)
        return self._transport.open(path, writable)


def _read(device):
    told = device.ask("RTC_RD_TIME")
    date = (told["tm_year"] + 1900, told["tm_mon"] + 1, told["tm_mday"])
    try:
        return unix_of(*(date + (told["tm_hour"], told["tm_min"], told["tm_sec"])))
    except ValueError:
        text = "what it shows is no date: did it lose its power?"
        raise faults.refusal(device.path, text, "failed")
