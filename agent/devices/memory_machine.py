"""The memory of a board, by `machine.mem8` and its wider sisters. The contract is `memory`'s."""

import machine

from agent.devices import memory
from agent.errors import Unavailable


def make(use):
    """The board's."""
    return memory.Memory(Windows(memory.PHYSICAL), Windows(memory.PORTS))


class Windows:
    """Every address is where it is, so that a window is its first address."""

    def __init__(self, space):
        self._space = space

    def open_window(self, path, size, writable, offset):
        """The window from `offset` on. Raises Unavailable for ports."""
        if self._space != memory.PHYSICAL:
            raise Unavailable("memory: a board has no I/O ports")
        return Window(offset)


class Window:
    """Accesses of 1, 2 and 4 bytes."""

    def __init__(self, start):
        self._start = start

    def load(self, offset, width):
        """One read."""
        return _by(width)[self._start + offset] & (1 << 8 * width) - 1

    def store(self, offset, width, value):
        """One write."""
        _by(width)[self._start + offset] = value

    def close(self):
        """Nothing was opened."""


def _by(width):
    if width == 8:
        raise Unavailable("memory: a board moves at most 4 bytes at once")
    return {1: machine.mem8, 2: machine.mem16, 4: machine.mem32}[width]
