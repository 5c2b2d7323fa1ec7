"""Watchdogs: timers that restart the machine unless they are fed in time.

Contract: `timers()` opens nothing, since opening one starts it. `start(path, timeout_s,
pretimeout_s)` gives a running Timer, or raises with the timer as it was: a timeout that the
driver does not take is refused, and one that it rounds shows in `timeout_s`. A Timer must
`feed()`; `stop()` disarms, or raises Unavailable where that cannot be, and then it still runs and
wants feeding. `leave()` gives it up running: whoever starts next must feed it.
Sources: linux/watchdog.h, Documentation/watchdog/watchdog-api.rst.
"""

from agent.devices import faults, reset
from agent.errors import Unavailable

START = "/dev/watchdog"
_CLASS = "class/watchdog"
_DISABLE = 1  # WDIOS_DISABLECARD


def make(use):
    """The watchdogs of this machine."""
    return Watchdogs(use("ioctl"), use("sysfs"))


class Watchdogs:
    """Opens timers by `transport`, tells of them by `sysfs`."""

    def __init__(self, transport, sysfs):
        self._transport = transport
        self._sysfs = sysfs

    def timers(self):
        """Every timer, a dict of JSON; what the kernel does not tell is None."""
        return [self._describe(name) for name in self._sysfs.names(_CLASS, "watchdog")]

    def _describe(self, name):
        def told(what):
            number = self._sysfs.number("%s/%s/%s" % (_CLASS, name, what), -1)
            return None if number < 0 else number

        return {
            "path": "/dev/" + name,
            "name": self._sysfs.read("%s/%s/identity" % (_CLASS, name), ""),
            "active": self._sysfs.read("%s/%s/state" % (_CLASS, name), "") == "active",
            "timeout_s": told("timeout"),
            "time_left_s": told("timeleft"),
            "pretimeout_s": told("pretimeout"),
            "can_stop": told("nowayout") != 1,
            "reset_causes": reset.causes_in(told("bootstatus") or 0),
        }

    def start(self, path, timeout_s, pretimeout_s=0):
        """Arm a timer. Raises DeviceError, the timer not armed."""
        if not path.startswith(START):
            raise faults.refusal(path, "no watchdog: expected %s0" % START)
        device = self._transport.open(path, True)
        timer = Timer(device)
        try:
            timer.timeout_s = device.tell("WDIOC_SETTIMEOUT", timeout_s)
            if pretimeout_s:
                device.tell("WDIOC_SETPRETIMEOUT", pretimeout_s)
            timer.feed()
        except faults.DeviceError:
            timer.stop()
            raise
        return timer


class Timer:
    """A running watchdog."""

    def __init__(self, device):
        self._device = device
        self.path = device.path
        self.timeout_s = None

    def feed(self):
        """Begin the timeout anew."""
        self._device.tell("WDIOC_KEEPALIVE", 0)

    def stop(self):
        """Disarm it and give it back. Raises Unavailable, and it runs on."""
        try:
            self._device.tell("WDIOC_SETOPTIONS", _DISABLE)
        except faults.DeviceError as error:
            if error.data["name"] == "EBUSY":
                raise Unavailable("%s: the driver lets nobody stop it (nowayout)" % self.path)
            # Else an old driver, which knows the magic letter alone.
        self._device.write(b"V")
        self._device.close()

    def leave(self):
        """Close it without the letter that would disarm it: it runs on, unfed."""
        self._device.close()
