"""Dates of the Gregorian calendar, and the seconds between them, in ints.

The interpreters' own `localtime` and `mktime` differ in epoch and in range, so the house does its
own arithmetic: a day is its number from 1970-01-01, a local or UTC time is seconds from then.
Years 1 to 9999. Pure.
"""

DAY_S = 86400


def days_from_civil(year, month, day):
    """The number of a date: 0 is 1970-01-01."""
    # The year is taken to begin in March, so that the leap day comes last: then the days before
    # a month are a straight line, (153 m + 2) / 5, and the leap years simple quotients.
    if month <= 2:
        year -= 1
        month += 12
    before_month = (153 * (month - 3) + 2) // 5
    return 365 * year + year // 4 - year // 100 + year // 400 + before_month + day - 719469


def civil_from_days(days):
    """`(year, month, day)` of a day's number."""
    days += 719468  # from 0000-03-01
    era, day = divmod(days, 146097)  # 400 years repeat exactly
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153  # from March
    day -= (153 * month + 2) // 5
    year += 400 * era
    if month >= 10:
        return year + 1, month - 9, day + 1
    return year, month + 3, day + 1


def weekday(days):
    """0 for a Sunday to 6 for a Saturday, as cron and POSIX count them."""
    return (days + 4) % 7


def is_leap(year):
    """True if the year has a 29 February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year, month):
    """28 to 31."""
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def format_time(seconds, offset_s=0):
    """Unix seconds as `2026-11-20T03:00:00Z`, or as local time with an offset east of UTC."""
    days, rest = divmod(seconds + offset_s, DAY_S)
    text = "%04d-%02d-%02dT%02d:%02d:%02d" % (
        civil_from_days(days) + (rest // 3600, rest // 60 % 60, rest % 60)
    )
    return text + (format_offset(offset_s) if offset_s else "Z")


def format_offset(offset_s):
    """Seconds east of UTC as `+05:30`; what is beyond whole minutes is shown too."""
    sign, size = ("-", -offset_s) if offset_s < 0 else ("+", offset_s)
    text = "%s%02d:%02d" % (sign, size // 3600, size // 60 % 60)
    return text + (":%02d" % (size % 60) if size % 60 else "")


def parse_time(text):
    """`(seconds, offset)` of `2026-11-20T03:00[:00][Z|+01:00]`.

    With an offset the seconds are Unix seconds, and `offset` is seconds east. Without one they are
    local, and `offset` is None. Raises ValueError, whose text says what is wrong.
    """
    date, separator, rest = text.partition("T")
    if not separator:
        date, separator, rest = text.partition(" ")
    year, month, day = _numbers(date, "-", (4, 2, 2))
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month) or year < 1970:
        raise ValueError("%s is no date from 1970 on" % date)
    clock, offset = _split_offset(rest)
    numbers = _numbers(clock, ":", (2, 2, 2) if clock.count(":") == 2 else (2, 2))
    hour, minute, second = (numbers + (0,))[:3]
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("%s is no time of day" % clock)
    seconds = days_from_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second
    return (seconds if offset is None else seconds - offset), offset


def _split_offset(text):
    if text.endswith("Z"):
        return text[:-1], 0
    for sign in "+-":
        clock, found, offset = text.partition(sign)
        if found:
            return clock, parse_offset(sign + offset)
    return text, None


def parse_offset(text):
    """Seconds east of UTC of `+01:00` or `-03:30`. Raises ValueError."""
    hours, minutes = _numbers(text[1:], ":", (2, 2))
    if text[0] not in "+-" or hours > 24 or minutes > 59:
        raise ValueError("%s is no offset like +01:00" % text)
    size = hours * 3600 + minutes * 60
    return -size if text[0] == "-" else size


def _numbers(text, separator, widths):
    parts = text.split(separator)
    right = [part.isdigit() and len(part) == width for part, width in zip(parts, widths)]  # noqa: B905 - MicroPython's zip takes no keyword
    if len(parts) != len(widths) or not all(right):
        raise ValueError('"%s": expected a time like 2026-11-20T03:00:00+01:00' % text)
    return tuple([int(part) for part in parts])
