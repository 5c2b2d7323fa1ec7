"""Schedules and commands together: runs through the journal, under their maker's key."""

from job_bench import WORKERS, Bench
from sealing import ANN, BOB

from agent import schema
from agent.commands import schedule
from agent.commands.registry import INLINE, PLAIN, Command, task
from agent.errors import BadParams
from agent.schedule.book import Book
from agent.schedule.entry import DECLARATION, make_entry
from agent.schedule.runner import Runner

IMPLEMENTATIONS = WORKERS


class Wall:
    """Adds a wall clock that goes with the bench's time, and is right."""

    def __init__(self, bench, unix_ms):
        self.bench = bench
        self.start = unix_ms - bench.clock.now()

    def __call__(self):
        return self.start + self.bench.clock.now(), "synced"


NOON = 1_795_780_800_000  # 2026-11-27T12:00:00Z


class Device:
    """A bench with a runner, turned as app.py turns it."""

    def __init__(self, workers, commands, keys=(), disk=None):
        self.bench = Bench(workers, commands, keys, disk)
        bench = self.bench
        bench.clock.wall = Wall(bench, NOON)
        self.ended = []
        self.told = []
        bench.service.connect_runs(self.on_ended)
        hands = (bench.service.start, bench.service.cancel_run, self.told.append)
        book = Book(bench.store)
        self.runner = Runner(book, bench.clock, bench.boot.number, "pump", hands)
        self.runner.load(bench.clock.now())
        bench.registry.add(
            schedule.commands(self.runner, self.check, lambda: bench.service.caller_key)
        )
        turn = bench.turn

        def turn_all():
            self.runner.step(bench.clock.now())
            return turn()

        bench.turn = turn_all

    def check(self, method, params):
        command = self.bench.registry.find(method)
        self.bench.registry.checked_params(command, params)
        self.bench.service.check_may(self.bench.service.caller_key, command)

    def on_ended(self, identity, words):
        self.ended.append((identity, words))
        self.runner.ended(identity, words)

    def pass_time(self, ms):
        """So much time goes by, in steps that the runner sees."""
        bench = self.bench
        until = bench.clock.now() + ms
        while bench.clock.now() < until:
            count = len(self.ended)
            bench.turn()
            if bench.executor.jobs and not [j for j in bench.executor.jobs if j.wake_at]:
                bench.until(
                    lambda count=count: (
                        len(self.ended) > count
                        or all([j.wake_at is not None for j in bench.executor.jobs])
                    )
                )
            bench.clock.ahead += 500
        bench.turn()


class Counter:
    def __init__(self):
        self.count = 0

    def commands(self):
        n = (schema.integer("n", 1),)
        return [
            Command("t.plain", self.plain, n, "act", "once", PLAIN, ""),
            Command("t.inline", self.plain, n, "act", "once", INLINE, ""),
            Command("t.repeat", self.plain, n, "act", "repeat", PLAIN, ""),
            Command("t.fail", self.fail, n, "act", "once", PLAIN, ""),
            Command("t.task", self.task, n, "act", "once", task(), ""),
        ]

    def plain(self, params):
        self.count += 1
        return self.count

    def fail(self, params):
        raise ValueError("out of order")

    def task(self, params, job):
        self.count += 1
        for _ in range(4):
            yield 1000
        return self.count


def test_runs_happen_when_due_and_end_once_each(workers):
    for method in ("t.plain", "t.inline", "t.repeat"):
        counter = Counter()
        device = Device(workers, counter.commands())
        added = device.bench.ask(
            "schedule.add", {"name": "a", "method": method, "every": 10, "missed": "all"}
        )
        assert added["state"] == "waiting"
        device.pass_time(36_000)
        device.bench.until(lambda device=device: not device.bench.executor.jobs)
        device.bench.turn()
        assert counter.count == 3 == len(device.ended), (method, counter.count, device.ended)
        assert len(set([identity for identity, _ in device.ended])) == 3


def test_a_cron_run_has_its_due_time_as_its_id_in_the_journal(workers):
    counter = Counter()
    device = Device(workers, counter.commands())
    device.bench.ask(
        "schedule.add", {"name": "a", "method": "t.plain", "cron": "* * * * *", "missed": "all"}
    )
    device.pass_time(61_000)
    device.bench.until(lambda: len(device.ended) > 0)
    identity = device.ended[0][0]
    assert identity == "a@2026-11-27T12:01:00Z", identity
    count = counter.count
    device.bench.service.start("t.plain", {}, identity, device.bench.clock.now() + 9999, "")
    assert counter.count == count and device.ended[-1][0] == identity


def test_a_task_of_a_schedule_is_a_job_named_as_its_run(workers):
    counter = Counter()
    device = Device(workers, counter.commands())
    bench = device.bench
    bench.ask("schedule.add", {"name": "a", "method": "t.task", "every": 3600, "count": 1})
    run = bench.ask("schedule.run-now", {"name": "a"})["run"]
    bench.until(lambda: bench.states(run) != [])
    assert bench.ask("schedule.run-now", {"name": "a"}) == "busy"
    bench.until(lambda: len(device.ended) > 0)
    assert device.ended[0] == (run, {"result": 1})
    assert bench.ask("job.get", {"job": run})["state"] == "done"


def test_overlap_cancel_ends_the_run_before(workers):
    counter = Counter()
    device = Device(workers, counter.commands())
    device.bench.ask(
        "schedule.add", {"name": "a", "method": "t.task", "every": 2, "overlap": "cancel"}
    )
    device.pass_time(9000)
    device.bench.until(lambda: len(device.ended) >= 2)
    codes = [words.get("error", {}).get("code") for _, words in device.ended]
    assert "cancelled" in codes, device.ended


def test_a_failed_run_says_why(workers):
    counter = Counter()
    device = Device(workers, counter.commands())
    device.bench.ask("schedule.add", {"name": "a", "method": "t.fail", "every": 3600})
    device.bench.ask("schedule.run-now", {"name": "a"})
    device.bench.until(lambda: len(device.ended) > 0)
    assert device.ended[0][1]["error"]["code"] == "failed"


def test_a_run_has_its_makers_rights_of_then(workers):
    counter = Counter()
    device = Device(workers, counter.commands(), (("ann", ANN), ("bob", BOB)))
    bench = device.bench
    spec = schema.check(DECLARATION, {"name": "a", "method": "t.plain", "every": 60}, BadParams)
    device.runner.add(spec, make_entry(spec), "ann", False)
    device.runner.run_now("a")
    bench.until(lambda: len(device.ended) == 1)
    assert counter.count == 1
    bench.gate.keyring.withdraw("ann")
    bench.gate.refresh()
    bench.clock.ahead += 62_000
    bench.until(lambda: len(device.told) > 0)
    assert device.told[0]["error"]["code"] == "denied" and counter.count == 1


def test_a_caller_may_schedule_only_what_it_may_run(workers):
    counter = Counter()
    admin = Command("t.admin", counter.plain, (), "admin", "once", PLAIN, "")
    device = Device(workers, counter.commands() + [admin], (("ann", ANN),))
    device.bench.service.caller_key = "ann"
    try:
        device.check("t.admin", {})
    except Exception as error:  # noqa: BLE001 - its code is looked at
        assert error.code == "denied"
    else:
        raise AssertionError("it was taken")


def test_what_a_restart_cut_off_runs_no_second_time(workers):
    counter = Counter()
    device = Device(workers, counter.commands())
    device.bench.ask(
        "schedule.add",
        {"name": "a", "method": "t.task", "cron": "* * * * *", "missed": "all", "count": 3},
    )
    device.pass_time(60_500)
    assert counter.count == 1
    again = Device(workers, counter.commands(), (), device.bench.disk)
    again.bench.service.load_jobs()
    again.bench.clock.wall = Wall(again.bench, NOON + 61_000)
    again.pass_time(30_000)
    assert counter.count == 1
    state = again.bench.ask("job.get", {"job": "a@2026-11-27T12:01:00Z"})["state"]
    assert state == "interrupted"
