"""`system.time`, `set_time`, `memory`, `threads`; the machine's own clock is left alone."""

from job_bench import Bench
from support import raises

from agent import clock as clocks
from agent.commands import system_more
from agent.commands.registry import Command, task
from agent.errors import LimpetError


class OwnClock(clocks.Clock):
    """Its own system clock in place of the machine's."""

    def __init__(self, refusal=None):
        self.system_ms = 0
        self._refusal = refusal
        super().__init__(0, None, clocks.TICKS, lambda: self.system_ms)

    def set_wall(self, unix_ms):
        held, clocks.set_wall_clock = clocks.set_wall_clock, self._set
        try:
            super().set_wall(unix_ms)
        finally:
            clocks.set_wall_clock = held

    def _set(self, unix_ms):
        if self._refusal:
            raise self._refusal
        self.system_ms = unix_ms


def commands(clock, executor=None):
    return {command.name[7:]: command for command in system_more.commands(clock, executor)}


NOW = 1800000000000


def test_a_clock_that_was_set_counts_as_right():
    clock = OwnClock()
    known = commands(clock)
    assert known["time"].call({})["quality"] == "unset"
    told = known["set_time"].call({"unix_ms": NOW})
    assert (told["unix_ms"], told["quality"]) == (NOW, "synced")
    assert known["time"].call({})["unix_ms"] == NOW


def test_a_clock_that_may_not_be_set_says_so():
    for error, code in ((OSError(1, "x"), "denied"), (OSError(38, "x"), "unavailable")):
        clock = OwnClock(error)
        call = commands(clock)["set_time"].call
        assert raises(LimpetError, call, {"unix_ms": NOW}).code == code
        assert clock.wall()[1] == "unset"


def test_memory_is_told_with_and_without_garbage():
    call = commands(clocks.Clock())["memory"].call
    before = call({"collect": False})
    after = call({"collect": True})
    assert set(before) == {"used_bytes", "free_bytes", "resident_bytes"}
    for words in (before, after):
        assert words["resident_bytes"] is None or words["resident_bytes"] > 10000


def waits(params, job):
    while True:
        yield 100000


def test_threads_tell_what_runs_and_what_rests():
    bench = Bench(0, [Command("t.waits", waits, (), "read", "once", task(), "")])
    call = commands(bench.clock, bench.executor)["threads"].call
    assert call({}) == {"threads": [{"thread": "main"}], "under_way": []}
    bench.call("t.waits")
    bench.until(lambda: bench.executor.jobs[0].wake_at is not None)
    row = call({})["under_way"][0]
    assert row["method"] == "t.waits" and row["resting"] and not row["stuck"]
    assert row["for_ms"] >= 0
