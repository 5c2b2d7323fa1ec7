"""The I2C buses of a board, on its default pins: `machine.I2C`. The contract is `i2c`'s."""

import machine

from agent.devices import board


def make(use):
    """The board's."""
    return Buses()


class Buses:
    """`i2c0` is the bus of number 0; which there are, a board cannot say."""

    def __init__(self):
        self._open = {}

    def buses(self):
        """Those that were opened since the start."""
        return [{"path": p, "name": "machine.I2C", "can": ["i2c"]} for p in sorted(self._open)]

    def open(self, path):
        """The Bus of a number. Raises DeviceError."""
        if path not in self._open:
            number = board.number_of(path, "i2c")
            self._open[path] = Bus(path, board.attempt(path, "open", machine.I2C, number))
        return self._open[path]


class Bus:
    """A bus, which stays open: its hardware has no other user."""

    can = ("i2c",)

    def __init__(self, path, bus):
        self._path = path
        self._bus = bus

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Nothing has to be given back."""

    def transfer(self, address, data, size):
        """Write `data`, then read `size` bytes."""
        return board.attempt(self._path, "transfer", self._transfer, address, data, size)

    def _transfer(self, address, data, size):
        if data or not size:
            self._bus.writeto(address, bytes(data), not size)
        return bytes(self._bus.readfrom(address, size)) if size else b""

    def scan(self, first, last):
        """(addresses where something answers, none)."""
        found = board.attempt(self._path, "scan", self._bus.scan)
        return [address for address in found if first <= address <= last], []
