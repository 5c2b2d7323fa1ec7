"""A device's settings and log, from a technician's side: over calls and the device's own topics.

Rule: only what `agent/twin/README.md` promises is used; a device may say anything else.
"""

import json
import time
from collections import namedtuple

from .errors import NoAnswer

# `lines` is a list of (uptime in ms, level, text); `dropped` counts lines left out before them.
LogLines = namedtuple("LogLines", ("lines", "dropped"))

FOLLOW_S = 30  # asked for at a time: a follower who is gone costs the device no more
_LOOK_S = 1.0


def follow_log(fleet, device, level="info", rate=20):
    """Yield LogLines for ever; after a restart of the device too. Raises what a call raises."""
    params = {"level": level, "rate": rate, "for_s": FOLLOW_S}
    with fleet.listen(device, "log") as feed:
        fleet.call(device, "log.follow", params)
        asked, boot = time.monotonic(), _boot(fleet, device)
        try:
            while True:
                said = feed.get(_LOOK_S)
                if said is not None:
                    yield _read_lines(said)
                now = time.monotonic()
                if now - asked > FOLLOW_S / 3 or _boot(fleet, device) != boot:
                    fleet.submit(device, "log.follow", params, timeout=FOLLOW_S / 3)
                    asked, boot = now, _boot(fleet, device)
        finally:
            fleet.submit(device, "log.follow", {"for_s": 0}, timeout=1)


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
    return LogLines(lines, dropped if isinstance(dropped, int) else 0)


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
