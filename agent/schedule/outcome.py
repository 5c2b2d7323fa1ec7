"""What came of a schedule's last run: kept short in memory, and told.

The one rule: whoever looks at a schedule sees that its runs fail, and why, though nobody listened
when they did. Pure. An outcome is (when, code, text): `when` in Unix seconds, or in seconds of
uptime where the clock is unknown, None for an earlier start's; `code` None for a run that went
well, else its error's; `text` the error's message or the result as JSON, cut, or None.
"""

import json

from agent.schedule.civil import format_time
from agent.strict_json import UNWRITABLE

MOST_MESSAGE = 100  # characters of an error's
MOST_RESULT = 40  # characters of a result's JSON: a hundred schedules hold one each
_FIRST_UNIX_S = 1_000_000_000  # no device is up for so long, and none is older than it
_STATES = ("cancelled", "interrupted")  # codes that are the state; all others are failures


def outcome_of(words, now, unix_ms):
    """Of a run that ended with these words, `result` or `error`, at `now`, uptime in ms."""
    when = (now if unix_ms is None else unix_ms) // 1000
    error = words.get("error")
    if error is not None:
        return (when, error["code"], error["message"][:MOST_MESSAGE])
    result = words.get("result")
    if result is None or result == {}:
        return (when, None, None)
    try:
        text = json.dumps(result)
    except UNWRITABLE:
        return (when, None, None)
    return (when, None, text if len(text) <= MOST_RESULT else text[: MOST_RESULT - 3] + "...")


def stored(outcome):
    """What a restart is to know of it, JSON-able: only a failure, None for all else."""
    if outcome is None or outcome[1] is None:
        return None
    when = outcome[0]
    return [when if when is not None and when >= _FIRST_UNIX_S else None, outcome[1], outcome[2]]


def describe(outcome):
    """What is told of it, JSON-able."""
    when, code, text = outcome
    words = {"state": "done" if code is None else code if code in _STATES else "failed"}
    if when is not None and when >= _FIRST_UNIX_S:
        words["at"] = format_time(when)
    elif when is not None:
        words["at_uptime_s"] = when
    if code is not None:
        words["error"] = {"code": code, "message": text}
    elif text is not None:
        words["result"] = text
    return words
