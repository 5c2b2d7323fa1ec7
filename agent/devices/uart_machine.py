"""The serial lines of a board, on their default pins: `machine.UART`. The contract is `uart`'s."""

import machine

from agent.devices import board
from agent.errors import Unavailable

_PARITY = {"none": None, "even": 0, "odd": 1}


def make(use):
    """The board's."""
    return Lines()


class Lines:
    """`uart1` is the line of number 1; which there are, a board cannot say."""

    def __init__(self):
        self._known = []

    def lines(self):
        """Those that were opened since the start."""
        return [{"path": path, "name": "machine.UART"} for path in self._known]

    def open(self, path, settings):
        """The Line of a number. Raises DeviceError, or Unavailable for what boards lack."""
        if settings["flow"] != "none" or settings["rs485"]:
            raise Unavailable("%s: a board's line has no flow control or RS-485 here" % path)
        number = board.number_of(path, "uart")
        options = {"baudrate": settings["baud"], "bits": settings["bits"], "timeout": 0}
        options.update({"parity": _PARITY[settings["parity"]], "stop": settings["stop"]})
        uart = board.attempt(path, "open", machine.UART, number, **options)
        if path not in self._known:
            self._known.append(path)
        line = Line(path, uart, settings["baud"])
        line.flush_input()
        return line


class Line:
    """An open line."""

    def __init__(self, path, uart, baud):
        self.baud = baud
        self._path = path
        self._uart = uart

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def read(self, size):
        """At most `size` bytes that are there."""
        return board.attempt(self._path, "read", self._uart.read, size) or b""

    def write(self, data):
        """How many bytes the line took."""
        return board.attempt(self._path, "write", self._uart.write, data) or 0

    def flush_input(self):
        """Throw away what was received and not read."""
        while self.read(64):
            pass

    def set_break(self, on):
        """A board sends one as long as it likes to."""
        if on:
            board.attempt(self._path, "break", self._uart.sendbreak)

    def close(self):
        """Give the line back."""
        self._uart.deinit()
