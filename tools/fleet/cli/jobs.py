"""`limpet jobs` and `limpet cancel`, and how `call` waits for a job.

Rule: results go to stdout, progress and all else to stderr; a bar is drawn for a terminal only.
"""

import sys

from tqdm import tqdm

from .. import jobs as library
from ..errors import FleetError
from .commands import known, note
from .present import compact, print_table, printable, readable

HEAD = ("JOB", "METHOD", "STATE", "DONE", "PHASE")
COLOURS = {"done": "green", "failed": "red", "cancelled": "yellow", "interrupted": "red"}
_BAR = "{desc}{percentage:3.0f}%|{bar}| {elapsed}"
_NO_BAR = "{desc}{elapsed}"


class _Progress:
    """Shows each state of a job: a bar, and its log lines above it."""

    def __init__(self, label):
        self._label = label
        self._lines = []
        self._bar = tqdm(
            total=100, leave=False, disable=not sys.stderr.isatty(), file=sys.stderr,
            dynamic_ncols=True, mininterval=0, bar_format=_NO_BAR,
        )  # fmt: skip

    def tell(self, state):
        fraction, phase = state.get("progress"), state.get("phase")
        lines = [printable(line) for line in state.get("lines") or []]
        for line in library.new_lines(self._lines, lines):
            self._bar.write(f"limpet: {line}", file=sys.stderr)
        self._lines = lines
        words = phase if isinstance(phase, str) else state.get("state")
        self._bar.set_description_str(f"{self._label}: {printable(words)} ", refresh=False)
        if isinstance(fraction, int | float):
            self._bar.bar_format = _BAR
            self._bar.n = round(100 * min(1, max(0, fraction)))
        self._bar.refresh()

    def close(self):
        self._bar.close()


def follow_to_end(fleet, device, job, method):
    """The result of a job. Ctrl-C cancels it; once more leaves it running."""
    progress = _Progress(printable(f"{device} {method}"))
    try:
        return library.follow(fleet, device, job, method, progress.tell)
    except KeyboardInterrupt:
        progress.close()
        note(f"asking {device} to cancel it; Ctrl-C again leaves it running")
        _cancel_or_leave(fleet, device, job)
        raise
    finally:
        progress.close()


def _cancel_or_leave(fleet, device, job):
    try:
        state = library.cancel(fleet, device, job)
        note(f"{state.get('state')}" + (": it does not stop" if state.get("stuck") else ""))
    except KeyboardInterrupt:
        note(f"left running: limpet jobs {device} {job} -f follows it")
    except FleetError as error:
        note(f"it could not be cancelled: {error}")


def jobs(fleet, names):
    """All jobs of a device, or one."""
    known(fleet, names.device)
    if names.job is not None:
        names.job = library.full_name(fleet, names.device, names.job)
    if names.clear:
        params = {} if names.job is None else {"job": names.job}
        cleared = fleet.call(names.device, "job.clear", params)["cleared"]
        note(f"{len(cleared)} cleared")
    elif names.job is not None and names.follow:
        print(readable(follow_to_end(fleet, names.device, names.job, "job")))
    elif names.job is not None:
        print(readable(fleet.call(names.device, "job.get", {"job": names.job})))
    else:
        found = library.all_jobs(fleet, names.device)
        if names.json:
            print(readable(found))
        elif found:
            colours = [COLOURS.get(job.get("state")) for job in found]
            print_table(HEAD, map(_row, found), 2, colours)
        else:
            note(f"{names.device} has nothing under way, and keeps nothing that has ended")


def _row(job):
    fraction = job.get("progress")
    done = f"{100 * fraction:.0f} %" if isinstance(fraction, int | float) else "-"
    texts = [job.get(name) for name in ("job", "method", "state", "phase")]
    name, method, state, phase = [
        "-" if text is None else printable(text if isinstance(text, str) else compact(text))
        for text in texts
    ]
    return name, method, state, done, phase


def cancel(fleet, names):
    """Ask for its end, and print how it ended."""
    known(fleet, names.device)
    name = library.full_name(fleet, names.device, names.job)
    print(readable(library.cancel(fleet, names.device, name)))
