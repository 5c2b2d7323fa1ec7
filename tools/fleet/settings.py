"""A device's settings and log, from a technician's side: over calls and the device's own topics.

Rule: only what `agent/twin/README.md` promises is used; a device may say anything else.
"""

import json
import time
from collections import namedtuple

from .errors import CallError, FleetError, NoAnswer

# `lines` is a list of (uptime in ms, level, text); `dropped` counts lines left out before them;
# `boot` is the number of the start that the device has just made, else None.
LogLines = namedtuple("LogLines", ("lines", "dropped", "boot"))

FOLLOW_S = 30  # asked for at a time: a follower who is gone costs the device no more
_LOOK_S = 1.0


def recent_log(fleet, device, limit=20) -> LogLines:
    """The last lines that the device keeps. Raises as `Fleet.call`."""
    said = fleet.call(device, "log.recent", {"limit": limit})
    return _read_lines(said if isinstance(said, dict) else {})


def follow_log(fleet, device, level="info", rate=20):
    """Yield LogLines for ever, the last ones first; a restart of the device is told, with what
    it has logged since. Raises what a call raises."""
    params = {"level": level, "rate": rate, "for_s": FOLLOW_S}
    with fleet.listen(device, "log") as feed:
        fleet.call(device, "log.follow", params)
        kept = _recent_or_none(
            fleet, device, level
        )  # what is in the feed already may be there too
        yield kept
        asked, boot = time.monotonic(), _boot(fleet, device)
        last = boot
        try:
            while True:
                said = feed.get(_LOOK_S)
                if said is not None:
                    yield _without(_read_lines(said), kept)
                now = time.monotonic()
                there = _boot(fleet, device)
                if now - asked > FOLLOW_S / 3 or there != boot:
                    fleet.submit(device, "log.follow", params, timeout=FOLLOW_S / 3)
                    asked, boot = now, there
                if there is not None and there != last:
                    last, kept = there, _recent_or_none(fleet, device, level)
                    yield LogLines(kept.lines, 0, there)
        finally:
            fleet.submit(device, "log.follow", {"for_s": 0}, timeout=1)


def _without(lines, kept):
    """What comes, without what was told of it already; the device keeps the start of a line."""
    told = {(line[0], line[2]) for line in kept.lines}
    fresh = [line for line in lines.lines if (line[0], line[2][:_KEPT]) not in told]
    return LogLines(fresh, lines.dropped, None)


_KEPT = 160  # characters that a device keeps of a line
_LEVELS = ("error", "warning", "info", "debug")


def _recent_or_none(fleet, device, level):
    """The last lines up to a level; none of a device that keeps none, or is gone again."""
    try:
        found = recent_log(fleet, device)
    except (CallError, FleetError):
        return LogLines([], 0, None)
    wanted = _LEVELS[: _LEVELS.index(level) + 1]
    return LogLines([line for line in found.lines if line[1] in wanted], 0, None)


def _counter_above(answer):
    """The counter that a `stale` answer asks to be above, else None."""
    reason = answer.get("reason")
    if not isinstance(reason, dict) or reason.get("code") != "stale":
        return None
    told = reason.get("data")
    counter = told.get("counter") if isinstance(told, dict) else None
    return counter if isinstance(counter, int) else None


def _boot(fleet, device):
    found = fleet.device(device)
    return None if found is None or found.state != "online" else found.status.get("boot")


def _read_lines(said):
    lines = [
        (line[0], line[1], line[2])
        for line in said.get("lines") or ()
        if isinstance(line, list) and len(line) == 3
        and isinstance(line[0], int) and isinstance(line[1], str) and isinstance(line[2], str)
    ]  # fmt: skip
    dropped = said.get("dropped")
    return LogLines(lines, dropped if isinstance(dropped, int) else 0, None)


def want(fleet, device, document, timeout):
    """Leave a desired document for a device, and wait for its answer in `reported`.

    `document` has `id` and `settings`. Returns what the device reports; raises NoAnswer if it
    does not answer this one in time: it is left there all the same.
    """
    with fleet.listen(device, "reported") as feed:
        payload = json.dumps(document).encode()
        fleet.leave(device, "desired", payload)
        deadline = time.monotonic() + timeout
        is_left_again = False
        while time.monotonic() < deadline:
            said = feed.get(deadline - time.monotonic())
            answer = (said or {}).get("desired")
            if not isinstance(answer, dict) or answer.get("id") != document["id"]:
                continue
            counter = _counter_above(answer)
            if counter is None or is_left_again or fleet.sealer is None:
                return said
            # This clock is behind that of who sealed the last one: go on from there, once.
            fleet.sealer.skip_to(counter)
            fleet.leave(device, "desired", payload)
            is_left_again = True
    text = f"{device} has not answered the document {document['id']} in {timeout:g} s"
    raise NoAnswer(f"{text}; it is left for it", device, "desired", None)
