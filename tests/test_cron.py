"""agent/schedule/cron.py: what an expression means, and when it comes next."""

from support import raises

from agent.schedule.civil import format_time, parse_time
from agent.schedule.cron import Cron, compile_fields
from agent.schedule.tz import parse_zone

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
DUBLIN = "IST-1GMT0,M10.5.0,M3.5.0/1"
LORD_HOWE = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"


def unix(text):
    return parse_time(text)[0]


def following(expression, after, count, zone="UTC"):
    """The next `count` times, local ones, without the year."""
    zone = parse_zone(zone)
    cron = Cron(expression, zone)
    found = []
    moment = unix(after)
    for _ in range(count):
        moment = cron.next_after(moment)
        offset = zone.segment(moment).offset
        text = format_time(moment, offset)
        found.append(text[5:16] + text[19:] if text[16:19] == ":00" else text[5:])
    return found


def days(expression, after, count):
    return [text[:5] for text in following(expression, after, count)]


def test_fields_lists_ranges_and_steps():
    for expression, expected in (
        ("* * * * *", ["11-20T08:01Z", "11-20T08:02Z"]),
        ("*/20 * * * *", ["11-20T08:20Z", "11-20T08:40Z", "11-20T09:00Z"]),
        ("5/20 * * * *", ["11-20T08:05Z", "11-20T08:25Z", "11-20T08:45Z", "11-20T09:05Z"]),
        ("10-30/10 9 * * *", ["11-20T09:10Z", "11-20T09:20Z", "11-20T09:30Z", "11-21T09:10Z"]),
        ("1,59,30 8,20 * * *", ["11-20T08:01Z", "11-20T08:30Z", "11-20T08:59Z", "11-20T20:01Z"]),
        ("0 0 1 * *", ["12-01T00:00Z", "01-01T00:00Z", "02-01T00:00Z"]),
        ("0 0 31 * *", ["12-31T00:00Z", "01-31T00:00Z", "03-31T00:00Z"]),
        ("0 8 * * *", ["11-21T08:00Z"]),
        ("59 23 31 12 *", ["12-31T23:59Z", "12-31T23:59Z"]),
    ):
        assert following(expression, "2026-11-20T08:00Z", len(expected)) == expected, expression


def test_six_fields_begin_with_seconds():
    assert following("*/30 0 8 * * *", "2026-11-20T08:00:00Z", 3) == [
        "11-20T08:00:30Z", "11-21T08:00Z", "11-21T08:00:30Z",
    ]  # fmt: skip
    assert following("7 * * * * *", "2026-11-20T08:00:07Z", 1) == ["11-20T08:01:07Z"]


def test_names_stand_for_numbers_in_any_case():
    for one, other in (
        ("0 0 * jan-mar,DEC *", "0 0 * 1-3,12 *"),
        ("0 0 * * mon-Fri", "0 0 * * 1-5"),
        ("0 0 * * SUN", "0 0 * * 7"),
        ("0 0 * * 0", "0 0 * * 7"),
        ("0 0 * * fri-7", "0 0 * * 0,5,6"),
        ("0 0 * * sun-sat/2", "0 0 * * 0,2,4,6"),
    ):
        assert compile_fields(one) == compile_fields(other), one


def test_aliases():
    for alias, expression in (
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        (" @Hourly ", "0 * * * *"),
    ):
        assert compile_fields(alias) == compile_fields(expression), alias


def test_either_day_field_is_enough_where_both_are_restricted():
    # November 2026: Fridays are 20 and 27; the 13th of December is a Sunday.
    assert days("0 0 13 * fri", "2026-11-20T08:00Z", 5) == [
        "11-27", "12-04", "12-11", "12-13", "12-18",
    ]  # fmt: skip
    assert days("0 0 30 2 fri", "2026-11-20T08:00Z", 2) == ["02-05", "02-12"]


def test_a_day_field_that_begins_with_a_star_is_not_restricted():
    # crontab(5) of Vixie cron: then both must match, even where the star has a step.
    assert days("0 0 */2 * tue", "2026-11-20T08:00Z", 3) == ["12-01", "12-15", "12-29"]
    assert days("0 0 1-7 * */7", "2026-11-20T08:00Z", 2) == ["12-06", "01-03"]
    assert days("0 0 1-31/2 * tue", "2026-11-20T08:00Z", 3) == ["11-21", "11-23", "11-24"]


def test_a_leap_day_is_found_across_a_century():
    assert following("0 0 29 2 *", "2026-11-20T00:00Z", 1) == ["02-29T00:00Z"]
    cron = Cron("0 0 29 2 */7", parse_zone("UTC"))  # a Sunday
    assert format_time(cron.next_after(unix("2088-03-01T00:00Z"))) == "2128-02-29T00:00:00Z"
    cron = Cron("0 0 29 2 *", parse_zone("UTC"))
    assert format_time(cron.next_after(unix("2096-03-01T00:00Z"))) == "2104-02-29T00:00:00Z"


def test_an_impossible_date_is_never():
    for expression in ("0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * 31 feb */2", "0 0 0 30 2 *"):
        error = str(raises(ValueError, Cron, expression, parse_zone("UTC")))
        assert "never comes" in error and expression in error
    # 02:05 on 29 March of every year lies in this zone's gap, for a job that goes by the wall.
    gap = parse_zone("AAA0BBB,J88/2,J300/3")
    assert "never comes" in str(raises(ValueError, Cron, "*/5 2 29 3 *", gap))
    assert Cron("5 2 29 3 *", gap).next_after(unix("2026-01-01T00:00Z")) == unix(
        "2026-03-29T02:00Z"
    )


def test_a_wrong_expression_names_the_field():
    for expression, words in (
        ("* * * *", "expected 5 fields, or 6"),
        ("* * * * * * *", "expected 5 fields, or 6"),
        ("", "expected 5 fields, or 6"),
        ("60 * * * *", 'minute: "60": expected 0 to 59'),
        ("* 24 * * *", 'hour: "24": expected 0 to 23'),
        ("* * 0 * *", 'day of month: "0": expected 1 to 31'),
        ("* * * 13 *", 'month: "13": expected 1 to 12, or jan to dec'),
        ("* * * * 8", 'day of week: "8": expected 0 to 7, or sun to sat'),
        ("61 * * * * *", 'second: "61"'),
        ("* * L * *", 'day of month: "l"'),
        ("*/0 * * * *", 'minute: step "0": expected 1 to 59'),
        ("*/60 * * * *", 'minute: step "60": expected 1 to 59'),
        ("5-1 * * * *", "minute: 5-1: a range goes upwards"),
        ("* * * * fri-sun", "day of week: fri-sun: a range goes upwards"),
        ("1,,2 * * * *", 'minute: ""'),
        ("-1 * * * *", 'minute: ""'),
        ("1- * * * *", 'minute: ""'),
        ("+1 * * * *", 'minute: "+1"'),
        ("*5 * * * *", 'minute: "*5"'),
        ("1/ * * * *", 'minute: step ""'),
        ("jan * * * *", 'minute: "jan"'),
        ("0x1 * * * *", 'minute: "0x1"'),
        ("@reboot", "expected one of @annually, @daily"),
        ("9999999999999999999999 * * * *", "minute: "),
    ):
        error = str(raises(ValueError, compile_fields, expression))
        assert words in error, (expression, error)


def test_a_named_time_in_the_gap_runs_at_its_end():
    assert following("30 2 * * *", "2026-03-28T00:00Z", 3, BERLIN) == [
        "03-28T02:30+01:00", "03-29T03:00+02:00", "03-30T02:30+02:00",
    ]  # fmt: skip
    # Several that the gap swallows are one run; the time at the end of the gap is the same one.
    assert following("0,30 2,3 * * *", "2026-03-28T22:59Z", 3, BERLIN) == [
        "03-29T03:00+02:00", "03-29T03:30+02:00", "03-30T02:00+02:00",
    ]  # fmt: skip
    assert following("30 1 * * *", "2026-03-28T12:00Z", 2, DUBLIN) == [
        "03-29T02:00+01:00", "03-30T01:30+01:00",
    ]  # fmt: skip
    assert following("15 2 * * *", "2026-10-03T00:00Z", 2, LORD_HOWE) == [
        "10-04T02:30+11:00", "10-05T02:15+11:00",
    ]  # fmt: skip


def test_a_star_does_not_run_in_the_gap():
    assert following("*/30 2 * * *", "2026-03-28T01:00Z", 3, BERLIN) == [
        "03-28T02:30+01:00", "03-30T02:00+02:00", "03-30T02:30+02:00",
    ]  # fmt: skip
    assert following("30 * * * *", "2026-03-29T00:00Z", 3, BERLIN) == [
        "03-29T01:30+01:00", "03-29T03:30+02:00", "03-29T04:30+02:00",
    ]  # fmt: skip


def test_a_named_time_runs_in_the_first_of_two_doubled_hours():
    assert following("30 2 * * *", "2026-10-24T12:00Z", 2, BERLIN) == [
        "10-25T02:30+02:00", "10-26T02:30+01:00",
    ]  # fmt: skip
    # Also when the search begins between the two.
    assert following("30 2 * * *", "2026-10-25T01:10Z", 1, BERLIN) == ["10-26T02:30+01:00"]
    assert following("0 2,3 * * *", "2026-10-24T23:00Z", 3, BERLIN) == [
        "10-25T02:00+02:00", "10-25T03:00+01:00", "10-26T02:00+01:00",
    ]  # fmt: skip


def test_a_star_runs_in_both_doubled_hours():
    assert following("*/30 2 * * *", "2026-10-24T12:00Z", 5, BERLIN) == [
        "10-25T02:00+02:00", "10-25T02:30+02:00", "10-25T02:00+01:00", "10-25T02:30+01:00",
        "10-26T02:00+01:00",
    ]  # fmt: skip
    assert following("30 * * * *", "2026-10-24T23:00Z", 3, BERLIN) == [
        "10-25T01:30+02:00", "10-25T02:30+02:00", "10-25T02:30+01:00",
    ]  # fmt: skip


def test_an_hourly_job_keeps_its_hours_through_both_changes():
    cron = Cron("0 * * * *", parse_zone(BERLIN))
    for start in ("2026-03-28T12:00Z", "2026-10-24T12:00Z"):
        moment = unix(start)
        for _ in range(48):
            assert cron.next_after(moment) == moment + 3600
            moment += 3600


def test_the_latest_time_is_the_last_that_walking_finds():
    for expression in ("*/7 * * * *", "30 2 * * *", "0 0 13 * fri", "*/20 * 1 1 * *"):
        cron = Cron(expression, parse_zone(BERLIN))
        after = unix("2026-10-24T12:00Z")
        for span in (1, 59, 3600, 86400, 700000):
            expected = None
            moment = cron.next_after(after)
            while moment <= after + span:
                expected = moment
                moment = cron.next_after(moment)
            assert cron.latest(after, after + span) == expected, (expression, span)


def test_the_search_is_short_over_decades():
    cron = Cron("* * * * * *", parse_zone(BERLIN))
    assert cron.latest(unix("1970-01-01T00:00Z"), unix("2070-01-01T00:00Z")) == unix(
        "2070-01-01T00:00Z"
    )
