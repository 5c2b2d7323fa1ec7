"""A terminal on a device, held by the one here: keys go there, what stands there comes here.

Rule: nothing typed is obeyed here but the way out, Ctrl-] and a full stop; and whatever happens,
this terminal is as it was when it ends.
"""

import contextlib
import os
import select
import signal
import sys
import termios
import threading

from ..errors import CallError, FleetError
from ..runs import Run
from . import commands
from .run import OUTPUT_BYTES, status_of

WAY_OUT, LEAVES = b"\x1d", b"."
HINT = "Ctrl-] and . leave it"
LIMIT_S = 86400.0
_READ_BYTES = 1024
# What a device says that has no terminals: none there, or an older agent.
_NONE = ("unavailable", "bad-params")


class NoTerminal(FleetError):
    """The device has no terminal to give; nothing was run."""


def attach(fleet, device, params, limit) -> int:
    """Run a program of `shell.run` at a terminal; its exit status. Raises NoTerminal."""
    rows, columns = _size()
    kind = os.environ.get("TERM", "xterm")
    params = {
        **params,
        "terminal": {"rows": rows, "columns": columns},
        "environment": [f"TERM={kind}", *params.get("environment", ())],
        "timeout_s": limit,
        "output_bytes": OUTPUT_BYTES,
    }
    shown = 0
    with Run(fleet, device, "shell.run", params, limit) as under_way:
        with _raw(), _Keys(under_way), _sizes(fleet, under_way):
            for _kind, data in under_way.pieces():
                shown += len(data)
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        try:
            return status_of(under_way)
        except CallError as error:
            if error.code in _NONE and not shown:
                raise NoTerminal(error.message) from None
            raise


def _size():
    """(rows, columns) of this terminal."""
    size = os.get_terminal_size(sys.stdin.fileno())
    return max(1, min(1000, size.lines)), max(1, min(1000, size.columns))


@contextlib.contextmanager
def _raw():
    """Each key as it is pressed, none of them obeyed; what is written stays as it is."""
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    now = termios.tcgetattr(number)
    now[0] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
    now[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
    termios.tcsetattr(number, termios.TCSADRAIN, now)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


class _Keys:
    """Sends what is typed, in a thread of its own, until the block ends."""

    def __init__(self, under_way):
        self._under_way = under_way
        self._ends, self._end = os.pipe()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        os.write(self._end, b"x")
        self._thread.join(1)

    def _feed(self):
        number, escaped = sys.stdin.fileno(), False
        with contextlib.suppress(FleetError, OSError, ValueError):
            while True:
                ready, _, _ = select.select([number, self._ends], [], [])
                if self._ends in ready:
                    return
                data = os.read(number, _READ_BYTES)
                keys, escaped = _through(data, escaped)
                if keys is None or not data:
                    self._under_way.cancel()
                    return
                if keys and not self._under_way.send(keys):
                    return


def _through(data, escaped):
    """(What of the keys goes on, whether the last began the way out); None: out."""
    keys = bytearray()
    for value in data:
        key = bytes((value,))
        if escaped and key == LEAVES:
            return None, False
        if escaped:
            keys += key if key == WAY_OUT else WAY_OUT + key
            escaped = False
        elif key == WAY_OUT:
            escaped = True
        else:
            keys += key
    return bytes(keys), escaped


@contextlib.contextmanager
def _sizes(fleet, under_way):
    """Tell the device each change of this terminal's size."""

    def changed(_number, _frame):
        threading.Thread(target=tell, daemon=True).start()

    def tell():
        rows, columns = _size()
        params = {"job": under_way.id, "rows": rows, "columns": columns}
        with contextlib.suppress(FleetError, OSError):
            fleet.submit(under_way.device, "shell.size", params)

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def say_why_not(device, error):
    """What a person is told who gets no terminal."""
    commands.note(f"{device} has no terminal to give ({error}); each line is a shell of its own")
