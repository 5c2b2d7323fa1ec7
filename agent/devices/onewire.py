"""Thermometers on 1-wire, as the kernel's driver finds and asks them.

Contract: `devices(path)` lists what is on a bus; `read(path, device)` is a generator that yields
the ms it wants to rest and returns {millidegrees, unit}. A broken answer is `failed`, never a
number. Source: Documentation/w1/slaves/w1_therm.rst.
"""

from agent.devices import faults

PATH = "w1"
_AT = "bus/w1/devices"
_NOT_READY = 85000  # what the chip holds after power-on, before its first measurement


def make(use):
    """The bus of this machine."""
    return Bus(use("sysfs"))


class Bus:
    """All masters together: a device's name is unique."""

    def __init__(self, sysfs):
        self._sysfs = sysfs

    def devices(self, path):
        """Names: family and number, 28-000005e2fdc3."""
        _check(path)
        return [name for name in self._sysfs.names(_AT) if "-" in name]

    def read(self, path, device):
        """The temperature: the driver waits while the chip measures, up to 750 ms."""
        _check(path)
        at = self._sysfs.child(_AT, device)
        yield 0
        text = self._sysfs.read(at + "/w1_slave")
        value = text.rpartition("t=")[2]
        if "YES" not in text.split("\n")[0] or not value.lstrip("-").isdigit():
            raise faults.refusal(device, "a broken answer: wrong checksum", "failed")
        if int(value) == _NOT_READY and "50 05" in text:
            raise faults.refusal(device, "it lost power and has not measured", "failed")
        return {"millidegrees": int(value), "unit": "m°C"}


def _check(path):
    if path != PATH:
        raise faults.refusal(path, "no bus; there is %s" % PATH, "unavailable")
