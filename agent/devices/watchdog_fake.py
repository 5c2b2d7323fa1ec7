"""A watchdog in memory: time passes when a test says so. The contract is `ioctl_fake`'s."""

from agent.devices import faults
from agent.devices.ioctl_fake import EBUSY, EINVAL, Driver

LONGEST_S = 1023


class FakeWatchdog(Driver):
    """`pass_time` lets it bite: then `bitten` is true. `files` is its part of a sysfs."""

    kind = ord("W")

    def __init__(self, target, nowayout=False, name="watchdog0"):
        super().__init__(target)
        self._at = "class/watchdog/%s/" % name
        self._nowayout = nowayout
        self.files = {self._at + "identity": "limpet watchdog", self._at + "bootstatus": "0"}
        self.files[self._at + "nowayout"] = str(int(nowayout))
        self.timeout_s = 60
        self.bitten = False
        self._armed = False
        self._letter = False
        self._is_open = False
        self._left = 60
        self.answers = {
            "WDIOC_SETTIMEOUT": self._set_timeout,
            "WDIOC_GETTIMEOUT": lambda value: self.timeout_s,
            "WDIOC_GETTIMELEFT": lambda value: self._left,
            "WDIOC_GETBOOTSTATUS": lambda value: int(self.files[self._at + "bootstatus"]),
            "WDIOC_KEEPALIVE": self._feed,
            "WDIOC_SETPRETIMEOUT": self._set_pretimeout,
            "WDIOC_SETOPTIONS": self._set_options,
        }
        self._show()

    def opened(self, writable):
        """One user; opening starts it."""
        if self._is_open:
            raise faults.os_error(EBUSY)
        self._is_open = self._armed = True
        self._letter = False
        self._feed(0)

    def closed(self):
        """Disarmed only by the letter."""
        self._is_open = False
        if self._letter and not self._nowayout:
            self._armed = False
        self._show()

    def write(self, data):
        """Any write feeds it; a V among the bytes is the letter."""
        self._letter = b"V" in data
        self._feed(0)
        return len(data)

    def pass_time(self, seconds):
        """The clock goes on."""
        if self._armed:
            self._left -= seconds
            if self._left <= 0:
                self.bitten = True
                self._armed = self._is_open = False
                self.files[self._at + "bootstatus"] = "32"
        self._show()

    def _feed(self, value):
        self._left = self.timeout_s
        self._show()

    def _set_timeout(self, seconds):
        if not 1 <= seconds <= LONGEST_S:
            raise faults.os_error(EINVAL)
        self.timeout_s = seconds
        self._feed(0)
        return seconds

    def _set_pretimeout(self, seconds):
        if seconds >= self.timeout_s:
            raise faults.os_error(EINVAL)
        self.files[self._at + "pretimeout"] = str(seconds)

    def _set_options(self, options):
        if options & 1 and self._nowayout:
            raise faults.os_error(EBUSY)
        self._armed = not options & 1

    def _show(self):
        told = {"timeout": self.timeout_s, "timeleft": self._left}
        told["state"] = "active" if self._armed else "inactive"
        for name in told:
            self.files[self._at + name] = str(told[name])
