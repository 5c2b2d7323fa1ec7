"""The analog inputs of a board: `machine.ADC`. The contract is `adc`'s."""

import machine

from agent.devices import board, faults


def make(use):
    """The board's."""
    return Sensors()


class Sensors:
    """`adc26` is the input on pin 26; its one channel is called voltage."""

    def __init__(self):
        self._known = []

    def sensors(self):
        """Those that were read since the start."""
        return [{"path": p, "name": "machine.ADC", "channels": ["voltage"]} for p in self._known]

    def read(self, path, channel):
        """One reading; in mV where the board knows its reference."""
        if channel != "voltage":
            raise faults.refusal(path, "channel %s: it has voltage" % channel)
        pin = board.number_of(path, "adc")
        adc = board.attempt(path, "open", machine.ADC, pin)
        if path not in self._known:
            self._known.append(path)
        raw = board.attempt(path, "read", adc.read_u16)
        value = None
        if hasattr(adc, "read_uv"):
            value = board.attempt(path, "read", adc.read_uv) / 1000
        return {"raw": raw, "value": value, "unit": "mV"}
