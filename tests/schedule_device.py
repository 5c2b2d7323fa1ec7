"""A device with schedules in simulated time, for the tests of the runner and of the book."""

from faulty.disk import Disk

from agent import schema
from agent.clock import Clock
from agent.errors import BadParams
from agent.schedule.book import Book
from agent.schedule.civil import parse_time
from agent.schedule.entry import DECLARATION, make_entry
from agent.schedule.runner import LOOK_MS, Runner
from agent.store import Store

PERIOD = 1 << 30  # of the ticks of 32-bit MicroPython
NOON = "2026-11-20T12:00Z"
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
        self.words = {"result": None}  # of whatever ends
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
            self.runner.ended(request_id, self.words)

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
