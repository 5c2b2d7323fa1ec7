"""Chips on SPI: bytes out and as many in, while the chip is selected.

Contract: `chips()` lists; `open(path, settings)` gives a Chip, whose `transfer(data)` returns as
many bytes as it sends. Settings: mode 0 to 3, speed_hz, bits, lsb_first, cs_high; cs is a board's
alone: the pin that selects the chip. Sources: linux/spi/spidev.h, Documentation/spi/spidev.rst.
"""

from agent.devices import faults
from agent.devices.listing import ask_all
from agent.errors import Unavailable

START = "/dev/spidev"
MAX_BYTES = 4096  # in one transfer: what spidev's own buffer holds
DEFAULTS = {"mode": 0, "speed_hz": 100000, "bits": 8, "lsb_first": False, "cs_high": False}
_CS_HIGH, _LSB_FIRST = 0x04, 0x08


def make(use):
    """The chips of this machine."""
    return Chips(use("ioctl"))


class Chips:
    """Chips by their device files."""

    def __init__(self, transport):
        self._transport = transport

    def chips(self):
        """Every chip: path and mode, or its error."""
        return ask_all(
            self._transport, START, lambda chip: {"mode": chip.ask("SPI_IOC_RD_MODE32") & 3}
        )

    def open(self, path, settings):
        """The Chip at `path`. Raises DeviceError."""
        if not path.startswith(START):
            raise faults.refusal(path, "no chip on SPI: expected %s0.0" % START)
        if settings.get("cs") is not None:
            raise Unavailable("%s: the driver selects the chip; cs is for boards" % path)
        device = self._transport.open(path, True)
        mode = settings["mode"] | (_CS_HIGH if settings["cs_high"] else 0)
        try:
            device.tell("SPI_IOC_WR_MODE32", mode | (_LSB_FIRST if settings["lsb_first"] else 0))
        except faults.DeviceError:
            device.close()
            raise
        return Chip(device, self._transport.address_of, settings)


class Chip:
    """An open chip."""

    def __init__(self, device, address_of, settings):
        self._device = device
        self._address_of = address_of
        self._settings = settings

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._device.close()

    def transfer(self, data):
        """Send `data`; returns what came meanwhile."""
        out, back = bytearray(data), bytearray(len(data))
        words = {"tx_buf": self._address_of(out), "rx_buf": self._address_of(back)}
        words["len"] = len(out)
        words["speed_hz"] = self._settings["speed_hz"]
        words["bits_per_word"] = self._settings["bits"]
        self._device.tell("SPI_IOC_MESSAGE", words)
        return bytes(back)
