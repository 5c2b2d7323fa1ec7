"""agent/schedule against others' work: cronsim for cron, zoneinfo for zones, datetime for dates.

Random expressions, zones and moments from a seed; `tools/check --full cron` takes 100,000 of each.
Every difference must be one of DIFFERENCES, each of which says who is right and why, and is
counted: `python -m pytest tests/oracle_cron/test_cron_oracle.py -s` prints the counts.
"""

import calendar
import datetime
import functools
import io
import os
import random
import struct
import time
import zoneinfo
from collections import Counter

import pytest
from cronsim import CronSim, CronSimError

from agent.schedule import civil
from agent.schedule.cron import Cron
from agent.schedule.tz import parse_zone

COUNT = 100_000 if os.environ.get("LIMPET_SIZE") == "full" else 3000
SEED = int(os.environ.get("LIMPET_SEED", "20261120"))
UTC = datetime.UTC
LAST = civil.days_from_civil(2100, 1, 1) * civil.DAY_S

ZONES = (
    "UTC0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "EST5EDT,M3.2.0,M11.1.0",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "IST-1GMT0,M10.5.0,M3.5.0/1",
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    # Its changes once came at 00:01; at such times cronsim never ends some of its searches.
    "NST3:30NDT,J80/2,J300/2",
    "<+0545>-5:45",
)

FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, [name.upper() for name in calendar.month_abbr[1:]]),
    ("weekday", 0, 7, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
)


def has_step_of_one_value(case):
    """An item like 5-5/2: a range of one value, which cronsim takes for 5/2, up to the end."""
    spans = [item.partition("/")[0] for item in case.items if "/" in item]
    pairs = [span.upper().split("-") for span in spans if "-" in span]
    return any(number(first) == number(last) for first, last in pairs)


def number(word):
    """The value of a number, or of a name of a month or a day."""
    for _, low, _, names in FIELDS:
        if word in names:
            return names.index(word) + low
    return int(word)


DIFFERENCES = (
    ("5-5/2 is one value; cronsim reads it as 5/2", has_step_of_one_value),
    (
        "a time named with seconds: cronsim keeps its summer time rule for five fields",
        lambda case: case.has_seconds and case.names_time and case.has_summer,
    ),
    (
        "a change by half an hour: cronsim steps whole hours over what is between",
        lambda case: not case.names_time and "<+1030>" in case.zone_text,
    ),
    (
        "begun in the second of two doubled hours: cronsim goes back to the first, and repeats",
        lambda case: case.names_time and case.begins_doubled,
    ),
)


class Case:
    """An expression, a zone, a moment to begin at, and what the differences ask about them."""

    def __init__(self, rng):
        self.has_seconds = rng.random() < 0.3
        fields = FIELDS[0 if self.has_seconds else 1 :]
        words = [random_field(rng, field) for field in fields]
        self.text = " ".join(words)
        self.items = [item for word in words for item in word.split(",")]
        timed = words[: 3 if self.has_seconds else 2]
        self.names_time = not any(word.startswith("*") for word in timed)
        self.zone_text = rng.choice(ZONES)
        self.has_summer = "," in self.zone_text
        self.zone = parse_zone(self.zone_text)
        self.begin = random_moment(rng, self.zone)
        segment = self.zone.segment(self.begin)
        self.begins_doubled = (
            self.has_summer and self.begin + segment.offset < segment.start + segment.before
        )

    def ours(self, count):
        """The first `count` times, or "never"."""
        try:
            cron = Cron(self.text, self.zone)
        except ValueError as error:
            return "never" if "never comes" in str(error) else "refused: %s" % error
        found = [self.begin]
        while len(found) <= count:
            found.append(cron.next_after(found[-1]))
        return found[1:]

    def theirs(self, count):
        """The same of cronsim."""
        zone = UTC if self.zone_text == "UTC0" else posix_zone(self.zone_text)
        begin = datetime.datetime.fromtimestamp(self.begin, UTC).astimezone(zone)
        try:
            walk = CronSim(self.text, begin)
            return [int(next(walk).timestamp()) for _ in range(count)]
        except StopIteration:
            return "never"
        except CronSimError as error:
            return "never" if str(error) == "Bad day-of-month" else "refused: %s" % error


def random_field(rng, field):
    """A word for the field: mostly a star or one value, at times all that the grammar has."""
    if rng.random() < 0.35:
        return "*" if rng.random() < 0.7 else "*/%d" % rng.randint(1, field[2] - field[1])
    count = 1 if rng.random() < 0.7 else rng.randint(2, 4)
    return ",".join(random_item(rng, field) for _ in range(count))


def random_item(rng, field):
    name, low, high, names = field
    first, last = sorted(rng.randint(low, high) for _ in range(2))

    def word(value):
        if names and rng.random() < 0.3 and value - low < len(names):
            text = names[value - low]
            return rng.choice((text, text.lower(), text.capitalize()))
        return "%d" % value

    kind = rng.random()
    if kind < 0.5:
        return word(first)
    if kind < 0.75:
        return "%s-%s" % (word(first), word(last))
    step = rng.randint(1, high - low)
    if kind < 0.9:
        return "%s-%s/%d" % (word(first), word(last), step)
    return "%s/%d" % (word(first), step)


def random_moment(rng, zone):
    """A moment until 2100; half of them within two days of a change of the zone."""
    moment = rng.randrange(0, LAST)
    end = zone.segment(moment).end
    if end is None or rng.random() < 0.5:
        return moment
    return end + rng.randrange(-2 * civil.DAY_S, 2 * civil.DAY_S)


@functools.lru_cache(16)
def posix_zone(text):
    """zoneinfo's reading of a POSIX rule: a file of version 2 (RFC 8536) with nothing before."""
    block = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + struct.pack(
        ">lbb4s", 0, 0, 0, b"LMT\0"
    )
    data = io.BytesIO(block + block + b"\n" + text.encode() + b"\n")
    return zoneinfo.ZoneInfo.from_file(data, key=text)


def test_cron_agrees_with_cronsim_but_for_the_listed_differences():
    rng = random.Random(SEED)
    print("seed", SEED)
    reasons = Counter()
    for number in range(COUNT):
        case = Case(rng)
        ours, theirs = case.ours(3), case.theirs(3)
        if ours == theirs:
            reasons["the same" if ours != "never" else "the same: never"] += 1
            continue
        found = [reason for reason, applies in DIFFERENCES if applies(case)]
        assert found, "case %d of seed %d: %r in %s from %s: ours %s, cronsim %s" % (
            number, SEED, case.text, case.zone_text, civil.format_time(case.begin),
            show(ours), show(theirs),
        )  # fmt: skip
        reasons[found[0]] += 1
    for reason, count in reasons.most_common():
        print("%7d  %s" % (count, reason))
    assert reasons["the same"] > 0.7 * COUNT


def show(times):
    return [civil.format_time(t) for t in times] if isinstance(times, list) else times


def test_zones_agree_with_zoneinfo():
    rng = random.Random(SEED)
    for _ in range(COUNT):
        text = random_rule(rng, ("M", "J"))
        if "J59" in text:
            continue  # 28 February; zoneinfo takes it for the 29th in a leap year (CPython 3.11)
        zone, theirs = parse_zone(text), posix_zone(text)
        moment = random_moment(rng, zone)
        there = datetime.datetime.fromtimestamp(moment, theirs)
        offset = there.utcoffset().total_seconds()
        assert zone.segment(moment).offset == offset, (SEED, text, moment)
        # A local time: zoneinfo's first reading, but that a gap ends where it ends.
        local = moment + zone.segment(moment).offset
        naive = datetime.datetime.fromtimestamp(local, UTC).replace(tzinfo=theirs, fold=0)
        assert zone.unix_from_local(local) == int(naive.timestamp()), (SEED, text, moment)


@pytest.fixture
def libc_zone():
    """A function that gives libc's offset for a moment under a rule."""
    before = os.environ.get("TZ")

    def offset(text, moment):
        os.environ["TZ"] = text
        time.tzset()
        return time.localtime(moment).tm_gmtoff

    yield offset
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_zones_agree_with_libc(libc_zone):
    # zoneinfo takes a day counted from 0 as counted from 1 (CPython 3.11), so libc judges those.
    rng = random.Random(SEED)
    for _ in range(COUNT):
        text = random_rule(rng, ("M", "J", ""))
        zone = parse_zone(text)
        moment = random_moment(rng, zone)
        assert zone.segment(moment).offset == libc_zone(text, moment), (SEED, text, moment)


def random_rule(rng, kinds):
    def date():
        kind = rng.choice(kinds)
        if kind == "M":
            text = "M%d.%d.%d" % (rng.randint(1, 12), rng.randint(1, 5), rng.randint(0, 6))
        else:
            text = "%s%d" % (kind, rng.randint(1, 364))
        return text + rng.choice(("", "/0", "/3", "/-2", "/25:30", "/1:30:15"))

    offset = rng.randint(-12 * 4, 12 * 4) * 15
    text = "AAA%s%d:%02d" % ("-" if offset < 0 else "", abs(offset) // 60, abs(offset) % 60)
    if rng.random() < 0.1:
        return text
    saving = rng.choice(("", "%d" % (offset // 60 - 2), "%d" % (offset // 60 + 1)))
    first, second = date(), date()
    # What two changes within days of each other mean is nobody's promise. libc and zoneinfo take
    # the rule of the year in UTC or in standard time, so that they lose hours of a change within
    # a day of the new year, which test_timezone.py has; random ones keep away from it.
    while not _are_apart(sorted((day_of_year(first), day_of_year(second)))):
        first, second = date(), date()
    return "%sBBB%s,%s,%s" % (text, saving, first, second)


def _are_apart(days):
    return days[0] > 15 and days[1] - days[0] > 20 and days[1] < 350


def day_of_year(text):
    """Roughly, for telling dates apart."""
    text = text.partition("/")[0]
    if text.startswith("M"):
        month, week, _ = map(int, text[1:].split("."))
        return (month - 1) * 61 // 2 + week * 7 - 3
    return int(text.lstrip("J"))


@pytest.mark.parametrize("first", [datetime.date(1, 3, 1), datetime.date(1969, 12, 31)])
def test_dates_agree_with_datetime(first):
    rng = random.Random(SEED)
    epoch = datetime.date(1970, 1, 1).toordinal()
    for _ in range(COUNT):
        ordinal = rng.randrange(first.toordinal(), datetime.date.max.toordinal())
        date = datetime.date.fromordinal(ordinal)
        days = ordinal - epoch
        assert civil.civil_from_days(days) == (date.year, date.month, date.day)
        assert civil.days_from_civil(date.year, date.month, date.day) == days
        assert civil.weekday(days) == date.isoweekday() % 7
        assert civil.format_time(days * civil.DAY_S)[:10] == date.isoformat()
