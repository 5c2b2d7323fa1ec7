"""A device whose time, disk and link are the test's: the real parts from message to effect.

One rule: everything from the bridge to the disk is the agent's own code; only clock, link and
medium are stand-ins. `Device(...)` is one boot: dropping it is a kill. Works on every interpreter.
"""

import queue  # noqa: F401 - early, since a small stack does not hold the whole chain of imports

from faulty.disk import Disk
from support import START

# The errors early, too.
from agent import boot, errors, schema  # noqa: F401
from agent.bridge import Bridge
from agent.commands import job_commands
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.jobs import Jobs
from agent.commands.once import Once
from agent.commands.registry import INLINE, PLAIN, RESTART, TASK, Command, Registry
from agent.commands.service import Service
from agent.keys import Keyring
from agent.records import Records
from agent.store import Store, StoreError

PREFIX = "limpet/reply/"
CALL = "limpet/pump/call"
ALL = "limpet/all/call"
LIMIT = 4000
ROOM = 20


class Clock:
    """Time as the test sets it, in ms."""

    def __init__(self, now):
        self.time = now

    def now(self):
        return self.time

    def wall(self):
        return 0, "unset"


class Wire:
    """A link that keeps what it is given: `sent` are responses, `acknowledged` messages."""

    def __init__(self):
        self.sent = []
        self.acknowledged = []

    def subscribe(self, topic, qos):
        """As Link.subscribe."""

    connected = True

    def publish(self, topic, payload, qos, retain, properties=None):
        """As Link.publish."""
        self.sent.append((topic, payload))
        return len(self.sent)

    def acknowledge(self, message):
        """As Link.acknowledge."""
        self.acknowledged.append(message)


class World:
    """What commands do: `effects` counts them by their parameter `n`; `before` and `after` are
    called around each, with `n`, and may raise Killed."""

    def __init__(self):
        self.effects = {}
        self.before = self.after = lambda n: None

    def act(self, params):
        """Take effect once more."""
        n = params["n"]
        self.before(n)
        self.effects[n] = self.effects.get(n, 0) + 1
        self.after(n)
        return {"n": n, "text": "x" * params.get("size", 0)}

    def work(self, params, job):
        """Take effect in the midst of long work."""
        yield
        result = self.act(params)
        for number in range(4):
            job.progress(number / 4)
            yield 300 * number
        return result

    def go_on(self, params, job):
        """The same, again only if no checkpoint says that it is done."""
        result = job.resume_from
        if result is None:
            yield 100
            result = self.act(params)
        for _ in range(20):
            job.checkpoint(result)
            yield 500
        return result

    def fail(self, params):
        """Take effect, and fail."""
        self.act(params)
        raise ValueError("out of order")

    def commands(self):
        """Each repeat rule's, and some that end otherwise."""
        n, size = schema.integer("n"), schema.integer("size", 0)

        def command(name, call, repeat, mode=PLAIN):
            return Command(name, call, (n, size), "act", repeat, mode, "")

        return (
            command("t.once", self.act, "once"),
            command("t.inline", self.act, "once", INLINE),
            command("t.resume", self.act, "resume"),
            command("t.repeat", self.act, "repeat"),
            command("t.fail", self.fail, "once"),
            command("t.restart", lambda params: RESTART, "once"),
            command("t.work", self.work, "once", TASK),
            command("t.goon", self.go_on, "resume", TASK),
        )


class Killed(BaseException):
    """The process ends in the middle of a command; no command can catch it."""


class Device:
    """One boot of the agent on `disk`."""

    def __init__(
        self, world, disk=None, now=START, entries=50, make_once=Once, queue_ms=0, wire=None
    ):
        self.disk = Disk() if disk is None else disk
        self.clock = Clock(now)
        self.wire = Wire() if wire is None else wire
        store = Store("data", self.disk)
        self.boot = boot.begin(store)
        try:
            boot.record(store, self.boot, 0)
        except StoreError:
            pass  # as the agent: it goes on without
        self.records = Records("data", "journal", self.disk, 2048)
        self.once = make_once(self.records, self.clock, entries, 32768, queue_ms)
        self.executor = Executor(0, ROOM, self.clock, None)
        registry = Registry()
        registry.add(world.commands())
        registry.add_families(("job",), lambda name: self._job_family())
        targets = {CALL: "pump", ALL: "all"}
        self.bridge = Bridge(self.wire, targets, ROOM)
        identity = ("pump", self.boot.nonce)
        self.service = Service(
            registry,
            self.executor,
            self.clock,
            identity,
            PREFIX,
            LIMIT,
            self.bridge.answer,
            self.once,
            Gate(Keyring(store, "data", self.disk), targets, "pump", identity[1], self.clock),
        )
        self.service.connect_jobs(
            lambda: Jobs(store, self.clock, self.boot.number, self._publish_job, 64, 3600)
        )
        self.bridge.connect(self.service.accept, self.service.decline, self.service.commit)
        for address, words in self.once.recover(self.boot.number):
            self.service.tell(address, words)
        if any([name.startswith("job-") for name in self.disk.names("data")]):
            self.service.load_jobs()

    def _job_family(self):
        if self.service.jobs is None:
            self.service.load_jobs()
        return job_commands.commands(self.service, self.service.jobs)

    def _publish_job(self, name, payload, expiry_s):
        if not self.wire.connected:
            return None
        return self.wire.publish("limpet/pump/" + name, payload, 1, True) is not None

    def turn(self):
        """One turn of the agent's loop; whether something waits for the next."""
        self.bridge.step()
        return self.service.step()

    def settle(self):
        """Turns until nothing is left to do."""
        while self.turn() and not self.service.restarts:
            pass
        self.turn()
