"""agent/schedule/runner.py: runs handed over, schedules that outlive restarts and cost few writes.

Every test runs with the interpreter's ticks from 0, and from shortly before they wrap.
"""

from schedule_device import HOUR, NOON, Device
from support import FROM_STARTS, raises

from agent.errors import BadParams, Busy, TooLarge, UnknownMethod
from agent.schedule.civil import format_time
from agent.schedule.outcome import MOST_TEXTS
from agent.store import StoreError

IMPLEMENTATIONS = FROM_STARTS


def test_a_run_is_handed_over_with_its_id_params_and_maker(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", method="fs.remove", params={"path": "x", "n": [1]})
    device.add("b", maker=None, every=HOUR)
    device.live(HOUR)
    assert sorted(device.ran, key=str) == [
        ("a@2026-11-20T13:00:00Z", "fs.remove", {"path": "x", "n": [1]}, "key"),
        ("b@1.3600", "system.ping", {}, None),
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
        "b@2.10800", "b@2.3600", "b@2.7200", "c@2026-11-20T15:00:00Z",
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


def test_a_run_is_stored_on_the_turn_after_it_was_handed_over(start):
    # By then the journal has its intent; stored before that, a power cut would lose the run.
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", missed="once")
    device.sleep(HOUR)
    before = device.disk.operations
    device.runner.step(device.clock.now())
    assert device.ids() and device.disk.operations == before
    assert device.runner.due <= device.clock.now()  # the loop does not sleep before
    device.runner.step(device.clock.now())
    assert device.disk.operations > before and device.runner.due > device.clock.now()


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
    device.live(40)
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
    device.runner.ended("a@2026-11-20T13:00:00Z", device.words)
    device.live(1)
    assert device.ids()[1:] == ["a@2026-11-20T14:00:00Z"]
    device.runner.ended("of-another@part", device.words)


def test_run_now_is_a_run_beside_the_schedule(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *", count=1)
    device.ends_at_once = False
    run = device.runner.run_now("a")
    assert device.ids() == [run]
    assert "has not ended" in raises(Busy, device.runner.run_now, "a").message
    device.runner.ended(run, device.words)
    device.live(1)
    assert device.runner.run_now("a") != run
    device.refusal = UnknownMethod("gone")
    device.runner.ended(device.ids()[-1], device.words)
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
    assert device.ids() == ["a@2.60"]


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


def failed(code="failed"):
    return {"error": {"code": code, "message": "no such pump"}}


def test_a_failure_is_known_after_a_restart(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *")
    device.words = failed()
    device.live(HOUR + 1)
    device.cut()
    last = device.runner.last_run(device.runner.find("a"))
    assert last["error"] == {"code": "failed", "message": "no such pump"}
    assert last["at"].startswith("2026-11-20T13:00:0"), last
    device.words = {"result": None}
    device.live(HOUR + 1)
    device.cut()
    assert device.runner.find("a").last is None


def test_runs_that_fail_all_the_time_cost_one_write(start):
    device = Device(start, NOON)
    device.add("a", every=10)
    device.words = failed()
    device.live(61)
    one = device.disk.operations
    device.live(HOUR)
    assert len(device.ran) > 360 and device.disk.operations == one


def test_runs_that_fail_now_and_then_cost_a_write_a_minute_at_most(start):
    device = Device(start, NOON)
    for name in "abc":
        device.add(name, every=5)
    before = device.disk.operations
    device.runner.pause("a")
    one = device.disk.operations - before
    before = device.disk.operations
    for number in range(120):
        device.words = failed() if number % 2 else {"result": None}
        device.live(5)
    assert one < device.disk.operations - before <= 11 * 2 * one


def test_a_run_that_a_restart_cut_off_was_interrupted(start):
    device = Device(start, NOON)
    device.add("a", cron="0 * * * *")
    device.runner.cut_off("a@2026-11-20T13:00:00Z", failed("interrupted"))
    device.runner.cut_off("another@2026-11-20T13:00:00Z", failed("interrupted"))
    device.runner.cut_off("a", failed("interrupted"))  # no run's id
    assert device.runner.find("a").last[1] == "interrupted"
    device.live(1)
    device.cut()
    assert device.runner.find("a").last[1] == "interrupted"


def test_why_a_run_failed_is_left_out_where_it_has_no_room(start):
    device = Device(start, NOON)
    for size in range(1800, 2000, 3):
        try:
            device.add("a", replace=True, cron="0 * * * *", params={"x": "y" * size})
        except TooLarge:
            break
    device.words = failed()
    device.live(HOUR + 1)
    device.cut()
    assert device.told == [] and device.runner.find("a").last is None


def test_no_schedule_restarts_a_device_that_has_just_started(start):
    device = Device(0, NOON)
    for name, timing in (("a", {"cron": "* * * * *"}), ("b", {"every": 1, "phase": 0})):
        device.add(name, maker="app:x", method="system.restart", **timing)
    device.live(299)
    assert device.ids() == []
    assert device.told[0]["error"]["code"] == "too-soon"
    assert device.runner.find("a").last[1] == "too-soon"
    device.live(61)
    assert sorted({i[0] for i in device.ids()}) == ["a", "b"]


def test_only_the_newest_failures_keep_their_text(start):
    device = Device(start, NOON)
    names = ["n%02d" % number for number in range(MOST_TEXTS + 3)]
    for name in names:
        device.add(name, every=HOUR, jitter=0)
    device.words = failed()
    device.live(HOUR + 2)
    texts = [device.runner.last_run(device.runner.find(name))["error"] for name in names]
    assert [words["code"] for words in texts] == ["failed"] * len(names)
    assert sorted([words["message"] or "" for words in texts])[:4] == ["", "", "", "no such pump"]
