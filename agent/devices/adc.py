"""Sensors of the kernel's Industrial I/O: what they measure, in its own units.

Contract: `sensors()` lists; `read(path, channel)` gives {raw, value, unit}: value is null where
nothing says how to convert, raw where the driver converts by itself. One reading each time; a
sensor may take as long as it needs to. Source: Documentation/ABI/testing/sysfs-bus-iio.
"""

from agent.devices import faults

_AT = "bus/iio/devices"
_UNITS = {
    "voltage": "mV",
    "current": "mA",
    "power": "mW",
    "energy": "J",
    "resistance": "ohm",
    "temp": "m°C",
    "humidityrelative": "m%",
    "pressure": "kPa",
    "illuminance": "lx",
    "accel": "m/s2",
    "anglvel": "rad/s",
    "magn": "gauss",
    "distance": "m",
    "proximity": "",
}
_ENDS = ("_raw", "_input")


def make(use):
    """The sensors of this machine."""
    return Sensors(use("sysfs"))


class Sensors:
    """By the names that the kernel gives them: iio:device0."""

    def __init__(self, sysfs):
        self._sysfs = sysfs

    def sensors(self):
        """Every sensor: path, name, and its channels."""
        return [
            {
                "path": path,
                "name": self._sysfs.read("%s/%s/name" % (_AT, path), ""),
                "channels": self._channels(path),
            }
            for path in self._sysfs.names(_AT, "iio:device")
        ]

    def _channels(self, path):
        found = set()
        for name in self._sysfs.names(_AT + "/" + path, "in_"):
            for end in _ENDS:
                if name.endswith(end):
                    found.add(name[3 : -len(end)])
        return sorted(found)

    def read(self, path, channel):
        """One reading of one channel. Raises DeviceError."""
        at = self._sysfs.child(_AT, path)
        have = self._channels(path)
        if channel not in have:
            words = "channel %s: it has %s" % (channel, ", ".join(have) or "none")
            raise faults.refusal(path, words)
        kind = channel.rstrip("0123456789")
        at = "%s/in_%s" % (at, channel)
        shared = "%s/%s/in_%s" % (_AT, path, kind)
        unit = _UNITS.get(kind.split("_")[0].split("-")[0], "")
        told = self._sysfs.read(at + "_input", "")
        if told:
            return {"raw": None, "value": _number(told), "unit": unit}
        raw = self._sysfs.number(at + "_raw")
        scale = self._either(at, shared, "_scale")
        offset = self._either(at, shared, "_offset")
        if scale is None:
            return {"raw": raw, "value": None, "unit": unit}
        return {"raw": raw, "value": (raw + (offset or 0)) * scale, "unit": unit}

    def _either(self, own, shared, what):
        """A channel's own conversion, or the one of all channels of its kind; None for none."""
        text = self._sysfs.read(own + what, "") or self._sysfs.read(shared + what, "")
        return _number(text) if text else None


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None
