"""Once means once, against a model: an agent under every fault at once, from a seed.

Real: bridge, service, executor, journal, records, store. Simulated: time, link, broker, medium,
callers (broker.py; tests/journal_device.py; tests/faulty/disk.py). Faults: dropped connections,
copies, late copies, full disks, kills inside a command or between two operations of the medium,
power cuts there, several in one life. The invariant, checked at every answer and at the end:

    1. A `once` command takes effect at most once.
    2. A result, or a failure, is told only of what took effect, and tells it rightly.
    3. `interrupted` is told only where a kill cut something off, and never of what resumes.
    4. `expired` in time, `busy`, `unavailable` end in no effect unless a later try brings it.
    5. Whatever is told of one id is always the same.
    6. When the faults stop, every caller who has time left and goes on asking learns the end.
    7. What is told of a job holds by the same rules; one that ended, ended so for good; it is
       `cancelled` only if somebody asked for that; and each job that was named comes to an end.
"""

import json
import random

from faulty.disk import Disk, PowerCut
from journal_device import ALL, Device, Killed, World
from support import STARTS

from agent.commands.once import Once
from simulations.broker import RETRY_LATER, Broker, Caller, Wire

LUCKS = ("none", "none", "none", "all", "zeros", 1, 20, 100)
METHODS = (
    "t.once", "t.once", "t.once", "t.inline", "t.resume", "t.fail", "t.repeat", "t.work", "t.work",
    "t.goon",
)  # fmt: skip
LONG = ("t.work", "t.goon")
AGAIN = ("t.resume", "t.repeat", "t.goon")  # may take effect more than once
FAULTY_MS = 40_000
HEALED_MS = 400_000


class Lie(Exception):
    """The invariant does not hold; the message tells what was seen."""


class Simulation:
    """One seed's life of a device. `make_once` stands in for Once in tests of this simulator."""

    def __init__(self, seed, make_once=Once):
        self.random = random.Random(seed)
        self.make_once = make_once
        self.now = 0  # real time, in ms
        self.base = STARTS[seed % 2]
        self.disk = Disk(None, self.random.choice(LUCKS))
        self.world = World()
        self.world.before = self.world.after = self._maybe_die
        self.queue_ms = self.random.choice((20_000, 100_000))
        self.broker = Broker(self._chance, self.queue_ms)
        self.entries = self.random.choice((4, 12, 50))
        self.callers = self._make_callers()
        self.by_id = {"request-%08d" % caller.number: caller for caller in self.callers}
        self.device = None
        self.polls = 0
        self.boots = 0
        self.kills = 0
        self.back_at = self.link_at = 0
        self.booted_at = 0
        self.healed = False
        self.fills = fills_its_disk(seed)
        # Not every fault in every life: one hides what another would show.
        self.death_rate = self.random.choice((0, 0, 0.02, 0.1))
        self.cut_rate = self.random.choice((0, 0.05, 0.2))
        self.drop_rate = self.random.choice((0, 0.05, 0.3))

    def _make_callers(self):
        source = self.random
        callers = []
        for number in range(source.randrange(3, 25)):
            ttl_ms = source.choice((3_000, 15_000, 300_000))
            start = source.randrange(FAULTY_MS)
            method = source.choice(METHODS)
            callers.append(
                Caller(number, method, start, ttl_ms, source.random() < 0.5, source.random() < 0.5)
            )
        for caller in callers:
            if caller.method in LONG:
                caller.patience_s = source.choice((0, 0.05, 2))
                if source.random() < 0.3:
                    caller.cancels_at = caller.start + source.randrange(8000)
            if source.random() < 0.2:
                caller.topic = ALL
        return callers

    def _chance(self, probability):
        return not self.healed and self.random.random() < probability

    def _maybe_die(self, number):
        if self._chance(self.death_rate):
            raise Killed()

    def run(self):
        """Live through the faults, then heal. Raises Lie."""
        while self.now < FAULTY_MS:
            self._live(self.random.choice((10, 100, 400, 1500)))
        self.healed = True
        self.disk.cut_at = None
        self.disk.full = False
        while self.now < FAULTY_MS + HEALED_MS and self._is_open():
            self._live(3000)
        self._check_end()

    def _is_open(self):
        return any(
            (c.final is None and self.now < c.deadline) or (c.job and c.ended is None)
            for c in self.callers
        )

    def _live(self, step_ms):
        """Time goes by, and then everybody has one turn."""
        self.now += step_ms
        for caller in self.callers:
            if caller.wants_to_try(self.now):
                caller.tries += 1
                caller.next_try = self.now + self.random.randrange(500, 7000)
                dies_at = caller.deadline if caller.bounded else None
                self.broker.publish(self.now, caller.request(self.now), dies_at, caller.topic)
            self._ask_about_job(caller)
        try:
            if self.device is not None or self._comes_back():
                self._turn()
        except (PowerCut, Killed):
            self._die()

    def _ask_about_job(self, caller):
        if caller.cancels_at is not None and self.now >= caller.cancels_at:
            caller.cancels_at = None
            caller.cancelled = True
            self.polls += 1
            self.broker.publish(self.now, caller.ask("cancel", self.polls, self.now), None)
        if caller.job is not None and caller.ended is None and self.now >= caller.next_poll:
            caller.next_poll = self.now + self.random.randrange(500, 7000)
            self.polls += 1
            self.broker.publish(self.now, caller.ask("get", self.polls, self.now), None)

    def _turn(self):
        device = self.device
        device.clock.time = self.base + self.now - self.booted_at
        if self._chance(self.drop_rate):
            device.wire.break_off()
            device.bridge.disconnected()
            self.broker.disconnect(self.now)
            self.link_at = self.now + self.random.choice((0, 0, 3000, 18_000))
        elif self.broker.away_since is not None and (self.now >= self.link_at or self.healed):
            self.broker.connect(self.now)
            device.wire.reconnect()
        self._plan_faults()
        if self.broker.away_since is None:
            for message in self.broker.deliver(self.now):
                device.bridge.receive(message)
        for _ in range(self.random.randrange(1, 6)):
            if not device.turn():
                break
        if self.broker.away_since is None and not self._chance(0.03):
            device.wire.flush()
        if self._chance(self.death_rate):
            raise Killed()

    def _plan_faults(self):
        if self._chance(self.cut_rate):
            self.disk.cut_at = self.disk.operations + self.random.randrange(8)
        if self.fills and self._chance(0.05):
            self.disk.full = not self.disk.full

    def _comes_back(self):
        if self.now < self.back_at and not self.healed:
            return False
        self.booted_at = self.now
        if self._chance(self.cut_rate):
            self.disk.cut_at = self.disk.operations + self.random.randrange(12)
        wire = Wire(self.broker, self._chance, self._take)
        self.device = Device(
            self.world, self.disk, self.base, self.entries, self.make_once, self.queue_ms, wire
        )
        self.device.service.random_bytes = self.random.randbytes
        self.boots += 1
        return True

    def _die(self):
        self.kills += 1
        self.device = None
        self.disk.cut_at = None
        self.broker.disconnect(self.now)
        self.back_at = self.now + self.random.choice((0, 500, 5000, 40_000))
        if self.random.random() < 0.5:
            self.disk.cut()

    def _take(self, topic, payload):
        """A response reaches its caller; or a job's state, whoever follows it."""
        words = json.loads(payload) if payload else None
        if "/job/" in topic:
            if words is not None and not words["job"].startswith("job-"):
                self._take_state(self.by_id.get(words["job"]), words)
            return
        if words["id"].startswith("job-"):
            caller = self.callers[int(words["id"].split("-")[2])]
            if "state" in words.get("result", ()):  # else it became a job itself
                self._take_state(caller, words["result"])
            return
        caller = self.by_id[words["id"]]
        answer = words["result"] if "result" in words else words["error"]["code"]
        self._check_effects(caller)
        if answer in RETRY_LATER or caller.method == "t.repeat":
            return
        if answer == "expired":
            in_time = self.now < caller.deadline
            if in_time and self._effects(caller) and caller.method != "t.resume":
                self._lie(caller, "expired, and it took effect")
            return
        if answer == "result-not-kept":
            if not self._effects(caller) and not caller.cancelled:
                self._lie(caller, "its result was not kept, and there was no effect")
            caller.final = caller.final or answer
            return
        self._check_answer(caller, answer)
        caller.final = answer

    def _take_state(self, caller, words):
        """What is told of a job, or of a request by its id."""
        if caller is None and words["method"] in ("t.repeat", "job.cancel"):
            return  # the second run under one id has a name of its own
        if caller is None:
            raise Lie("nobody asked for the job %r" % (words,))
        self._check_effects(caller)
        if caller.method == "t.repeat":
            return  # not kept over a restart
        state = words["state"]
        if state in ("accepted", "running"):
            return  # perhaps a copy of what was told long ago: `_check_end` looks again
        end = (state, words.get("result") or words.get("error", {}).get("code"))
        if "unkept" in words or (state == "done" and "result" not in words):
            end = (state, "unkept")
        else:
            self._check_end_of(caller, end)
        known = caller.ended or end
        if known != end and "unkept" not in (known[1], end[1]) and not self.fills:
            self._lie(caller, "ended %r before, and now %r" % (known, end))
        caller.ended = end

    def _check_end_of(self, caller, end):
        state, told = end
        if state == "done":
            self._check_answer(caller, told, False)
        elif state == "interrupted":
            if not self.kills:
                self._lie(caller, "was told of an interruption that there was not")
        elif end == ("failed", "failed") and caller.method == "t.fail":
            self._check_answer(caller, told, False)
        elif end == ("failed", "expired"):
            if self._effects(caller) and caller.method not in AGAIN:
                self._lie(caller, "expired, and it took effect")
        elif state != "cancelled" or not caller.cancelled:
            self._lie(caller, "was told %r" % (end,))

    def _effects(self, caller):
        return self.world.effects.get(caller.number, 0)

    def _check_effects(self, caller):
        if self._effects(caller) > 1 and caller.method not in AGAIN:
            self._lie(caller, "took effect %d times" % self._effects(caller))

    def _check_answer(self, caller, answer, is_final=True):
        size = caller.number % 7 * 60
        ran = {"n": caller.number, "text": "x" * size}
        allowed = ("failed", "interrupted") if caller.method == "t.fail" else (ran, "interrupted")
        name = answer.get("job") if isinstance(answer, dict) else None
        if name is not None and is_final:
            caller.job = name
            return self._check_same(caller, answer)
        if answer == "cancelled" and caller.cancelled:
            return self._check_same(caller, answer)
        if answer not in allowed:
            self._lie(caller, "was told %r" % (answer,))
        if answer == "interrupted":
            if not self.kills or caller.method in ("t.resume", "t.goon"):
                self._lie(caller, "was told of an interruption that there was not")
        elif not self._effects(caller):
            self._lie(caller, "was told of an effect that there was not")
        return self._check_same(caller, answer) if is_final else None

    def _check_same(self, caller, answer):
        # An answer that a full disk could not take is sent, and gone at the next restart.
        if caller.final not in (None, answer, "result-not-kept") and not self.fills:
            self._lie(caller, "was told %r before, and now %r" % (caller.final, answer))

    def _check_end(self):
        for caller in self.callers:
            self._check_effects(caller)
            # In a small journal there may be no place before the deadline.
            has_time = caller.deadline >= FAULTY_MS + 60_000 and self.entries > len(self.callers)
            if has_time and caller.method != "t.repeat" and caller.final is None:
                self._lie(caller, "was never told how it ended")
            if caller.job is not None and not self.fills:
                self._check_job(caller)

    def _check_job(self, caller):
        if caller.ended is None:
            self._lie(caller, "has a job that never came to an end")
        jobs = self.device.service.jobs if self.device else None
        row = None if jobs is None else jobs.find(caller.job)
        if row is not None and row.state != caller.ended[0]:
            self._lie(caller, "ended %r, and its job is %s" % (caller.ended, row.state))

    def _lie(self, caller, text):
        raise Lie("request %d (%s) %s" % (caller.number, caller.method, text))


def fills_its_disk(seed):
    """Whether the disk is full now and then in this seed."""
    return seed % 4 == 3


def run(seed, make_once=Once):
    """Run one seed; returns (boots, kills). Raises Lie."""
    simulation = Simulation(seed, make_once)
    simulation.run()
    return simulation.boots, simulation.kills
