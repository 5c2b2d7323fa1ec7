"""agent/schedule/runner.py and book.py: schedules that outlive power cuts, and cost few writes.

Every test runs with the interpreter's ticks from 0, and from shortly before they wrap.
"""

import json

from faulty.disk import Disk, PowerCut
from support import raises

from agent import schema
from agent.clock import Clock
from agent.errors import BadParams, Busy, TooLarge, UnknownMethod
from agent.schedule.book import MAX_RECORD_BYTES, Book
from agent.schedule.civil import format_time, parse_time
from agent.schedule.entry import DECLARATION, make_entry
from agent.schedule.runner import LOOK_MS, MAX_ENTRIES, Runner
from agent.store import Store, StoreError

PERIOD = 1 << 30  # of the ticks of 32-bit MicroPython
IMPLEMENTATIONS = [("from 0", 0), ("near the wrap", PERIOD - 5000)]
HOUR = 3600


def difference(end, start):
    return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


def spec(name="a", **timing):
    timing.update({"name": name, "method": timing.get("method", "system.ping")})
    return schema.check(DECLARATION, timing, BadParams)


class Device:
    """A device with a disk and two clocks; it may be cut off and started again."""

    def __init__(self, start, wall=None, disk=None):
        self.disk = disk or Disk()
        self.ticks = start
        self.unix_ms = 0 if wall is None else parse_time(wall)[0] * 1000
        self.boot = 0
        self.ran = []  # (request id, method, params, maker)
        self.told = []
        self.cancelled = []
        self.refusal = None
        self.ends_at_once = True
        self.begin()

    def begin(self):
        """Start the agent, after a power cut too."""
        self.boot += 1
        ticks = (lambda: self.ticks, difference)
        self.clock = Clock(ticks=ticks, system=lambda: self.unix_ms)
        hands = (self.start, self.cancelled.append, self.told.append)
        book = Book(Store("data", self.disk))
        self.runner = Runner(book, self.clock, self.boot, "device", hands)
        self.problems = self.runner.load(self.clock.now())

    def start(self, method, params, request_id, expires, maker):
        if self.refusal:
            raise self.refusal
        assert expires > self.clock.now()
        self.ran.append((request_id, method, params, maker))
        if self.ends_at_once:
            self.runner.ended(request_id)

    def add(self, name="a", maker="key", replace=False, **timing):
        declared = spec(name, **timing)
        return self.runner.add(declared, make_entry(declared), maker, replace)

    def sleep(self, seconds):
        self.ticks = (self.ticks + seconds * 1000) % PERIOD
        self.unix_ms += seconds * 1000

    def live(self, seconds):
        """The loop of an agent that also wakes once a minute, as the agent's does."""
        end = self.clock.now() + seconds * 1000
        while True:
            now = self.clock.now()
            self.runner.step(now)
            due = self.runner.due
            wake = min(end, now + LOOK_MS if due is None else max(due, now))
            if due is not None and due <= now:
                continue
            if now >= end:
                return
            step = min(wake - now, LOOK_MS)
            self.ticks = (self.ticks + step) % PERIOD
            self.unix_ms += step

    def cut(self):
        self.disk.cut()
        self.begin()

    def ids(self):
        return [run[0] for run in self.ran]


NOON = "2026-11-20T12:00Z"


def test_a_run_is_handed_over_with_its_id_params_and_maker(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", method="fs.remove", params={"path": "x", "n": [1]})
    device.add("b", maker=None, every=HOUR)
    device.live(HOUR)
    assert sorted(device.ran, key=str) == [
        ("a@2026-11-20T13:00:00Z", "fs.remove", {"path": "x", "n": [1]}, "key"),
        ("b@1+3600", "system.ping", {}, None),
    ]


def test_schedules_survive_a_restart(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", zone="+00:30")
    device.add("b", every=HOUR)
    device.add("c", at="2026-11-20T15:00Z")
    device.add("d", cron="0 * * * *")
    device.runner.pause("d")
    device.cut()
    assert device.problems == [] and device.runner.names() == ["a", "b", "c", "d"]
    device.live(3 * HOUR)
    assert sorted(device.ids()) == [
        "a@2026-11-20T12:30:00Z", "a@2026-11-20T13:30:00Z", "a@2026-11-20T14:30:00Z",
        "b@2+10800", "b@2+3600", "b@2+7200", "c@2026-11-20T15:00:00Z",
    ]  # fmt: skip
    assert device.runner.find("d").paused and not device.runner.find("a").paused


def test_what_may_be_left_out_costs_no_write(start):
    device = Device(start, NOON)
    device.add("a", cron="*/10 * * * *")
    device.add("b", every=600)
    before = device.disk.operations
    device.live(10 * HOUR)
    assert len(device.ran) == 120 and device.disk.operations == before


def test_what_must_be_known_is_one_write_for_each_run(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", missed="once")
    device.add("b", every=HOUR, count=5)
    device.live(1)
    one = device.disk.operations
    device.runner.pause("a")  # one write of one page
    one = device.disk.operations - one
    device.runner.resume("a")
    before = device.disk.operations
    device.live(5 * HOUR)
    assert len(device.ran) == 10
    assert device.disk.operations - before == 10 * one


def test_a_missed_run_is_made_up_for_after_the_power_is_back(start):
    device = Device(start, NOON)
    device.add("skip", cron="0 * * * *")
    device.add("once", cron="0 * * * *", missed="once")
    device.add("at", at="2026-11-20T14:00Z")
    device.live(HOUR + 60)
    device.sleep(48 * HOUR)
    device.cut()
    device.live(60)
    assert sorted(device.ids()[2:]) == ["at@2026-11-20T14:00:00Z", "once@2026-11-22T13:00:00Z"]
    device.cut()
    device.live(60)
    assert len(device.ids()) == 4
    assert device.runner.find("at").is_finished()


def test_a_device_that_does_not_know_the_time_makes_up_once_it_does(start):
    device = Device(start, NOON)
    device.add("once", cron="0 * * * *", missed="once")
    device.sleep(5 * HOUR)
    now, device.unix_ms = device.unix_ms, 0
    device.cut()
    device.live(HOUR)
    assert device.ids() == []
    device.unix_ms = now
    device.live(60)  # noticed within a minute, with no wake-up of its own
    assert device.ids() == ["once@2026-11-20T17:00:00Z"]


def test_count_holds_across_restarts(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", count=5)
    device.add("b", every=HOUR, count=5)
    for _ in range(8):
        device.live(HOUR + 60)
        device.cut()
    assert len([i for i in device.ids() if i[0] == "a"]) == 5
    assert len([i for i in device.ids() if i[0] == "b"]) == 5


def test_a_full_inbox_is_tried_again_and_nothing_is_written_meanwhile(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", missed="once")
    device.live(HOUR - 10)
    device.refusal = Busy("full")
    before = device.disk.operations
    device.live(300)
    assert device.ids() == [] and device.told == [] and device.disk.operations == before
    device.refusal = None
    device.live(2)
    assert device.ids() == ["a@2026-11-20T13:00:00Z"]


def test_a_refused_run_is_told_and_not_tried_again(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *")
    device.refusal = UnknownMethod("system.ping: gone")
    device.live(HOUR + 60)
    assert [(told["what"], told["schedule"]) for told in device.told] == [("failed", "a")]
    assert device.told[0]["error"]["code"] == "unknown-method"
    device.refusal = None
    device.live(HOUR)
    assert device.ids() == ["a@2026-11-20T14:00:00Z"]


def test_missed_and_overlapped_runs_are_told(start):
    device = Device(start, NOON)
    device.ends_at_once = False
    device.add("a", cron="0 * * * *")
    device.sleep(2 * HOUR + 1800)
    device.live(4 * HOUR)
    told = [(one["what"], format_time(one["first"])[11:16], format_time(one["due"])[11:16])
            for one in device.told]  # fmt: skip
    assert told == [
        ("missed", "13:00", "14:00"), ("overlapped", "16:00", "16:00"),
        ("overlapped", "17:00", "17:00"), ("overlapped", "18:00", "18:00"),
    ]  # fmt: skip


def test_an_overlap_may_cancel_what_runs(start):
    device = Device(start, NOON)
    device.ends_at_once = False
    device.add("a", cron="0 * * * *", overlap="cancel")
    device.live(2 * HOUR)
    assert device.cancelled == ["a@2026-11-20T13:00:00Z"] and len(device.ran) == 1
    device.runner.ended("a@2026-11-20T13:00:00Z")
    device.live(1)
    assert device.ids()[1:] == ["a@2026-11-20T14:00:00Z"]
    device.runner.ended("of-another@part")


def test_run_now_is_a_run_beside_the_schedule(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", count=1)
    device.ends_at_once = False
    run = device.runner.run_now("a")
    assert device.ids() == [run]
    assert "has not ended" in raises(Busy, device.runner.run_now, "a").message
    device.runner.ended(run)
    device.live(1)
    assert device.runner.run_now("a") != run
    device.refusal = UnknownMethod("gone")
    device.runner.ended(device.ids()[-1])
    raises(UnknownMethod, device.runner.run_now, "a")
    device.refusal = None
    device.live(HOUR)
    assert len(device.ran) == 3


def test_a_name_is_taken_once_unless_it_is_replaced(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *")
    error = raises(BadParams, device.add, "a", every=60)
    assert "a is kept already; replace: true" in error.message
    device.add("a", replace=True, every=60)
    device.cut()
    device.live(60)
    assert device.ids() == ["a@2+60"]


def test_a_schedule_that_would_never_run_is_refused(start):
    device = Device(start, NOON)
    for timing in (
        {"at": "2026-11-20T11:59Z"},
        {"cron": "* * * * *", "until": "2026-11-19T00:00Z"},
    ):
        assert "have passed" in raises(BadParams, device.add, "a", **timing).message
    assert device.runner.names() == [] and device.disk.operations == 0


def test_an_unknown_name_is_refused_everywhere(start):
    runner = Device(start, NOON).runner
    for call in (runner.pause, runner.resume, runner.remove, runner.run_now, runner.record):
        assert "no schedule is called nope" in raises(BadParams, call, "nope").message


def test_the_number_of_schedules_is_bounded_and_a_finished_one_gives_way(start):
    device = Device(start, NOON)
    for index in range(MAX_ENTRIES):
        device.add("name-%02d" % index, cron="%d * * * *" % (index % 60))
    assert "remove one" in raises(TooLarge, device.add, "more", every=60).message
    device.add("name-50", replace=True, at="2026-11-20T12:01Z")
    device.live(90)
    device.add("more", every=60)
    assert "name-50" not in device.runner.names() and len(device.runner.names()) == MAX_ENTRIES
    device.cut()
    assert len(device.runner.names()) == MAX_ENTRIES and device.problems == []


def test_a_schedule_too_large_for_its_page_is_refused(start):
    device = Device(start, NOON)
    params = {"text": "x" * MAX_RECORD_BYTES}
    assert "at most 2000" in raises(TooLarge, device.add, "a", every=60, params=params).message
    params = {"text": "x" * (MAX_RECORD_BYTES - 200)}
    for index in range(20):
        device.add("n%d" % index, every=60, params=params)
    assert "no room for it" in raises(TooLarge, device.add, "n20", every=60, params=params).message
    device.runner.remove("n3")
    device.add("n20", every=60, params=params)
    device.cut()
    assert len(device.runner.names()) == 20


def test_a_full_disk_changes_nothing(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", missed="once")
    device.disk.full = True
    raises(StoreError, device.add, "b", every=60)
    raises(StoreError, device.add, "a", replace=True, every=60)
    raises(StoreError, device.runner.remove, "a")
    raises(StoreError, device.runner.pause, "a")
    assert not device.runner.find("a").paused
    device.live(2 * HOUR)
    assert device.ids() == ["a@2026-11-20T13:00:00Z", "a@2026-11-20T14:00:00Z"]
    assert [told["what"] for told in device.told] == ["not stored"] * 2
    device.disk.full = False
    device.cut()
    assert device.runner.names() == ["a"] and not device.runner.find("a").paused


def test_an_entry_of_another_agent_is_left_out_with_its_reason(start):
    device = Device(start, NOON)
    device.add("a", every=60)
    device.add("b", every=60)
    store = Store("data", device.disk)
    records = json.loads(store.read("schedule-0"))
    for record in records:
        if record["name"] == "a":
            record["spec"]["moon"] = "full"
    store.write("schedule-0", json.dumps(records).encode())
    device.cut()
    assert len(device.problems) == 1 and "schedule a is left out: moon" in device.problems[0]
    assert device.runner.names() == ["b"]


def test_a_page_that_is_no_json_is_told_and_never_written_over(start):
    device = Device(start, NOON)
    device.add("a", every=60)
    store = Store("data", device.disk)
    store.write("schedule-0", b"\xff{")
    device.cut()
    assert "schedule-0" in device.problems[0]
    device.add("b", every=60)
    assert Store("data", device.disk).read("schedule-0") == b"\xff{"
    device.cut()
    assert device.runner.names() == ["b"]


def change(device, done):
    """Change much; note in `done` what was acknowledged."""
    big = {"text": "x" * 1500}
    steps = (
        ("add a", lambda: device.add("a", every=60)),
        ("add b", lambda: device.add("b", every=60, params=big)),
        ("add c", lambda: device.add("c", every=60, params=big)),
        ("grow a", lambda: device.add("a", replace=True, every=70, params=big)),
        ("remove b", lambda: device.runner.remove("b")),
        ("shrink a", lambda: device.add("a", replace=True, every=80)),
        ("remove a", lambda: device.runner.remove("a")),
    )
    for name, step in steps:
        done.append(name)
        step()
    done.append("end")


AFTER = {  # what is kept once a step has been acknowledged
    "": {}, "add a": {"a": 60}, "add b": {"a": 60, "b": 60},
    "add c": {"a": 60, "b": 60, "c": 60}, "grow a": {"a": 70, "b": 60, "c": 60},
    "remove b": {"a": 70, "c": 60}, "shrink a": {"a": 80, "c": 60}, "remove a": {"c": 60},
}  # fmt: skip


def test_a_power_cut_at_every_operation_loses_no_acknowledged_change(start):
    whole = Device(start, NOON)
    change(whole, [])
    assert whole.disk.operations >= 20
    for luck in ("none", "all", 20):
        for cut_at in range(whole.disk.operations):
            done = [""]
            device = Device(start, NOON, Disk(cut_at, luck))
            try:
                change(device, done)
            except PowerCut:
                pass
            device.cut()
            kept = {name: device.runner.record(name)[0]["every"] for name in device.runner.names()}
            assert device.problems == []
            assert kept in (AFTER[done[-2]], AFTER[done[-1]]), (luck, cut_at, done[-1], kept)


def test_a_power_cut_at_every_operation_loses_no_run_and_repeats_only_its_id(start):
    expected = ["a@2026-11-20T%d:00:00Z" % hour for hour in range(13, 18)]
    for cut_at in range(4, 40):
        device = Device(start, NOON, Disk())
        device.add("a", cron="0 * * * *", missed="all", count=5)
        device.disk.cut_at = cut_at
        try:
            device.live(7 * HOUR)
        except PowerCut:
            device.cut()
            device.live(7 * HOUR)
        ids = device.ids()
        assert sorted(set(ids)) == expected, (cut_at, ids)
        assert len(ids) <= 6  # the one that the cut fell upon comes again, for the journal
