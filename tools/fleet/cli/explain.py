"""Errors as a person and a script get them: the cause, the remedy, the exit status.

Rule: the first line names the cause, the lines after it what to do. Asking the broker or the
device for more than the error knows (its status, near names) must never hide the error itself.
"""

import difflib
import time

from ..errors import (
    AddressError,
    BadReply,
    CallError,
    FileError,
    FleetError,
    KeyFileError,
    NoAnswer,
    NotListening,
    Unreachable,
)
from .present import lines, printable, readable

DONE, ANSWERED_ERROR, USAGE, NO_ANSWER, NO_BROKER = 0, 1, 2, 3, 4
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + the signal, as a shell reports them
_STATUSES = (
    (CallError, ANSWERED_ERROR),
    (BadReply, ANSWERED_ERROR),
    (FileError, ANSWERED_ERROR),
    (AddressError, USAGE),
    (KeyFileError, USAGE),
    (NoAnswer, NO_ANSWER),
    (Unreachable, NO_BROKER),
)
NEAR = 0.8  # how much of a method's name must agree: its family alone is not enough
SHOWN_NAMES = 8  # of devices or methods in one line of help


class NoSuchDevice(NoAnswer):
    """The broker keeps no status of a device of that name; nothing was sent."""


class Offline(NoAnswer):
    """The device's status says that it is away; nothing was sent."""


class UsageError(FleetError):
    """Something on the command line that only showed later."""


def reason_of(error):
    """What is wrong with a file, of an OSError without its number, of another error as it is."""
    return getattr(error, "strerror", None) or error


def status_of(error) -> int:
    """The exit status for an error of the family."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    return USAGE


def no_such_device(fleet, name):
    """The error for a device that the broker knows nothing of, with the names it knows."""
    names = list(fleet.devices())
    text = f"there is no device called {name}"
    if not names:
        text += f": no device has ever shown up under {fleet.root}/ on {fleet.address}"
    else:
        near = difflib.get_close_matches(name, names, 3)
        text += f"; did you mean {_choice(near)}?" if near else ""
        text += f"\nlimpet ls lists: {_some(names)}"
    return NoSuchDevice(text, name, None, None)


def explain(error, fleet=None) -> list[str]:
    """The lines to write for an error."""
    if isinstance(error, CallError):
        return _device_error(error, fleet)
    if isinstance(error, NoAnswer) and error.id is not None:
        return _no_answer(error, fleet)
    if isinstance(error, Offline):
        ways = "; --wait sends it all the same, and waits" if error.method else ""
        return [*lines(error), "nothing was sent" + ways]
    return lines(error)


def _device_error(error, fleet):
    text = [printable(f"{error.device} answered {error}")]
    if isinstance(error.data, str):
        text += ["  " + line for line in lines(error.data)]
    elif error.data is not None:
        text += ["  " + line for line in readable(error.data).split("\n")]
    if error.code in _REMEDIES:
        text += map(printable, _REMEDIES[error.code](error, fleet))
    return text


def _about_method(error, fleet):
    try:
        names = [command["name"] for command in fleet.commands(error.device)]
        # Its words begin with the name it misses, which may be within another's parameters.
        missing = error.message.split(":", 1)[0]
        near = difflib.get_close_matches(missing, names, 3, NEAR)
    except (FleetError, TypeError, KeyError):
        near = []
    if near:
        yield f"did you mean {_choice(near)}?"
    yield f"limpet describe {error.device} lists what it can do"


def _about_params(error, _fleet):
    _, _, got = error.message.partition("expected a string")[2].partition(", got ")
    if got and got[0] != '"':
        yield "a value that reads as JSON is sent as JSON; for a string, quote twice: name='\"5\"'"
    yield f"limpet describe {error.device} {error.method} shows its parameters"


def _about_rights(error, _fleet):
    if "without a key" in error.message:
        yield "give the key that may: --key FILE, or its name in $LIMPET_KEY"


_REMEDIES = {"denied": _about_rights, "unknown-method": _about_method, "bad-params": _about_params}


def _no_answer(error, fleet):
    text = [f"{error}; {_state(fleet, error.device)}"]
    if isinstance(error, NotListening):
        text.append("it was not run, and will not be")
    else:
        text.append(f"it may have run: to ask again without running it twice, add --id {error.id}")
    return [printable(line) for line in text]


def _state(fleet, name):
    try:
        device = fleet.device(name)
    except FleetError:
        return "its status cannot be read"
    if device is None:
        return "it has no status any more"
    text = f"its status says {device.state}"
    if device.changed is not None:
        text += f" since {max(0, time.monotonic() - device.changed):.0f} s"
    next_s = device.status.get("next")
    if device.state == "sleeping" and isinstance(next_s, int | float):
        text += f", to wake in {next_s:g} s"
    elif device.state == "online":
        text += ": it is busy or stuck, or needs longer (--timeout)"
    return text


def _choice(names):
    return " or ".join(names)


def _some(names):
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
