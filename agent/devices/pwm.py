"""Pulses: so long, so often.

Contract: `chips()` lists; `set(path, channel, period_ns, duty_ns, enabled, inverted)` makes a
channel so, and returns what it was: {period_ns, duty_ns, enabled, inverted}. The order of writes
is such that the pulse never grows beyond its old or new length. It goes on after the command.
Source: Documentation/driver-api/pwm.rst.
"""

from agent.devices import faults

_AT = "class/pwm"


def make(use):
    """The chips of this machine."""
    return Chips(use("sysfs"))


class Chips:
    """By the names that the kernel gives them: pwmchip0."""

    def __init__(self, sysfs):
        self._sysfs = sysfs

    def chips(self):
        """Every chip: path, and how many channels it has."""
        return [
            {"path": path, "channels": self._sysfs.number("%s/%s/npwm" % (_AT, path), 0)}
            for path in self._sysfs.names(_AT, "pwmchip")
        ]

    def set(self, path, channel, period_ns, duty_ns, enabled, inverted):
        """Make a channel so. Raises DeviceError."""
        chip = self._sysfs.child(_AT, path)
        count = self._sysfs.number(chip + "/npwm")
        if channel >= count:
            raise faults.refusal(path, "channel %d: it has %d" % (channel, count))
        if duty_ns > period_ns:
            raise faults.refusal(path, "duty_ns %d: longer than the period" % duty_ns)
        at = "%s/pwm%d/" % (chip, channel)
        if not self._sysfs.read(at + "period", ""):
            self._sysfs.write(chip + "/export", channel)
        before = {
            "period_ns": self._sysfs.number(at + "period"),
            "duty_ns": self._sysfs.number(at + "duty_cycle"),
            "enabled": self._sysfs.number(at + "enable") == 1,
            "inverted": self._sysfs.read(at + "polarity", "normal") == "inversed",
        }
        if before["inverted"] != inverted or not enabled:
            self._sysfs.write(at + "enable", 0)  # the polarity changes only then
        if before["inverted"] != inverted:
            self._sysfs.write(at + "polarity", "inversed" if inverted else "normal")
        steps = (("duty_cycle", duty_ns), ("period", period_ns))
        if before["duty_ns"] <= period_ns:
            steps = (steps[1], steps[0])  # a period is never shorter than its pulse
        for name, value in steps:
            self._sysfs.write(at + name, value)
        if enabled:
            self._sysfs.write(at + "enable", 1)
        return before
