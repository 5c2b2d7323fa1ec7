"""`limpet rollout`: a release to many devices, as it goes.

Rule: a line for each device that settles goes to stdout, all else to stderr; Ctrl-C hands out no
more, and the same command line takes it up again.
"""

import select
import sys

from tqdm import tqdm

from .. import rollout as library
from ..errors import FileError
from .commands import note
from .explain import ANSWERED_ERROR, DONE, NO_ANSWER, reason_of
from .present import compact, paint, printable

_COLOURS = {"done": "green", "failed": "red", "skipped": "yellow", "away": "dim"}
_BAR = "{desc} {percentage:3.0f}%|{bar}| {postfix}"


class _Show:
    """The live view: a bar at a terminal, and what becomes of each device above it."""

    def __init__(self, plan, is_json):
        self._plan = plan
        self._is_json = is_json
        self._bar = tqdm(
            total=len(plan.order), leave=False, disable=not sys.stderr.isatty(), file=sys.stderr,
            dynamic_ncols=True, bar_format=_BAR,
        )  # fmt: skip

    def changed(self, name, view):
        if self._is_json:
            words = {"device": name, "state": view.state, "text": view.text}
            self._bar.write(compact(words), file=sys.stdout)
        elif view.state in _COLOURS:
            state = paint(view.state.ljust(7), _COLOURS[view.state], sys.stdout)
            text = f"{name}  {state}  {printable(view.text)}".rstrip()
            self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def turn(self):
        plan = self._plan
        wave = min(plan.wave + 1, len(plan.ends))
        stopped = "stopped, " if plan.is_stopped else "paused, " if plan.is_paused else ""
        self._bar.set_description_str(f"wave {wave} of {len(plan.ends)}", refresh=False)
        self._bar.n = sum(plan.count(state) for state in library.SETTLED)
        self._bar.set_postfix_str(stopped + tally(plan))

    def close(self):
        self._bar.close()


class _Keys:
    """`p` and Enter holds back what is not begun, and lets it go on: no mode of the terminal that
    would have to be put right after a crash."""

    def __init__(self, plan):
        self._plan = plan
        self._is_open = sys.stdin is not None and not sys.stdin.closed

    def turn(self):
        while self._is_open and select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            self._is_open = bool(line)
            if line.strip() in ("p", "pause", "resume"):
                self._plan.is_paused = line.strip() != "resume" and not self._plan.is_paused
                note("paused: p and Enter goes on" if self._plan.is_paused else "goes on")


def tally(plan):
    """`3 done, 1 failed, 2 under way`."""
    words = (library.DONE, library.FAILED, library.UNDER_WAY, library.WAITING, library.AWAY,
             library.SKIPPED)  # fmt: skip
    return ", ".join(f"{plan.count(word)} {word}" for word in words if plan.count(word))


def rollout(fleet, names):
    """Bring the release in a file to the devices."""
    data = _read(names.release)
    sequence = library.sequence_of(data)
    found = library.members(fleet, names.targets)
    if not found:
        note("no device is meant: none of them is known, or answers")
        return NO_ANSWER
    plan = library.Plan(found, sequence, names.waves, names.at_once, names.failures)
    note(f"release {sequence} to {len(found)} devices, {len(plan.ends)} waves; p and Enter pauses")
    show, keys = _Show(plan, names.json), _Keys(plan)
    options = {"within": names.within, "downgrade": names.downgrade, "changed": show.changed}

    def turn():
        keys.turn()
        show.turn()

    try:
        with library.Rollout(fleet, data, plan, **options) as running:
            library.run(running, turn=turn)
    except KeyboardInterrupt:
        show.close()
        note(f"left: {tally(plan)}. What is under way goes on; the same command takes it up again")
        raise
    finally:
        show.close()
    return _end(plan)


def _read(path):
    try:
        with open(path, "rb") as file:
            data = file.read(65536)
        library.sequence_of(data)
        data.decode("ascii")
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: {reason_of(error)}") from None
    return data


def _end(plan):
    note(tally(plan))
    if plan.is_stopped:
        note("stopped: more failed than --failures allows; no further device was asked")
    if plan.count(library.FAILED):
        return ANSWERED_ERROR
    if plan.count(library.AWAY) or plan.count(library.WAITING):
        note("run it again when those that are away are back")
        return NO_ANSWER
    return DONE
