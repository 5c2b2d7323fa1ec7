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
MOST_TEXTS = 20  # messages and results in memory; older ones keep their code
PAUSE_MS = 60_000  # between two writes that only tell that runs fail, or fail no more
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


class Outcomes:
    """Notes what came of runs, and which schedules are to be stored for it.

    `find(name)` gives the entry of a schedule, or None.
    """

    def __init__(self, find):
        self._find = find
        self._told = []  # names whose last run left a text, the newest last
        self._turned = []  # names whose runs began to fail, or ceased to
        self._store_at = 0

    def note(self, entry, words, now):
        """Remember what came of a run that ended at `now`, in ms."""
        name, before = entry.name, code_of(entry.last)
        entry.last = outcome_of(words, now // 1000)
        code = code_of(entry.last)
        if code is not None:
            entry.failed += 1
        if name in self._told:
            self._told.remove(name)
        if isinstance(entry.last, tuple):
            self._told.append(name)
            if len(self._told) > MOST_TEXTS:
                self._shorten(self._told.pop(0))
        if code != before and name not in self._turned:
            self._turned.append(name)

    def _shorten(self, name):
        entry = self._find(name)
        if entry is not None:
            entry.last = without_text(entry.last)

    @property
    def due(self):
        """When `to_store` has something, in ms; None for never."""
        return self._store_at if self._turned else None

    def to_store(self, now):
        """Names of the schedules to store now; each is told once."""
        if not self._turned or now < self._store_at:
            return []
        names, self._turned = self._turned, []
        self._store_at = now + PAUSE_MS
        return names


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
