"""`limpet run`: a program on a device, as if it ran here.

Rule: its output goes to stdout and stderr as it comes, its exit status is this command's, Ctrl-C
ends it there. All words of our own go to stderr.
"""

import contextlib
import signal
import sys
import threading

from ..errors import CallError, FleetError
from ..runs import OUT, Run
from . import commands
from .explain import ANSWERED_ERROR, INTERRUPTED, UsageError

EXAMPLES = """\
What stands behind DEVICE is a program and its arguments, each given as it is;
with --sh one line for the device's shell. The policy has to allow it:
limpet call DEVICE policy.set code=true
examples:
  limpet run pump-7 uname -a
  limpet run pump-7 --sh 'ps | grep agent'
  limpet run pump-7 --folder /tmp -e LANG=C -- ls -l
  limpet run pump-7 -i -- sh -s < setup.sh
  limpet run -t pump-7 top                 at a terminal: Ctrl-] and . leave it
  limpet run pump-7 --limit 86400 -- tail -f /var/log/messages

Ctrl-C ends the program and all that it started; a second one stops waiting for
that. Exit status: the program's own; 128 + n when signal n ended it; 124 when
its time was over, 125 after too much output, 127 when there is no such program,
130 after Ctrl-C; the others as limpet --help lists them.
"""
LIMIT_S = 3600.0
OUTPUT_BYTES = 1 << 30
READ_BYTES = 32768
_STATUSES = {"timeout": 124, "output-limit": 125, "not-found": 127, "cancelled": INTERRUPTED}


def add(parser, device, seconds):
    """The arguments of `limpet run`."""
    parser.add_argument("-i", "--input", action="store_true",
                        help="give it this command's standard input")  # fmt: skip
    parser.add_argument("-t", "--terminal", action="store_true",
                        help="at a terminal there, which this one here holds")  # fmt: skip
    parser.add_argument("--sh", action="store_true", help="a line for the device's shell")
    parser.add_argument("--folder", help="where to run it (its HOME)")
    parser.add_argument("-e", "--environment", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--limit", type=seconds, default=LIMIT_S, metavar="SECONDS",
                        help=f"it is ended after so long ({LIMIT_S:g})")  # fmt: skip
    parser.add_argument("device", type=device)
    parser.add_argument("words", nargs="...", metavar="PROGRAM [ARGUMENT ...]")


def run(fleet, names):
    """A program on a device; returns its exit status."""
    words = names.words[1:] if names.words[:1] == ["--"] else list(names.words)
    # What stands behind DEVICE is taken as it is; our own options may stand there too, in front.
    words = _own_options(words, names)
    if not words:
        raise UsageError("which program? limpet run DEVICE PROGRAM [ARGUMENT ...]")
    if names.sh and len(words) > 1:
        words = [" ".join(words)]
    commands.reachable(fleet, names.device)
    params = {
        "arguments": words,
        "shell": names.sh,
        "environment": names.environment,
        "input": names.input,
        "timeout_s": names.limit,
        "output_bytes": OUTPUT_BYTES,
    }
    if names.folder:
        params["folder"] = names.folder
    if names.terminal:
        return _at_terminal(fleet, names, params)
    with Run(fleet, names.device, "shell.run", params, names.limit) as under_way:
        if names.input:
            threading.Thread(target=_feed, args=(under_way,), daemon=True).start()
        with cancelling(under_way):
            show(under_way)
        return status_of(under_way)


def _at_terminal(fleet, names, params):
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("-t needs a terminal here too")
    from . import terminal  # which a system without terminals lacks

    del params["input"]
    try:
        return terminal.attach(fleet, names.device, params, names.limit)
    except terminal.NoTerminal as error:
        raise UsageError(f"{names.device} has no terminal to give: {error}") from None


def _own_options(words, names):
    """Take `-i`, `-t`, `--sh` and the like from in front of the program; the rest."""
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if word in ("-i", "--input"):
            names.input = True
        elif word in ("-t", "--terminal"):
            names.terminal = True
        elif word == "--sh":
            names.sh = True
        elif name in ("--folder", "--limit", "-e", "--environment"):
            if not equals or name == "-e":
                if not words:
                    raise UsageError(f"{name}: expected a value")
                value = words.pop(0)
            _set_option(name, value, names)
        else:
            raise UsageError(f"{word} is no option of run; a program stands behind --")
    return words


def _set_option(name, value, names):
    if name == "--folder":
        names.folder = value
    elif name == "--limit":
        try:
            names.limit = float(value)
        except ValueError:
            raise UsageError(f"--limit: {value!r} is not a number of seconds") from None
    else:
        names.environment.append(value)


def show(under_way):
    """Write its output as it comes."""
    for kind, data in under_way.pieces():
        stream = sys.stdout if kind == OUT else sys.stderr
        stream.buffer.write(data)
        stream.buffer.flush()
    if under_way.lost:
        commands.note(f"{under_way.lost} messages of its output were lost on the way")


def status_of(under_way):
    """The exit status of what has run."""
    try:
        result = under_way.result()
    except CallError as error:
        if error.code in _STATUSES:
            commands.note(error.message)
            return _STATUSES[error.code]
        raise
    if "signal" in result:
        commands.note(f"ended by signal {result['signal']}")
        return 128 + result["signal"]
    return result.get("status", ANSWERED_ERROR)


@contextlib.contextmanager
def cancelling(under_way):
    """Ctrl-C reaches the device; a second one is for here."""

    def interrupted(_number, _frame):
        signal.signal(signal.SIGINT, before)
        threading.Thread(target=under_way.cancel, daemon=True).start()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _feed(under_way):
    with contextlib.suppress(FleetError, OSError, ValueError):
        while True:
            data = sys.stdin.buffer.read1(READ_BYTES)
            if not under_way.send(data) or not data:
                return
