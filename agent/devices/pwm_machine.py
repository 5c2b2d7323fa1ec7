"""The pulses of a board's pins: `machine.PWM`. The contract is `pwm`'s; the one chip is `pwm`."""

import machine

from agent.devices import board, faults

PATH = "pwm"
_OFF = {"period_ns": 0, "duty_ns": 0, "enabled": False, "inverted": False}


def make(use):
    """The board's."""
    return Chips()


class Chips:
    """Channels by their pins' numbers."""

    def __init__(self):
        self._set = {}

    def chips(self):
        """The one there is; how many pins can, a board cannot say."""
        return [{"path": PATH, "channels": None}]

    def set(self, path, channel, period_ns, duty_ns, enabled, inverted):
        """Make a pin so. Raises DeviceError, also for what this board lacks."""
        if path != PATH:
            raise faults.refusal(path, "no chip; there is %s" % PATH, "unavailable")
        if duty_ns > period_ns:
            raise faults.refusal(path, "duty_ns %d: longer than the period" % duty_ns)
        what = "channel %d" % channel
        pin = board.attempt(path, what, machine.Pin, channel)
        options = {"freq": max(1, round(1_000_000_000 / period_ns)), "duty_ns": duty_ns}
        if inverted:
            options["invert"] = True  # refused by name where a port has no such option
        pwm = board.attempt(path, what, machine.PWM, pin, **options)
        if not enabled:
            pwm.deinit()
        before = self._set.get(channel, _OFF)
        words = {"period_ns": period_ns, "duty_ns": duty_ns, "enabled": enabled}
        words["inverted"] = inverted
        self._set[channel] = words
        return before
