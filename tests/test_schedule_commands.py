"""agent/commands/schedule.py: the family as a caller meets it, through the registry."""

from faulty.disk import Disk
from support import FROM_STARTS, raises

from agent import schema
from agent.commands import schedule
from agent.commands.policy import Denied
from agent.commands.registry import INLINE, PLAIN, Command, Registry
from agent.errors import BadParams, Busy, ClockUnknown, UnknownMethod
from agent.schedule.book import Book
from agent.schedule.civil import parse_time
from agent.schedule.runner import Runner
from agent.store import Store

IMPLEMENTATIONS = FROM_STARTS
NOON = "2026-11-20T12:00Z"


class Time:
    """A clock that a test sets: as agent.clock.Clock."""

    def __init__(self, start, wall):
        self.uptime = start
        self.unix_ms = None if wall is None else parse_time(wall)[0] * 1000

    def now(self):
        return self.uptime

    def wall(self):
        return (0, "unset") if self.unix_ms is None else (self.unix_ms, "restored")

    def move_on(self, seconds):
        self.uptime += seconds * 1000
        self.unix_ms += seconds * 1000


class Device:
    """The family over a runner that notes what it hands over."""

    def __init__(self, start, wall=NOON):
        self.time = Time(start, wall)
        self.ran = []
        self.refusal = self.denied = None
        hands = (self.start, None, None)
        self.disk = Disk()
        self.runner = Runner(Book(Store("data", self.disk)), self.time, 3, "device", hands)
        self.registry = Registry()
        work = (schema.integer("level", 1, low=0, high=9),)
        self.registry.add(
            [
                Command("pump.set", None, work, "act", "once", PLAIN, "It."),
                Command("pump.look", None, (), "read", "repeat", PLAIN, "It."),
                Command("system.restart", None, (), "admin", "once", INLINE, "It."),
            ]
            + list(schedule.commands(self.runner, self.check, lambda: "anna"))
        )

    def start(self, method, params, request_id, expires, maker):
        if self.refusal:
            raise self.refusal
        self.ran.append((request_id, method, params, expires - self.time.now(), maker))

    def check(self, method, params):
        command = self.registry.find(method)
        if method == self.denied:
            raise Denied("not yours")
        self.registry.checked_params(command, params)

    def call(self, verb, **params):
        command = self.registry.find("schedule." + verb)
        return command.call(self.registry.checked_params(command, params))

    def add(self, name="a", **params):
        return self.call("add", name=name, method="pump.set", **params)


def test_changes_need_act_and_run_once_and_looks_need_read(start):
    registry = Device(start).registry
    registry.remove("pump")
    registry.remove("system")
    rules = {}
    for name in registry.page("", 100)[0]:
        command = registry.find(name)
        assert command.mode == INLINE
        rules.setdefault((command.permission, command.repeat), []).append(name)
    assert rules == {
        ("act", "once"): [
            "schedule.add", "schedule.pause", "schedule.remove", "schedule.resume",
            "schedule.run-now",
        ],
        ("read", "repeat"): ["schedule.get", "schedule.list", "schedule.preview"],
    }  # fmt: skip


def test_add_answers_with_the_next_run(start):
    device = Device(start)
    assert device.add(cron="30 6 * * *", zone="CET-1CEST,M3.5.0,M10.5.0/3") == {
        "name": "a", "state": "waiting", "runs": 0,
        "next": {
            "due": "2026-11-21T05:30:00Z", "start": "2026-11-21T05:30:00Z",
            "local": "2026-11-21T06:30:00+01:00", "in_s": 63000,
        },
    }  # fmt: skip
    answer = device.add("b", every=60, params={"level": 2})
    first = -(-start // 1000) + 60
    assert answer["next"]["due_uptime_s"] == first and answer["next"]["in_s"] in (60, 61)


def test_what_the_device_cannot_do_is_refused_at_declaration(start):
    device = Device(start)
    error = raises(UnknownMethod, device.call, "add", name="a", method="no.such", every=5)
    assert "no.such" in error.message
    error = raises(BadParams, device.add, every=5, params={"level": 10})
    assert error.message == "level: expected an integer from 0 to 9, got 10"
    error = raises(BadParams, device.add, every=5, often=True)
    assert "often: unknown; known here: at, count, cron, every" in error.message
    assert raises(BadParams, device.add, cron="0 0 30 2 *").message.endswith("no such date")
    assert device.call("list") == {"schedules": [], "more": False}
    assert device.disk.operations == 0


def test_a_due_run_goes_out_under_its_makers_key(start):
    device = Device(start)
    device.add(cron="0 * * * *", params={"level": 7}, ttl=90)
    device.time.move_on(3600)
    device.runner.step(device.time.now())
    assert device.ran == [("a@2026-11-20T13:00:00Z", "pump.set", {"level": 7}, 90000, "anna")]
    assert device.call("list")["schedules"][0]["state"] == "running"
    device.runner.ended("a@2026-11-20T13:00:00Z", {"result": None})
    assert device.call("list")["schedules"][0]["state"] == "waiting"


def test_get_tells_all_and_list_pages(start):
    device = Device(start)
    for index in range(7):
        device.add("n%d" % index, cron="%d 0 * * *" % index, missed="once")
    words = device.call("get", name="n3")
    assert (words["cron"], words["missed"], words["maker"]) == ("3 0 * * *", "once", "anna")
    assert words["method"] == "pump.set" and "overlap" not in words
    page = device.call("list", limit=5)
    assert [one["name"] for one in page["schedules"]] == ["n0", "n1", "n2", "n3", "n4"]
    assert page["more"]
    page = device.call("list", after="n4", limit=5)
    assert [one["name"] for one in page["schedules"]] == ["n5", "n6"] and not page["more"]


def test_pause_resume_and_remove(start):
    device = Device(start)
    device.add(cron="0 * * * *", missed="all")
    assert device.call("pause", name="a") == {"name": "a", "state": "paused", "runs": 0}
    device.time.move_on(7200)
    device.runner.step(device.time.now())
    answer = device.call("resume", name="a")
    assert (answer["state"], answer["next"]["due"]) == ("waiting", "2026-11-20T15:00:00Z")
    assert device.ran == []
    assert device.call("remove", name="a") == {}
    error = raises(BadParams, device.call, "get", name="a")
    assert error.message == "name: no schedule is called a; schedule.list names all"


def test_run_now_names_its_run(start):
    device = Device(start)
    device.add(every=3600)
    answer = device.call("run-now", name="a")
    assert answer == {"run": "a@3.%dms" % start} and device.ran[0][0] == answer["run"]
    raises(Busy, device.call, "run-now", name="a")


def test_a_finished_schedule_says_so(start):
    device = Device(start)
    device.add(at="2026-11-20T12:01Z")
    device.time.move_on(60)
    device.runner.step(device.time.now())
    device.runner.ended(device.ran[0][0], {"result": None})
    assert device.call("get", name="a")["state"] == "finished"
    assert device.call("preview", name="a") == {"runs": []}


def test_without_a_clock_cron_waits_and_says_so(start):
    device = Device(start, None)
    assert device.add(cron="0 * * * *") == {"name": "a", "state": "waits for the clock", "runs": 0}
    raises(ClockUnknown, device.call, "preview", name="a")
    assert device.call("preview", name="a", runs=1, **{"from": "2027-01-01T00:00Z"}) == {
        "runs": [{"due": "2027-01-01T00:00:00Z", "start": "2027-01-01T00:00:00Z"}]
    }


def test_a_preview_of_proposed_times_keeps_nothing(start):
    device = Device(start)
    runs = device.call("preview", cron="30 2 * * *", zone="CET-1CEST,M3.5.0,M10.5.0/3", runs=3,
                       **{"from": "2026-03-28T12:00"})["runs"]  # fmt: skip
    assert [run["local"] for run in runs] == [
        "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00", "2026-03-31T02:30:00+02:00",
    ]  # fmt: skip
    runs = device.call("preview", every=60, phase=0, runs=2)["runs"]
    assert [run["in_s"] for run in runs] == [0, 60]
    runs = device.call("preview", cron="0 * * * *", count=2, runs=5)["runs"]
    assert len(runs) == 2
    assert device.runner.names() == [] and device.disk.operations == 0


def test_a_preview_of_a_kept_schedule_is_what_happens(start):
    device = Device(start)
    device.add("a", cron="*/7 * * * *", jitter=200)
    device.add("b", every=400, phase=13)
    said = [(name, run["in_s"]) for name in "ab"
            for run in device.call("preview", name=name, runs=8)["runs"]]  # fmt: skip
    begun = device.time.now()
    seen = []
    while device.time.now() < begun + 3600_000:
        device.time.move_on(1)
        device.runner.step(device.time.now())
        for run in device.ran:
            seen.append((run[0][0], (device.time.now() - begun) // 1000))
            device.runner.ended(run[0], {"result": None})
        device.ran = []
    for name in "ab":
        happened = [at for who, at in seen if who == name]
        expected = [at for who, at in said if who == name][: len(happened)]
        assert len(happened) >= 7 and happened[: len(expected)] == expected


def test_a_wrong_preview_says_what_is_wrong(start):
    device = Device(start)
    device.add(every=60)
    for params, words in (
        ({}, "expected exactly one of every, cron and at"),
        ({"name": "a", "cron": "* * * * *"}, "cron: goes with no name"),
        ({"name": "b"}, "no schedule is called b"),
        ({"name": "a", "from": "2030-01-01T00:00"}, "from: every never looks at the wall clock"),
        ({"cron": "* * * * *", "from": "then"}, "from: "),
        ({"cron": "* * * * *", "runs": 51}, "runs: expected an integer from 1 to 50"),
    ):
        assert words in raises(BadParams, device.call, "preview", **params).message


def test_who_may_not_run_the_method_touches_none_of_its_schedules(start):
    device = Device(start)
    device.add(every=3600, params={"level": 7})
    device.denied = "pump.set"
    for verb in ("run-now", "resume", "pause", "remove"):
        assert "not yours" in raises(Denied, device.call, verb, name="a").message
    other = {"name": "a", "method": "pump.look", "every": 60}
    raises(Denied, device.call, "add", replace=True, **other)
    words = device.call("get", name="a")
    assert words["params"] is None and words["withheld"] == "params: not yours"
    assert device.ran == [] and device.call("list")["schedules"][0]["state"] == "waiting"
    device.denied = None
    words = device.call("get", name="a")
    assert words["params"] == {"level": 7} and "withheld" not in words
    device.call("add", replace=True, **other)
    assert device.call("get", name="a")["method"] == "pump.look"


def test_a_schedule_of_what_the_device_lost_can_be_taken_away(start):
    device = Device(start)
    for name in "ab":
        device.add(name, every=3600)
    device.registry.remove("pump")
    raises(UnknownMethod, device.call, "run-now", name="a")
    raises(UnknownMethod, device.call, "resume", name="a")
    assert device.call("get", name="a")["params"] is None
    assert device.call("pause", name="a")["state"] == "paused"
    assert device.call("remove", name="a") == {}
    assert "no schedule is called a" in raises(BadParams, device.call, "remove", name="a").message


def test_restarts_in_quick_succession_are_refused(start):
    device = Device(start)
    words = {"name": "a", "method": "system.restart"}
    for timing in ({"every": 299}, {"every": 3600, "phase": 0}):
        error = raises(BadParams, device.call, "add", **dict(words, **timing))
        assert "system.restart needs at least 300 s" in error.message, timing
    assert device.call("list")["schedules"] == []
    assert device.call("add", **dict(words, every=300))["name"] == "a"
    device.add("b", every=1)


def test_the_last_run_is_told_with_its_error(start):
    device = Device(start)
    device.add("a", every=60)
    assert "last" not in device.call("get", name="a")
    device.time.move_on(61)
    device.runner.step(device.time.now())
    device.time.move_on(2)
    error = {"code": "not-found", "message": "x" * 300, "data": {"traceback": "y"}}
    device.runner.ended(device.ran[0][0], {"error": error})
    expected = {
        "state": "failed",
        "at": "2026-11-20T12:01:03Z",
        "error": {"code": "not-found", "message": "x" * 100},
    }
    assert device.call("get", name="a")["last"] == expected
    assert device.call("list")["schedules"][0]["last"] == expected
    assert device.call("list")["schedules"][0]["failed"] == 1
    device.time.move_on(61)
    device.runner.step(device.time.now())
    device.runner.ended(device.ran[1][0], {"result": {"status": 1}})
    said = device.call("get", name="a")
    assert said["last"]["state"] == "done" and said["last"]["result"] == '{"status": 1}'
    assert said["failed"] == 1


def test_the_last_run_has_an_uptime_while_the_clock_is_unknown(start):
    device = Device(start, None)
    device.add("a", every=60)
    device.time.uptime += 61_000
    device.runner.step(device.time.now())
    device.runner.ended(device.ran[0][0], {"result": "z" * 500})
    last = device.call("get", name="a")["last"]
    assert last["at_uptime_s"] == device.time.now() // 1000 and len(last["result"]) == 40
