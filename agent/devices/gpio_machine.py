"""The pins of a board: `machine.Pin`. The contract is `gpio`'s.

The one chip is called `pins`, its lines have the numbers of the port. Edges are noted in an
interrupt's deferred part, with the board's own counter of microseconds; the newest are kept.
"""

import time

import machine

from agent.devices import board, faults
from agent.errors import Unavailable

PATH = "pins"
ROOM = 16  # edges kept for a reader


def make(use):
    """The board's."""
    return Chips()


class Chips:
    """Pins by number."""

    def chips(self, path="", first=0):
        """The one there is, with the names that the board gives its pins, uncounted."""
        if path:
            _check_path(path)
        names = getattr(machine.Pin, "board", None)
        return [{"path": PATH, "label": "machine.Pin", "names": _public(names), "lines": []}]

    def value_before(self, path, offset, options):
        """What is on a pin, whichever way it is switched."""
        _check_path(path)
        pin = board.attempt(path, "open", machine.Pin, offset)
        return pin.value() ^ _inverted(options)

    def open_inputs(self, path, offsets, options):
        """Lines to read."""
        _check_path(path)
        if options.get("debounce_us"):
            raise Unavailable("%s: a board's pins are not debounced here" % path)
        bias = options.get("bias") or "as-is"
        if bias == "bias-off":
            pull = None
        else:
            pull = {"pull-up": "PULL_UP", "pull-down": "PULL_DOWN"}.get(bias)
            pull = getattr(machine.Pin, pull, None) if pull else -1
            if pull is None:
                raise Unavailable("%s: this board has no %s" % (path, bias))
        pins = [
            board.attempt(path, "open line %d" % offset, machine.Pin, offset, machine.Pin.IN, pull)
            for offset in _checked(offsets)
        ]
        return Lines(path, offsets, pins, options, False)

    def open_outputs(self, path, offsets, values, options):
        """Lines that are driven from the first moment on."""
        _check_path(path)
        pins = []
        for offset, value in zip(_checked(offsets), values):  # noqa: B905 - two of a length
            level = value ^ _inverted(options)
            pin = board.attempt(path, "open", machine.Pin, offset, machine.Pin.OUT, value=level)
            pins.append(pin)
        return Lines(path, offsets, pins, options, True)


def _public(names):
    return [name for name in dir(names) if not name.startswith("_")] if names else []


def _check_path(path):
    if path != PATH:
        raise faults.refusal(path, "no chip; there is %s" % PATH, "unavailable")


def _checked(offsets):
    if not offsets or len(set(offsets)) != len(offsets):
        raise faults.refusal(PATH, "expected lines, each once")
    return offsets


def _inverted(options):
    return 1 if options.get("active_low") else 0


class Lines:
    """Some pins."""

    def __init__(self, path, offsets, pins, options, drives):
        self._path = path
        self._offsets = offsets
        self._pins = pins
        self._inverted = _inverted(options)
        self._edges = []
        self._drives = drives
        self._count = 0
        self._is_open = True
        wanted = options.get("edges")
        self._watches = bool(wanted)
        if wanted:
            rising, falling = machine.Pin.IRQ_RISING, machine.Pin.IRQ_FALLING
            if self._inverted:
                rising, falling = falling, rising
            trigger = {"rising": rising, "falling": falling, "both": rising | falling}[wanted]
            for pin in pins:
                board.attempt(path, "watch", pin.irq, self._note, trigger)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def get(self):
        """The values, in the order of the offsets."""
        self._check_open()
        return [pin.value() ^ self._inverted for pin in self._pins]

    def set(self, values):
        """Drive the pins."""
        self._check_open()
        if not self._drives:
            raise faults.refusal(self._path, "these lines are inputs", "denied")
        for pin, value in zip(self._pins, values):  # noqa: B905 - two of a length
            pin.value(value ^ self._inverted)

    def edges(self, most):
        """Edges that are there now, oldest first."""
        self._check_open()
        found, self._edges = self._edges[:most], self._edges[most:]
        return found

    def _note(self, pin):
        self._count += 1
        value = pin.value() ^ self._inverted
        line = self._offsets[self._pins.index(pin)]
        words = {"line": line, "edge": "rising" if value else "falling"}
        words.update({"time_ns": time.ticks_us() * 1000, "number": self._count})
        self._edges = self._edges[-ROOM + 1 :] + [words]

    def _check_open(self):
        if not self._is_open:
            raise faults.refusal(self._path, "closed", "failed")

    def close(self):
        """Watch no longer; an output keeps its level."""
        if self._is_open and self._watches:
            for pin in self._pins:
                pin.irq(None)
        self._is_open = False
