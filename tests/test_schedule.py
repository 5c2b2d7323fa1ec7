"""agent/schedule/schedule.py: what runs when, in simulated time, from two values of the counter.

Every test runs with uptime from 0, and from where a 32-bit counter of ms is about to wrap.
"""

from support import FROM_STARTS, raises

from agent import schema
from agent.errors import BadParams
from agent.schedule.civil import format_time, parse_time
from agent.schedule.entry import DECLARATION, make_entry, make_request_id
from agent.schedule.schedule import MAX_CATCH_UP, Schedule

IMPLEMENTATIONS = FROM_STARTS

HOUR, DAY = 3600, 86400
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


def unix(text):
    return parse_time(text)[0]


def entry(name="a", **timing):
    timing.update({"name": name, "method": "system.ping"})
    return make_entry(schema.check(DECLARATION, timing, BadParams))


class World:
    """A schedule, its two clocks, and what became of its runs: (kind, name, due, at)."""

    def __init__(self, start, wall=None, seed=""):
        self.schedule = Schedule(seed)
        self.start = self.now = start
        self.offset = None
        self.found = []
        self.runs_on = False
        self.wake_ups = 0
        self.set_wall(wall)

    def set_wall(self, wall):
        """Step the wall clock to a time in words, None: nobody knows it any more."""
        self.offset = None if wall is None else unix(wall) * 1000 - self.now

    def look(self):
        self.schedule.look(self.now, None if self.offset is None else self.now + self.offset)

    def add(self, name="a", **timing):
        self.look()
        self.schedule.add(entry(name, **timing), self.now)

    def turn(self):
        """What the loop does when it wakes."""
        self.look()
        found = self.schedule.step(self.now)
        while found:
            at = self.now + (self.offset if found.entry.rule.is_wall else -self.start)
            self.found.append((found.kind, found.entry.name, found.due, at // 1000, found.first))
            if found.kind == "run":
                self.schedule.started(found, self.runs_on)
            found = self.schedule.step(self.now)

    def live(self, seconds):
        """Sleep until each wake-up in turn, for so many seconds in all and to a whole one."""
        end = -(-self.now // 1000 - seconds) * 1000
        self.turn()
        while True:
            self.look()
            due = self.schedule.due()
            if due is None or due > end:
                break
            assert due > self.now or self.found, "a wake-up that finds nothing"
            self.now = max(due, self.now)
            self.wake_ups += 1
            self.turn()
        self.now = end

    def sleep(self, seconds):
        """Time passes, and nobody looks."""
        self.now += seconds * 1000

    def end(self, name="a"):
        self.schedule.ended(name)
        self.turn()

    def runs(self, kind="run"):
        return [format_time(due)[5:16] for was, _, due, _, _ in self.found if was == kind]

    def starts(self):
        """Seconds after the world's start of each run of `every`."""
        return [at for kind, _, _, at, _ in self.found if kind == "run"]


def test_every_counts_from_its_declaration_and_never_drifts(start):
    world = World(start)
    world.add(every=600)
    world.live(2 * HOUR)
    assert world.starts() == list(range(600, 2 * HOUR + 1, 600))
    assert world.wake_ups == 12
    world.sleep(602)  # woken late, once
    world.live(HOUR)
    assert [at % 600 for at in world.starts()] == [0] * 12 + [2] + [0] * 6


def test_phase_is_the_time_of_the_first_run(start):
    world = World(start)
    world.add("a", every=600, phase=0)
    world.add("b", every=600, phase=90)
    world.live(1000)
    assert [(name, at) for _, name, _, at, _ in world.found] == [
        ("a", 0), ("b", 90), ("a", 600), ("b", 690),
    ]  # fmt: skip


def test_every_never_looks_at_the_wall_clock(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(every=600)
    for wall in ("2026-11-20T18:00Z", "2026-11-20T00:00Z", None, "2036-01-01T00:00Z"):
        world.live(600)
        world.set_wall(wall)
        world.turn()
    assert world.starts() == [600, 1200, 1800, 2400]


def test_cron_wakes_once_for_each_run(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 */6 * * *")
    world.live(DAY)
    assert world.runs() == ["11-20T18:00", "11-21T00:00", "11-21T06:00", "11-21T12:00"]
    assert world.wake_ups == 4


def test_at_runs_once_and_is_finished(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(at="2026-11-20T13:30", zone="+01:00")
    assert not world.schedule.find("a").is_finished()
    world.live(DAY)
    assert world.runs() == ["11-20T12:30"]
    assert world.schedule.find("a").is_finished() and world.schedule.due() is None


def test_runs_at_the_same_time_come_in_the_order_they_were_planned(start):
    world = World(start, "2026-11-20T12:00Z")
    for name in "cab":
        world.add(name, cron="0 * * * *")
    world.live(2 * HOUR)
    assert [name for _, name, _, _, _ in world.found] == ["c", "a", "b"] * 2


def test_of_a_tie_the_one_that_has_waited_longer_comes_first(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add("often", cron="0 13,14,15 * * *")
    world.add("seldom", cron="0 13,15 * * *")
    world.live(3 * HOUR)
    names = [name for _, name, _, _, _ in world.found]
    assert names == ["often", "seldom", "often", "seldom", "often"]


def test_nothing_is_due_between_wake_ups(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add("a", every=601)
    world.add("b", cron="7 * * * *")
    for _ in range(20):
        world.look()
        due = world.schedule.due()
        world.now = due - 1
        world.turn()
        assert not world.found
        world.now = due
        world.turn()
        assert world.found
        world.found = []


def test_until_and_count_end_a_schedule(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add("a", cron="0 * * * *", until="2026-11-20T14:00Z")
    world.add("b", cron="30 * * * *", count=2)
    world.add("c", every=HOUR + 60, count=1)
    world.live(DAY)
    assert [name for _, name, _, _, _ in world.found] == ["b", "a", "c", "b", "a"]
    assert [world.schedule.find(name).is_finished() for name in "abc"] == [True] * 3
    assert world.schedule.due() is None


def test_a_late_run_is_never_due_after_until(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *", until="2026-11-20T14:30Z", missed="once")
    world.sleep(8 * HOUR)
    world.turn()
    assert world.runs() == ["11-20T14:00"]


def test_jitter_delays_the_start_and_not_the_due_time(start):
    late = []
    for seed in range(40):
        world = World(start, "2026-11-20T12:00Z", "device-%d" % seed)
        world.add(cron="0 * * * *", jitter=300)
        world.live(3 * HOUR - 1)
        assert world.runs() == ["11-20T13:00", "11-20T14:00"]
        late += [at - due for _, _, due, at, _ in world.found]
    assert min(late) < 30 and max(late) > 270 and max(late) <= 300
    assert 100 < sum(late) // len(late) < 200


def test_jitter_is_what_the_preview_said(start):
    world = World(start, "2026-11-20T12:00Z", "some-device")
    world.add(cron="*/20 * * * *", jitter=500)
    said = world.schedule.preview(world.schedule.find("a"), 6, None)
    world.live(2 * HOUR + 600)
    assert [(due, at) for _, _, due, at, _ in world.found][:6] == said


def test_a_preview_changes_nothing(start):
    worlds = [World(start, "2026-11-20T12:00Z") for _ in range(2)]
    for world in worlds:
        world.add("a", cron="0 * * * *", count=5)
        world.add("b", every=7, count=3)
        world.live(HOUR)
    asked = worlds[0].schedule
    assert len(asked.preview(asked.find("a"), 50, None)) == 4
    assert asked.preview(asked.find("b"), 50, None) == []
    first = asked.preview(asked.find("a"), 1, unix("2030-01-01T00:30Z"))
    assert first == [(unix("2030-01-01T01:00Z"), unix("2030-01-01T01:00Z"))]
    for world in worlds:
        world.live(DAY)
    assert worlds[0].found == worlds[1].found


def test_missed_skip_leaves_out_what_is_over_a_minute_late(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *")
    world.sleep(HOUR + 60)
    world.turn()
    assert world.runs() == ["11-20T13:00"]
    world.sleep(3 * HOUR + 1)
    world.turn()
    assert world.runs() == ["11-20T13:00"]
    assert world.found[-1][0] == "missed"
    assert [format_time(world.found[-1][i])[11:16] for i in (4, 2)] == ["14:00", "16:00"]
    world.live(HOUR)
    assert world.runs() == ["11-20T13:00", "11-20T17:00"]


def test_missed_once_runs_the_latest(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *", missed="once")
    world.sleep(50 * HOUR + 1800)
    world.turn()
    assert world.runs() == ["11-22T14:00"] and not world.runs("missed")
    world.live(HOUR)
    assert world.runs() == ["11-22T14:00", "11-22T15:00"]


def test_missed_all_runs_each_in_order_one_after_the_other(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *", missed="all")
    world.runs_on = True
    world.sleep(3 * HOUR + 1800)
    world.turn()
    assert world.runs() == ["11-20T13:00"]
    world.end()
    world.end()
    world.end()
    assert world.runs() == ["11-20T13:00", "11-20T14:00", "11-20T15:00"]
    world.live(HOUR)
    assert world.runs()[3:] == ["11-20T16:00"]


def test_missed_all_is_bounded(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="* * * * *", missed="all")
    world.sleep(30 * DAY)
    world.turn()
    assert len(world.found) == MAX_CATCH_UP + 1
    assert world.runs()[MAX_CATCH_UP - 1 :] == ["11-20T13:40", "12-20T12:00"]
    world.live(120)
    assert len(world.found) == MAX_CATCH_UP + 3


def test_every_that_was_held_up_runs_once_and_keeps_its_times(start):
    for missed, expected in (("skip", [10, 60, 70]), ("once", [10, 60, 70])):
        world = World(start)
        world.add(every=10, missed=missed)
        world.live(10)
        world.sleep(54)
        world.live(6)
        assert world.starts() == [10, 64, 70], missed
        first = -(-start // 1000)
        assert [due - first for _, _, due, _, _ in world.found] == expected


def test_an_overlap_is_skipped(start):
    world = World(start, "2026-11-20T12:00Z")
    world.runs_on = True
    world.add(cron="0 * * * *")
    world.live(3 * HOUR)
    assert world.runs() == ["11-20T13:00"]
    assert world.runs("overlapped") == ["11-20T14:00", "11-20T15:00"]
    world.end()
    world.live(HOUR)
    assert world.runs() == ["11-20T13:00", "11-20T16:00"]


def test_an_overlap_is_queued_and_the_latest_runs_when_the_first_has_ended(start):
    world = World(start, "2026-11-20T12:00Z")
    world.runs_on = True
    world.add(cron="0 * * * *", overlap="queue")
    world.live(3 * HOUR + 1800)
    assert world.runs() == ["11-20T13:00"] and world.schedule.due() is None
    world.end()
    assert world.runs() == ["11-20T13:00", "11-20T15:00"]
    world.end()
    world.live(HOUR)
    assert world.runs()[2:] == ["11-20T16:00"]


def test_an_overlap_cancels_and_waits_for_the_end(start):
    world = World(start, "2026-11-20T12:00Z")
    world.runs_on = True
    world.add(cron="0 * * * *", overlap="cancel")
    world.live(2 * HOUR)
    assert [kind for kind, _, _, _, _ in world.found] == ["run", "stop"]
    assert world.runs("stop") == ["11-20T13:00"]
    world.live(300)
    assert len(world.found) == 2
    world.end()
    assert world.runs() == ["11-20T13:00", "11-20T14:00"]


def test_a_run_that_found_no_room_is_tried_again(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *")
    world.sleep(HOUR)
    world.look()
    for attempt in range(3):
        found = world.schedule.step(world.now)
        assert (found.kind, found.due) == ("run", unix("2026-11-20T13:00Z")), attempt
        world.schedule.put_back(found, world.now)
        assert world.schedule.step(world.now) is None
        assert world.schedule.due() == world.now + 1000
        world.sleep(1)
    world.turn()
    assert world.runs() == ["11-20T13:00"]


def test_a_pause_leaves_out_and_a_resume_misses_nothing(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add("a", cron="0 * * * *", missed="all")
    world.add("b", every=HOUR, missed="all")
    world.live(HOUR)
    for name in "ab":
        world.schedule.pause(name)
    assert world.schedule.due() is None
    world.live(5 * HOUR)
    for name in "ab":
        world.schedule.resume(name, world.now)
    world.live(HOUR)
    assert [(name, at) for kind, name, _, at, _ in world.found if name == "b"] == [
        ("b", HOUR), ("b", 7 * HOUR),
    ]  # fmt: skip
    assert [kind for kind, _, _, _, _ in world.found] == ["run"] * 4


def test_a_pause_holds_what_waits_for_the_run_before_it(start):
    world = World(start, "2026-11-20T12:00Z")
    world.runs_on = True
    world.add(cron="0 * * * *", overlap="queue")
    world.live(2 * HOUR)
    world.schedule.pause("a")
    world.end()
    world.live(HOUR)
    assert world.runs() == ["11-20T13:00"]


def test_a_removed_schedule_is_gone_and_the_others_stay(start):
    world = World(start, "2026-11-20T12:00Z")
    for index in range(30):
        world.add("n%02d" % index, every=100 + index)
    for index in range(0, 30, 2):
        world.schedule.remove("n%02d" % index)
    world.live(130)
    assert [name for _, name, _, _, _ in world.found] == ["n%02d" % i for i in range(1, 30, 2)]
    world.schedule.ended("n00")
    assert world.schedule.find("n00") is None


def test_cron_and_at_wait_while_the_clock_is_unset(start):
    world = World(start)
    world.add("a", cron="*/10 * * * *")
    world.add("b", at="2026-11-20T12:00Z")
    world.add("c", cron="*/10 * * * *", missed="all")
    assert world.schedule.due() is None
    world.live(5 * DAY)
    assert not world.found
    world.set_wall("2026-11-20T12:34Z")
    world.live(600)
    # `at` was due in the meantime, and late is better than never; cron begins now.
    assert world.runs() == ["11-20T12:00", "11-20T12:40", "11-20T12:40"]
    assert sorted([name for _, name, _, _, _ in world.found]) == ["a", "b", "c"]


def test_a_clock_that_goes_from_1970_to_now_runs_no_year_of_cron(start):
    # A device that takes its first wall clock for granted would walk through 56 years.
    for missed, runs in (("skip", []), ("once", ["11-20T12:30"])):
        world = World(start, "1970-01-01T00:00:10Z")
        world.add(cron="*/10 * * * *", missed=missed)
        world.set_wall("2026-11-20T12:34Z")
        world.turn()
        assert world.runs() == runs, missed
        world.live(360)
        assert world.runs() == runs + ["11-20T12:40"]


def test_a_step_forward_makes_runs_late_ones(start):
    for missed, runs in (
        ("skip", ["11-20T17:00"]),
        ("once", ["11-20T16:00", "11-20T17:00"]),
        ("all", ["11-20T13:00", "11-20T14:00", "11-20T15:00", "11-20T16:00", "11-20T17:00"]),
    ):
        world = World(start, "2026-11-20T12:00Z")
        world.add(cron="0 * * * *", missed=missed)
        world.live(600)
        world.set_wall("2026-11-20T16:10Z")
        world.live(HOUR)
        assert world.runs() == runs, missed


def test_a_small_step_forward_is_only_a_start_in_time(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *")
    world.live(3000)
    world.set_wall("2026-11-20T13:00:30Z")
    world.turn()
    assert world.runs() == ["11-20T13:00"]


def test_a_step_back_of_up_to_three_hours_runs_nothing_twice(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *", missed="all")
    world.live(3 * HOUR + 600)
    assert len(world.found) == 3
    world.set_wall("2026-11-20T12:11Z")
    world.live(5 * HOUR)
    assert world.runs()[3:] == ["11-20T16:00", "11-20T17:00"]


def test_a_larger_step_back_is_a_correction(start):
    for missed in ("skip", "once", "all"):
        world = World(start, "2036-11-20T12:00Z")
        world.add("a", cron="0 * * * *", missed=missed)
        world.add("b", cron="0 0 1 1 *", missed=missed)
        world.live(HOUR)
        world.set_wall("2026-11-20T12:10Z")
        world.live(2 * HOUR)
        assert world.runs() == ["11-20T13:00", "11-20T13:00", "11-20T14:00"], missed
        world.schedule.remove("a")
        world.live(60 * DAY)
        assert world.runs()[-1] == "01-01T00:00"


def test_many_small_steps_back_are_one_large_one(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add(cron="0 * * * *")
    world.live(HOUR + 600)
    for wall in ("2026-11-20T11:50Z", "2026-11-20T10:40Z", "2026-11-20T09:30Z"):
        world.set_wall(wall)
        world.turn()
    world.live(HOUR)
    assert world.runs() == ["11-20T13:00", "11-20T10:00"]


def test_a_clock_that_is_lost_stops_cron_until_it_is_back(start):
    world = World(start, "2026-11-20T12:00Z")
    world.add("a", cron="0 * * * *", missed="once")
    world.live(HOUR)
    world.set_wall(None)
    world.live(HOUR)
    world.add("b", cron="0 * * * *")
    assert world.schedule.due() is None
    world.live(HOUR)
    world.set_wall("2026-11-20T15:30Z")
    world.live(HOUR)
    assert world.runs() == ["11-20T13:00", "11-20T15:00", "11-20T16:00", "11-20T16:00"]


def test_a_correction_while_a_run_waits_loses_neither(start):
    world = World(start, "2036-11-20T12:00Z")
    world.runs_on = True
    world.add(cron="0 * * * *", overlap="queue")
    world.live(2 * HOUR)
    world.set_wall("2026-11-20T12:10Z")
    world.live(2 * HOUR)
    assert world.runs() == ["11-20T13:00"]
    world.end()
    assert world.runs() == ["11-20T13:00", "11-20T14:00"]
    world.end()
    world.live(HOUR)
    assert world.runs()[2:] == ["11-20T15:00"]


def test_a_correction_puts_what_waited_back_only_once(start):
    world = World(start, "2036-11-20T12:00Z")
    world.runs_on = True
    world.add(cron="0 * * * *", overlap="queue")
    world.live(2 * HOUR)
    world.set_wall("2026-11-20T12:10Z")
    world.turn()
    world.runs_on = False
    world.end()
    world.live(2 * HOUR)
    assert world.runs() == ["11-20T13:00", "11-20T13:00", "11-20T14:00"]


def test_summer_time_in_a_living_schedule(start):
    world = World(start, "2026-03-28T12:00Z")
    world.add("named", cron="30 2 * * *", zone=BERLIN)
    world.add("starred", cron="*/30 2 * * *", zone=BERLIN)
    world.live(2 * DAY)
    assert [(name, format_time(due)[5:16]) for _, name, due, _, _ in world.found] == [
        ("named", "03-29T01:00"),
        ("starred", "03-30T00:00"),
        ("named", "03-30T00:30"),
        ("starred", "03-30T00:30"),
    ]
    assert not world.runs("missed")


def test_request_ids_name_the_run(start):
    assert make_request_id("a", entry(cron="* * * * *").rule, 0, 7) == "a@1970-01-01T00:00:00Z"
    assert make_request_id("a", entry(every=5).rule, 1234, 7) == "a@7.1234"
    longest = make_request_id("n" * 32, entry(every=5).rule, 1 << 33, 1 << 31)
    assert len(longest) <= 64


def test_a_wrong_declaration_says_what_is_wrong(start):
    for timing, words in (
        ({}, "expected exactly one of every, cron and at"),
        ({"every": 5, "cron": "* * * * *"}, "expected exactly one of every"),
        ({"every": 0}, "every: expected an integer from 1 to"),
        ({"every": 1.5}, "every: expected an integer"),
        ({"every": 5, "jitter": 5}, "jitter: expected less than every, 5 s"),
        ({"every": 5, "until": "2030-01-01T00:00Z"}, "until: every never looks at the wall"),
        ({"cron": "* * * * *", "phase": 5}, "phase: goes with every"),
        ({"cron": "0 0 30 2 *"}, 'cron: "0 0 30 2 *" never comes'),
        ({"cron": "61 * * * *"}, 'cron: minute: "61"'),
        ({"cron": "* * * * *", "zone": "Mars/Olympus"}, "zone: "),
        ({"cron": "* * * * *", "until": "soon"}, "until: "),
        ({"at": "2026-02-30T00:00"}, "at: 2026-02-30 is no date"),
        ({"at": "2026-02-28T00:00", "count": 2}, "count: at has one run"),
        ({"every": 5, "missed": "never"}, 'missed: expected "skip" or "once" or "all"'),
        ({"every": 5, "params": []}, "params: expected an object"),
        ({"every": 5, "ttl": 5}, "ttl: expected an integer from 60"),
        ({"name": "A b", "every": 5}, 'name: "A b": made of'),
    ):
        timing = dict(timing)
        error = raises(BadParams, entry, timing.pop("name", "a"), **timing)
        assert words in error.message, error.message
