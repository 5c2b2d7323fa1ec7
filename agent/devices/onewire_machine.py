"""Thermometers on a board's pin, by the modules `onewire` and `ds18x20` of MicroPython's library.

The contract is `onewire`'s; a bus is called by its pin, `onewire22`.
"""

from binascii import hexlify

import ds18x20
import machine
import onewire

from agent.devices import board, faults

_MEASURES_MS = 750  # with all twelve bits


def make(use):
    """The board's."""
    return Bus()


class Bus:
    """Buses by pin."""

    def devices(self, path):
        """Names as the kernel writes them: family and number."""
        return [_name(rom) for rom in board.attempt(path, "scan", _open(path).scan)]

    def read(self, path, device):
        """The temperature: all on the bus measure, then this one is asked."""
        bus = _open(path)
        rom = [each for each in board.attempt(path, "scan", bus.scan) if _name(each) == device]
        if not rom:
            raise faults.refusal(device, "not on %s" % path, "unavailable")
        board.attempt(path, "measure", bus.convert_temp)
        yield _MEASURES_MS
        try:
            value = bus.read_temp(rom[0])
        except Exception as error:  # noqa: BLE001 - the library raises a bare Exception for a CRC
            raise faults.refusal(device, "a broken answer: %s" % error, "failed")
        return {"millidegrees": round(value * 1000), "unit": "m°C"}


def _open(path):
    pin = board.attempt(path, "open", machine.Pin, board.number_of(path, "onewire"))
    return ds18x20.DS18X20(onewire.OneWire(pin))


def _name(rom):
    number = bytes(reversed(rom[1:7]))
    return "%02x-%s" % (rom[0], hexlify(number).decode())
