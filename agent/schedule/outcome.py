"""What came of a schedule's last run: kept short in memory, and told.

The one rule: whoever looks at a schedule sees that its runs fail, and why, though nobody listened
when they did. Pure. A hundred schedules hold one each, so an outcome is an int where there is no
more to say, the uptime in seconds that a run which went well ended at, else (when, code, text):
`when` the same, or Unix seconds of an earlier start's, None where nobody knew the time then;
`code` an error's, None for none; `text` its message, or the result as JSON, cut, or None.
"""

import json

from agent.schedule.civil import format_time
from agent.strict_json import UNWRITABLE

MOST_MESSAGE = 100  # characters of an error's
MOST_RESULT = 40  # characters of a result's JSON
_FIRST_UNIX_S = 1_000_000_000  # no device is up for so long, and no earlier time is true
_STATES = ("cancelled", "interrupted")  # codes that are the state; all others are failures


def outcome_of(words, now_s):
    """Of a run that ended with these words, `result` or `error`, at `now_s` of uptime."""
    error = words.get("error")
    if error is not None:
        return (now_s, error["code"], error["message"][:MOST_MESSAGE])
    result = words.get("result")
    if result is None or result == {}:
        return now_s
    try:
        text = json.dumps(result)
    except UNWRITABLE:
        return now_s
    text = text if len(text) <= MOST_RESULT else text[: MOST_RESULT - 3] + "..."
    return (now_s, None, text)


def without_text(outcome):
    """The same, in less memory."""
    if not isinstance(outcome, tuple):
        return outcome
    return outcome[0] if outcome[1] is None else (outcome[0], outcome[1], None)


def code_of(outcome):
    """The code of a failure, None for all else."""
    return outcome[1] if isinstance(outcome, tuple) else None


def _unix_s(when, now_s, unix_s):
    if when is None or when >= _FIRST_UNIX_S or unix_s is None:
        return when
    return unix_s - (now_s - when)


def stored(outcome, now_s, unix_s):
    """What a restart is to know of it, JSON-able: only a failure, None for all else."""
    if code_of(outcome) is None:
        return None
    when = _unix_s(outcome[0], now_s, unix_s)
    if when is not None and when < _FIRST_UNIX_S:
        when = None  # the next start has an uptime of its own
    return [when, outcome[1], outcome[2]]


def describe(outcome, now_s, unix_s):
    """What is told of it, JSON-able; `unix_s` None while nobody knows the time."""
    when, code, text = outcome if isinstance(outcome, tuple) else (outcome, None, None)
    words = {"state": "done" if code is None else code if code in _STATES else "failed"}
    when = _unix_s(when, now_s, unix_s)
    if when is not None and when >= _FIRST_UNIX_S:
        words["at"] = format_time(when)
    elif when is not None:
        words["at_uptime_s"] = when
    if code is not None:
        words["error"] = {"code": code, "message": text}
    elif text is not None:
        words["result"] = text
    return words
