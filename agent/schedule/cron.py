"""Cron expressions: five or six fields, and the next moment that they name.

The fields are `[second] minute hour day-of-month month day-of-week`, as crontab(5) of Vixie cron
has them: lists, ranges, steps, names, and where both day fields are restricted, either is enough.
A field that begins with `*` is not restricted, even with a step. The one rule: the search jumps
from field to field, never from minute to minute, and is bounded in years. Pure.

Summer time, as cron(8) has it: an expression with a `*` in second, minute or hour goes by the
clock on the wall, so that it does not run in a gap and runs in both of two doubled hours. One that
names its time runs once: at the end of the gap that swallows it, in the first of two doubled
hours.
"""

from agent.schedule.civil import (
    DAY_S,
    civil_from_days,
    days_from_civil,
    days_in_month,
    weekday,
)

# 29 February falls on a given day of the week after 40 years at most (2100 is no leap year).
YEARS = 41

# A compiled expression is 30 bytes, since a device keeps a hundred of them: the bits of each
# field, a byte of flags, and the first hour, minute and second of a day, which most searches end
# in. (name, lowest, highest, first byte)
_FIELDS = (
    ("second", 0, 59, 0),
    ("minute", 0, 59, 8),
    ("hour", 0, 23, 16),
    ("day of month", 1, 31, 19),
    ("month", 1, 12, 23),
    ("day of week", 0, 7, 25),
)
_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY = [field[3] for field in _FIELDS]
_FLAGS, _FIRST, _SIZE = 26, 27, 30
_NAMES_TIME = 1  # no field of the time of day begins with a star
_EITHER_DAY = 2  # both day fields are restricted: either is enough
_ANY_WEEKDAY = 0x7F

_WORDS = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Cron:
    """An expression in a zone.

    Raises ValueError, whose text names the field and what it takes, or says that no moment ever
    fits.
    """

    is_wall = True  # its times are Unix seconds

    def __init__(self, text, zone):
        self._table = compile_fields(text)
        self.zone = zone
        if self.next_after(0) is None:
            raise ValueError('"%s" never comes: there is no such date' % text)

    def next_after(self, unix_s):
        """The first Unix second after `unix_s` that the expression names, or None for never."""
        names_time = self._table[_FLAGS] & _NAMES_TIME
        segment = self.zone.segment(unix_s)
        local = unix_s + segment.offset + 1
        if names_time and segment.start is not None:
            # The hour that a change doubled has passed once already, before the change.
            local = max(local, segment.start + segment.before)
        for _ in range(2 * YEARS):  # a zone has two changes a year
            local = next_local(self._table, local)
            if local is None:
                return None
            if segment.end is None or local - segment.offset < segment.end:
                return local - segment.offset
            segment = self.zone.segment(segment.end)
            if not names_time:
                local = segment.start + segment.offset
            elif local < segment.start + segment.offset:
                return segment.start  # in the gap
        return None

    def latest(self, after, most):
        """The last time in (after, most], or None."""
        found = self.next_after(after)
        if found is None or found > most:
            return None
        # `next_after(t) > most` holds from the last time on, and not before: halve the interval.
        low, high = found, most
        while low < high:
            middle = (low + high) // 2
            following = self.next_after(middle)
            if following is None or following > most:
                high = middle
            else:
                low = following
        return low


def compile_fields(text):
    """The 30 bytes of an expression. Raises ValueError."""
    words = ALIASES.get(text.strip().lower(), text).split()
    if text.strip().startswith("@") and len(words) == 1:
        raise ValueError("%s: expected one of %s" % (text, ", ".join(sorted(ALIASES))))
    if len(words) not in (5, 6):
        raise ValueError('"%s": expected 5 fields, or 6 with seconds first' % text)
    if len(words) == 5:
        words.insert(0, "0")
    table = bytearray(_SIZE)
    for word, field in zip(words, _FIELDS):  # noqa: B905 - MicroPython's zip takes no keyword
        for item in word.split(","):
            _set_item(table, item.lower(), field)
    if table[_WEEKDAY] & 0x80:  # 7 is Sunday too
        table[_WEEKDAY] = table[_WEEKDAY] & _ANY_WEEKDAY | 1
    starred = [word.startswith("*") for word in words]
    if not any(starred[:3]):
        table[_FLAGS] |= _NAMES_TIME
    if not starred[3] and not starred[5]:
        table[_FLAGS] |= _EITHER_DAY
    for index, field in enumerate((_HOUR, _MINUTE, _SECOND)):
        table[_FIRST + index] = _next_bit(table, field, 0, 59)
    return bytes(table)


def _set_item(table, item, field):
    name, low, high, base = field
    span, slash, step = item.partition("/")
    if span == "*":
        first, last = low, 6 if name == "day of week" else high
    else:
        first, dash, last = span.partition("-")
        first = _number(first, field)
        # `5/15` has no end of its own: it goes on to the field's
        last = _number(last, field) if dash else high if slash else first
    step = _step(step, field) if slash else 1
    if first > last:
        raise ValueError("%s: %s: a range goes upwards; write two, or 7 for sunday" % (name, item))
    for value in range(first, last + 1, step):
        table[base + (value >> 3)] |= 1 << (value & 7)


def _number(word, field):
    name, low, high, _ = field
    names = _WORDS.get(name, ())
    if word in names:
        return names.index(word) + low
    if not word.isdigit() or len(word) > 2 or not low <= int(word) <= high:
        also = ", or %s to %s" % (names[0], names[-1]) if names else ""
        raise ValueError('%s: "%s": expected %d to %d%s' % (name, word, low, high, also))
    return int(word)


def _step(word, field):
    name, low, high, _ = field
    most = high - low
    if not word.isdigit() or len(word) > 2 or not 1 <= int(word) <= most:
        raise ValueError('%s: step "%s": expected 1 to %d' % (name, word, most))
    return int(word)


def next_local(table, local_s):
    """The first local second from `local_s` on that the fields name, None if none in 41 years."""
    days, rest = divmod(local_s, DAY_S)
    year, month, day = civil_from_days(days)
    last_year = year + YEARS
    is_first = True
    while year <= last_year:
        found = _next_bit(table, _MONTH, month, 12)
        if found != month:
            is_first = False
            day = 1
            month = found
            if found < 0:
                year += 1
                month = 1
                continue
        found = _next_day(table, year, month, day)
        if found != day:
            is_first = False
        if found > 0:
            seconds = _next_time(table, rest) if is_first else _first_time(table)
            if seconds >= 0:
                return days_from_civil(year, month, found) * DAY_S + seconds
            is_first = False  # today, but too late: tomorrow
            day = found + 1
        else:
            month += 1
            day = 1
    return None


def _next_day(table, year, month, day):
    """The first day from `day` on in the month that the day fields name, -1 for none."""
    most = days_in_month(year, month)
    weekdays = table[_WEEKDAY]
    if weekdays == _ANY_WEEKDAY and not table[_FLAGS] & _EITHER_DAY:
        return _next_bit(table, _DAY, day, most)
    is_either = table[_FLAGS] & _EITHER_DAY
    of_week = weekday(days_from_civil(year, month, day)) if day <= most else 0
    while day <= most:
        by_week = weekdays >> of_week & 1
        by_month = table[_DAY + (day >> 3)] >> (day & 7) & 1
        if (by_week | by_month) if is_either else (by_week & by_month):
            return day
        day += 1
        of_week = (of_week + 1) % 7
    return -1


def _first_time(table):
    return table[_FIRST] * 3600 + table[_FIRST + 1] * 60 + table[_FIRST + 2]


def _next_time(table, rest):
    """The first second of the day from `rest` on that the fields name, -1 for none."""
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    found = _next_bit(table, _HOUR, hour, 23)
    if found == hour:
        seconds = _next_in_hour(table, minute, second)
        if seconds >= 0:
            return hour * 3600 + seconds
        found = _next_bit(table, _HOUR, hour + 1, 23)
    if found < 0:
        return -1
    return found * 3600 + table[_FIRST + 1] * 60 + table[_FIRST + 2]


def _next_in_hour(table, minute, second):
    found = _next_bit(table, _MINUTE, minute, 59)
    if found == minute:
        following = _next_bit(table, _SECOND, second, 59)
        if following >= 0:
            return minute * 60 + following
        found = _next_bit(table, _MINUTE, minute + 1, 59)
    if found < 0:
        return -1
    return found * 60 + table[_FIRST + 2]


def _next_bit(table, base, value, most):
    """The first set bit from `value` to `most`, -1 for none."""
    while value <= most:
        bits = table[base + (value >> 3)] >> (value & 7)
        if bits:
            while not bits & 1:
                bits >>= 1
                value += 1
            return value if value <= most else -1
        value = (value | 7) + 1
    return -1
