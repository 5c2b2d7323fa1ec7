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
                "channels": _channels(self._sysfs.names(_AT + "/" + path, "in_")),
            }
            for path in self._sysfs.names(_AT, "iio:device")
        ]

    def read(self, path, channel):
        """One reading of one channel. Raises DeviceError."""
        at = self._sysfs.child(_AT, path)
        files = self._sysfs.names(at, "in_")
        have = _channels(files)
        if channel not in have:
            words = "channel %s: it has %s" % (channel, ", ".join(have) or "none")
            raise faults.refusal(path, words)
        own, shared = "in_" + channel, "in_" + _kind(channel)
        unit = _UNITS.get(shared[3:].split("-")[0], "")
        if own + "_input" in files:
            return {"raw": None, "value": self._number(at, own + "_input"), "unit": unit}
        raw = self._sysfs.number("%s/%s_raw" % (at, own))
        scale, offset = [
            ([self._number(at, n + end) for n in (own, shared) if n + end in files] or [None])[0]
            for end in ("_scale", "_offset")
        ]
        value = None if scale is None else (raw + (offset or 0)) * scale
        return {"raw": raw, "value": value, "unit": unit}

    def _number(self, at, name):
        """What a file holds. Raises DeviceError for what is no number, or has no end."""
        text = self._sysfs.read(at + "/" + name)
        try:
            value = float(text)
            if value - value == 0:
                return value
        except ValueError:
            pass
        raise faults.refusal(at, "%s: expected a number, got %r" % (name, text), "failed")


def _channels(files):
    """What can be read: in_voltage0_raw is voltage0."""
    ends = [(name, end) for name in files for end in _ENDS if name.endswith(end)]
    return sorted({name[3 : -len(end)] for name, end in ends})


def _kind(channel):
    """What channels share files by: voltage of voltage0, accel of accel_x, voltage-voltage."""
    return "".join([c for c in channel.split("_")[0] if not c.isdigit()])
