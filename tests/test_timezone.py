"""agent/schedule/civil.py and tz.py: dates and zones in ints, the same on every interpreter."""

from support import raises

from agent.schedule.civil import (
    civil_from_days,
    days_from_civil,
    days_in_month,
    format_time,
    parse_time,
    weekday,
)
from agent.schedule.tz import parse_zone

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
LORD_HOWE = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"  # half an hour, and summer over the new year
DUBLIN = "IST-1GMT0,M10.5.0,M3.5.0/1"  # the saving is in winter, and negative


def unix(text):
    return parse_time(text)[0]


def test_every_day_has_one_number():
    days = days_from_civil(1969, 1, 1)
    for year in range(1969, 2106):
        for month in range(1, 13):
            for day in range(1, days_in_month(year, month) + 1):
                assert days_from_civil(year, month, day) == days
                assert civil_from_days(days) == (year, month, day)
                days += 1
    assert days == 49673  # 2106-01-01, as `date -d` says


def test_dates_known_from_elsewhere():
    for text, seconds, day in (
        ("1970-01-01T00:00:00Z", 0, 4),
        ("2000-02-29T12:00:00Z", 951825600, 2),
        ("2001-09-09T01:46:40Z", 1000000000, 0),
        ("2038-01-19T03:14:08Z", 2147483648, 2),
        ("2100-03-01T00:00:00Z", 4107542400, 1),
    ):
        assert parse_time(text) == (seconds, 0)
        assert format_time(seconds) == text
        assert weekday(seconds // 86400) == day


def test_a_time_may_have_an_offset_or_be_local():
    assert parse_time("2026-11-20T03:00+01:00") == (unix("2026-11-20T02:00:00Z"), 3600)
    assert parse_time("2026-11-20 03:00:07-03:30") == (unix("2026-11-20T06:30:07Z"), -12600)
    assert parse_time("2026-11-20T03:00") == (unix("2026-11-20T03:00Z"), None)
    assert format_time(0, 20700) == "1970-01-01T05:45:00+05:45"
    assert format_time(0, -12600) == "1969-12-31T20:30:00-03:30"


def test_a_wrong_time_says_what_is_wrong():
    for text, words in (
        ("2026-02-29T00:00Z", "2026-02-29 is no date"),
        ("2026-11-20T24:00Z", "24:00 is no time of day"),
        ("2026-11-20", "expected a time like"),
        ("26-11-20T00:00", "expected a time like"),
        ("2026-11-20T00:00+1", "expected a time like"),
        ("1969-11-20T00:00", "is no date from 1970 on"),
        ("", "expected a time like"),
    ):
        assert words in str(raises(ValueError, parse_time, text)), text


def test_fixed_zones_have_one_segment():
    for text, offset in (
        ("UTC", 0), ("Z", 0), ("+05:45", 20700), ("-03:30", -12600), ("JST-9", 32400),
        ("<-0330>3:30", -12600), ("XXX-0:00:30", 30), ("AAA+1", -3600),
    ):  # fmt: skip
        zone = parse_zone(text)
        for moment in (0, 1 << 31, 1 << 33):
            assert zone.segment(moment) == (None, None, offset, offset), text
            assert zone.unix_from_local(moment) == moment - offset


def changes(text, start, count):
    """`count` changes of the zone after `start`, as (moment, offset) from there on."""
    zone = parse_zone(text)
    found = []
    end = zone.segment(unix(start)).end
    for _ in range(count):
        segment = zone.segment(end)
        assert segment.start == end
        found.append((format_time(end), segment.offset))
        end = segment.end
    return found


def test_rules_change_when_the_law_says():
    assert changes(BERLIN, "2026-01-01T00:00Z", 3) == [
        ("2026-03-29T01:00:00Z", 7200),
        ("2026-10-25T01:00:00Z", 3600),
        ("2027-03-28T01:00:00Z", 7200),
    ]
    assert changes(NEW_YORK, "2026-01-01T00:00Z", 2) == [
        ("2026-03-08T07:00:00Z", -14400),
        ("2026-11-01T06:00:00Z", -18000),
    ]
    assert changes(LORD_HOWE, "2026-01-01T00:00Z", 2) == [
        ("2026-04-04T15:00:00Z", 37800),
        ("2026-10-03T15:30:00Z", 39600),
    ]
    assert changes(DUBLIN, "2026-01-01T00:00Z", 2) == [
        ("2026-03-29T01:00:00Z", 3600),
        ("2026-10-25T01:00:00Z", 0),
    ]


def test_days_may_be_counted_with_and_without_the_leap_day():
    # J60 is 1 March in every year; 59, counted from 0, is 29 February in a leap year.
    assert changes("AAA0BBB,J60/0,J300/0", "2027-01-01T00:00Z", 3)[0::2] == [
        ("2027-03-01T00:00:00Z", 3600),
        ("2028-03-01T00:00:00Z", 3600),
    ]
    assert changes("AAA0BBB,59/0,300/0", "2027-01-01T00:00Z", 3)[0::2] == [
        ("2027-03-01T00:00:00Z", 3600),
        ("2028-02-29T00:00:00Z", 3600),
    ]


def test_a_change_may_be_named_by_hours_of_other_days():
    # As Godthab: the Saturday evening before the last Sunday of March, whatever its date.
    assert changes("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-01-01T00:00Z", 1) == [
        ("2026-03-29T01:00:00Z", -3600)
    ]
    assert changes("AAA0BBB,M3.5.0/26,M10.5.0", "2026-01-01T00:00Z", 1) == [
        ("2026-03-30T02:00:00Z", 3600)
    ]


def test_a_change_may_fall_on_the_new_year():
    assert changes("AAA-6:45BBB,M1.1.3/0,M5.3.0/0", "2024-08-01T00:00Z", 2) == [
        ("2024-12-31T17:15:00Z", 27900),  # midnight of Wednesday, 1 January, there
        ("2025-05-17T16:15:00Z", 24300),
    ]
    assert changes("AAA5BBB,M6.1.0,J365/26", "2026-08-01T00:00Z", 1) == [
        ("2027-01-01T06:00:00Z", -18000)
    ]


def test_summer_all_year_is_one_offset():
    zone = parse_zone("EST5EDT,0/0,J365/25")  # RFC 8536, section 3.3.1
    for moment in range(unix("2026-12-30T00:00Z"), unix("2027-01-03T00:00Z"), 1800):
        assert zone.segment(moment).offset == -14400
        assert zone.segment(moment).before == -14400


def test_segments_join_without_gap_or_overlap():
    for text in (BERLIN, NEW_YORK, LORD_HOWE, DUBLIN):
        zone = parse_zone(text)
        segment = zone.segment(0)
        for _ in range(60):
            following = zone.segment(segment.end)
            assert segment.start < segment.end == following.start
            assert following.before == segment.offset != following.offset
            fresh = parse_zone(text)
            assert fresh.segment(following.start) == following
            assert fresh.segment(following.start - 1) == segment
            segment = following


def test_a_local_time_in_a_gap_is_its_end_and_a_doubled_one_its_first():
    berlin = parse_zone(BERLIN)
    for local, moment in (
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:00:00", "2026-03-29T01:00:00Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:00:00Z"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
        ("2026-03-29T03:00:01", "2026-03-29T01:00:01Z"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        ("2026-10-25T02:00:00", "2026-10-25T00:00:00Z"),
        ("2026-10-25T02:59:59", "2026-10-25T00:59:59Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
    ):
        assert format_time(berlin.unix_from_local(unix(local))) == moment, local
    dublin = parse_zone(DUBLIN)
    assert format_time(dublin.unix_from_local(unix("2026-03-29T01:30"))) == "2026-03-29T01:00:00Z"
    assert format_time(dublin.unix_from_local(unix("2026-10-25T01:30"))) == "2026-10-25T00:30:00Z"


def test_a_wrong_zone_says_where_and_what_would_be_right():
    for text, words in (
        ("Europe/Rome", "from 0 to 24 belongs"),
        ("", "a name of at least three letters is missing"),
        ("CE-1", "a name of at least three letters"),
        ("CET-1CEST", "the rules for summer time are missing"),
        ("CET-25", "25, where a number from 0 to 24"),
        ("CET-1CEST,M13.5.0,M10.5.0", "13, where a number from 1 to 12"),
        ("CET-1CEST,M3.5.0", '"," is missing'),
        ("CET-1CEST,M3.5,M10.5.0", '"." is missing'),
        ("CET-1CEST,J0,J5", "0, where a number from 1 to 365"),
        ("CET-1CEST,M3.5.0/168,M10.5.0", "168, where a number from 0 to 167"),
        ("CET-1CEST,M3.5.0,M10.5.0/3x", '"x" is left over'),
        ("<CET-1", '">" is missing'),
        ("+1", "expected a time like"),
        ("CET-1CEST,99999999999999,J5", "from 0 to 365"),
    ):
        error = str(raises(ValueError, parse_zone, text))
        assert words in error and "expected UTC, an offset like +01:00" in error, error
