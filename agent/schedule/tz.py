"""Time zones as a device can hold them: a fixed offset, or a POSIX rule with two changes a year.

The one rule: a zone is a line of segments, each with one offset from UTC; `segment` finds the one
that a moment lies in, and everything about gaps and doubled hours follows from two neighbours.
There is no table of names such as Europe/Rome: it would be larger than the agent.
Source of the rule's form: POSIX.1-2024, Base Definitions, 8.3, `TZ`; hours up to 167 and negative
ones as in RFC 8536, 3.3.1. Pure; all times are Unix seconds, all offsets seconds east.
"""

from collections import namedtuple

from agent.schedule.civil import (
    DAY_S,
    civil_from_days,
    days_from_civil,
    days_in_month,
    is_leap,
    parse_offset,
    weekday,
)

# start   the moment that it begins at, None: for ever before
# end     the moment that the next one begins at, None: for ever after
# offset  what local time is ahead of UTC in it
# before  the offset in the segment before it
Segment = namedtuple("Segment", ("start", "end", "offset", "before"))

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_QUOTED = _LETTERS + "0123456789+-"
_EXPECTED = (
    "expected UTC, an offset like +01:00, or a POSIX rule like CET-1CEST,M3.5.0,M10.5.0/3;"
    " a device knows no names of zones"
)


class Zone:
    """A fixed offset where `rules` is None, else (offset in summer, its start, its end).

    Start and end are tuples (kind, a, b, c, seconds of the day), as `_Reader.date` makes them.
    """

    def __init__(self, offset, rules=None):
        self.offset = offset
        self._rules = rules
        # The segment last asked for: almost every question is about the same one.
        self._segment = None if rules else Segment(None, None, offset, offset)

    def segment(self, unix_s):
        """The Segment that the moment lies in."""
        found = self._segment
        if self._rules and not (found and found.start <= unix_s < found.end):
            found = self._segment = self._find(unix_s)
        return found

    def _find(self, unix_s):
        year = civil_from_days((unix_s + self.offset) // DAY_S)[0]
        changes = []
        for one in range(year - 2, year + 3):
            changes += self._changes(one)
        changes.sort()
        index = len(changes) - 1
        while changes[index][0] > unix_s:
            index -= 1
        start, _, offset = changes[index]
        end = min([change[0] for change in changes[index:] if change[0] > unix_s])
        before = [change[2] for change in changes if change[0] < start][-1]
        return Segment(start, end, offset, before)

    def _changes(self, year):
        summer, start, end = self._rules
        # Where both fall on one moment (summer all year: RFC 8536, 3.3.1) the start comes last.
        return (
            (_moment(start, year) - self.offset, 1, summer),
            (_moment(end, year) - summer, 0, self.offset),
        )

    def unix_from_local(self, local_s):
        """The first moment that shows the local time; in a gap, the moment that ends the gap."""
        largest = max(self.offset, self._rules[0]) if self._rules else self.offset
        found = self.segment(local_s - largest)  # the earliest moment that could show it
        if found.end is None or local_s - found.offset < found.end:
            return local_s - found.offset
        after = self.segment(found.end)
        return max(after.start, local_s - after.offset)


def parse_zone(text):
    """The Zone that `text` names. Raises ValueError, whose text says what is expected."""
    if text in ("UTC", "Z"):
        return Zone(0)
    try:
        if text[:1] in ("+", "-"):
            return Zone(parse_offset(text))
        return _Reader(text).zone()
    except ValueError as error:
        reason = str(error)
    raise ValueError('"%s": %s: %s' % (text, reason, _EXPECTED))


def _moment(rule, year):
    """The local second that the rule names in `year`."""
    kind, a, b, c, seconds = rule
    if kind == "M":
        first = days_from_civil(year, a, 1)
        day = (c - weekday(first)) % 7 + 7 * (b - 1)
        if day >= days_in_month(year, a):
            day -= 7  # week 5 is the last one
        day += first
    else:
        day = days_from_civil(year, 1, 1) + a
        if kind == "J":  # from 1, and 29 February is never counted
            day += -1 if a < 60 or not is_leap(year) else 0
    return day * DAY_S + seconds


class _Reader:
    """Reads a POSIX rule from left to right."""

    def __init__(self, text):
        self._text = text
        self._at = 0

    def zone(self):
        self._name()
        offset = -self._time(24)
        if not self._more():
            return Zone(offset)
        self._name()
        summer = offset + 3600
        if self._more() and self._text[self._at] != ",":
            summer = -self._time(24)
        if not self._more():
            raise ValueError("the rules for summer time are missing")
        rules = (summer, self.date(), self.date())
        if self._more():
            raise ValueError('"%s" is left over' % self._text[self._at :])
        return Zone(offset, rules)

    def date(self):
        """`,M3.5.0/2` as ("M", 3, 5, 0, 7200); `,J60` and `,59` as ("J" or "", day, 0, 0, ...)."""
        self._expect(",")
        if self._take("M"):
            month = self._number(1, 12)
            self._expect(".")
            week = self._number(1, 5)
            self._expect(".")
            rule = ("M", month, week, self._number(0, 6))
        elif self._take("J"):
            rule = ("J", self._number(1, 365), 0, 0)
        else:
            rule = ("", self._number(0, 365), 0, 0)
        return rule + (self._time(167) if self._take("/") else 7200,)

    def _time(self, most_hours):
        sign = -1 if self._take("-") else 1
        if sign > 0:
            self._take("+")
        seconds = self._number(0, most_hours) * 3600
        for unit in (60, 1):
            if self._take(":"):
                seconds += self._number(0, 59) * unit
            else:
                break
        return sign * seconds

    def _name(self):
        is_quoted = self._take("<")
        start = self._at
        allowed = _QUOTED if is_quoted else _LETTERS
        while self._more() and self._text[self._at] in allowed:
            self._at += 1
        if self._at - start < 3:
            raise ValueError("a name of at least three letters is missing")
        if is_quoted:
            self._expect(">")

    def _number(self, low, high):
        start = self._at
        while self._more() and self._text[self._at] in "0123456789":
            self._at += 1
        digits = self._text[start : self._at]
        if not digits or len(digits) > 3 or not low <= int(digits) <= high:
            shown = digits or self._text[start : start + 1] or "the end"
            raise ValueError("%s, where a number from %d to %d belongs" % (shown, low, high))
        return int(digits)

    def _more(self):
        return self._at < len(self._text)

    def _take(self, character):
        if self._text[self._at : self._at + 1] != character:
            return False
        self._at += 1
        return True

    def _expect(self, character):
        if not self._take(character):
            raise ValueError('"%s" is missing after "%s"' % (character, self._text[: self._at]))
