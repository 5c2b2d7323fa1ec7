"""The SPI buses of a board, on their default pins: `machine.SPI`. The contract is `spi`'s."""

import machine

from agent.devices import board
from agent.errors import Unavailable


def make(use):
    """The board's."""
    return Chips()


class Chips:
    """`spi0` is the bus of number 0; a pin selects the chip."""

    def __init__(self):
        self._known = []

    def chips(self):
        """The buses that were opened since the start."""
        return [{"path": path} for path in self._known]

    def open(self, path, settings):
        """The Chip behind a pin, None for one that is always selected."""
        mode = settings["mode"]
        options = {"baudrate": settings["speed_hz"], "bits": settings["bits"]}
        options.update({"polarity": mode >> 1, "phase": mode & 1})
        if settings["lsb_first"]:
            if not hasattr(machine.SPI, "LSB"):
                raise Unavailable("%s: this board sends the highest bit first" % path)
            options["firstbit"] = machine.SPI.LSB
        number = board.number_of(path, "spi")
        bus = board.attempt(path, "open", machine.SPI, number, **options)
        if path not in self._known:
            self._known.append(path)
        select = settings.get("cs")
        idle = 0 if settings["cs_high"] else 1
        if select is not None:
            select = board.attempt(path, "cs", machine.Pin, select, machine.Pin.OUT, value=idle)
        return Chip(path, bus, select, idle)


class Chip:
    """An open chip."""

    def __init__(self, path, bus, select, idle):
        self._path = path
        self._bus = bus
        self._select = select
        self._idle = idle

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bus.deinit()

    def transfer(self, data):
        """Send `data`; returns what came meanwhile."""
        back = bytearray(len(data))
        if self._select:
            self._select.value(1 - self._idle)
        try:
            board.attempt(self._path, "transfer", self._bus.write_readinto, data, back)
        finally:
            if self._select:
                self._select.value(self._idle)
        return bytes(back)
