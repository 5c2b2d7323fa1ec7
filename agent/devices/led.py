"""Lights: by the name that the kernel has for one, or by the line that it hangs on.

Contract: `lights()` lists the named ones. `open(path)` gives a Light with `most`, its brightest
level, `get()` and `set(level)`; `restore()` gives it back to what drove it before, a trigger of
the kernel's or a level. A path `CHIP#LINE` (/dev/gpiochip0#5, on a board pins#25) is a line: 0 or
1. Source: Documentation/leds/leds-class.rst.
"""

from agent.devices import faults
from agent.errors import Unavailable

_AT = "class/leds"


def make(use):
    """The lights of this machine."""
    return Lights(use)


class Lights:
    """`use` gives sysfs and lines, where they are."""

    def __init__(self, use):
        self._use = use

    def lights(self):
        """Every named light: path, brightness, most, what triggers it; [] without sysfs."""
        try:
            sysfs = self._use("sysfs")
        except Unavailable:
            return []
        return [_describe(sysfs, path) for path in sysfs.names(_AT)]

    def open(self, path):
        """The Light called so. Raises DeviceError."""
        chip, _, line = path.rpartition("#")
        if chip:
            if not line.isdigit():
                raise faults.refusal(path, "expected CHIP#LINE")
            return LineLight(self._use("gpio"), chip, int(line))
        sysfs = self._use("sysfs")
        return NamedLight(sysfs, sysfs.child(_AT, path))


def _describe(sysfs, path):
    at = "%s/%s/" % (_AT, path)
    return {
        "path": path,
        "brightness": sysfs.number(at + "brightness", 0),
        "most": sysfs.number(at + "max_brightness", 0),
        "trigger": _trigger(sysfs, at),
    }


def _trigger(sysfs, at):
    """The one in brackets: `none [heartbeat] timer`."""
    for word in sysfs.read(at + "trigger", "").split(" "):
        if word.startswith("["):
            return word[1:-1]
    return "none"


class NamedLight:
    """A light of the kernel's."""

    def __init__(self, sysfs, at):
        self._sysfs = sysfs
        self._at = at + "/"
        self.most = sysfs.number(self._at + "max_brightness", 1)
        self._trigger = _trigger(sysfs, self._at)
        self._level = self.get()

    def get(self):
        """The level, 0 for off."""
        return self._sysfs.number(self._at + "brightness")

    def set(self, level):
        """Switch it; a trigger has no say any more."""
        if _trigger(self._sysfs, self._at) != "none":
            self._sysfs.write(self._at + "trigger", "none")
        self._sysfs.write(self._at + "brightness", level)

    def restore(self):
        """What it was when it was opened."""
        self._sysfs.write(self._at + "brightness", self._level)
        if self._trigger != "none":
            self._sysfs.write(self._at + "trigger", self._trigger)

    def close(self):
        """Nothing is held."""


class LineLight:
    """A light on a line, driven until it is closed; then the chip keeps the level, as most do."""

    most = 1

    def __init__(self, chips, chip, line):
        self._level = chips.value_before(chip, line, {})
        self._lines = chips.open_outputs(chip, [line], [self._level], {})

    def get(self):
        """0 or 1."""
        return self._lines.get()[0]

    def set(self, level):
        """Switch it."""
        self._lines.set([level])

    def restore(self):
        """What it was when it was opened."""
        self.set(self._level)

    def close(self):
        """Give the line back."""
        self._lines.close()
