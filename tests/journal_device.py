"""A device whose time, disk and link are the test's: the real parts from message to effect.

One rule: everything from the bridge to the disk is the agent's own code; only clock, link and
medium are stand-ins. `Device(...)` is one boot: dropping it is a kill. Works on every interpreter.
"""

import queue  # noqa: F401 - early, since a small stack does not hold the whole chain of imports

from faulty.disk import Disk

from agent import boot, schema
from agent.bridge import Bridge
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.once import Once
from agent.commands.registry import INLINE, PLAIN, RESTART, Command, Registry
from agent.commands.service import Service
from agent.keys import Keyring
from agent.records import Records
from agent.store import Store, StoreError

PREFIX = "limpet/reply/"
CALL = "limpet/pump/call"
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

    def publish(self, topic, payload, qos, retain, properties):
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
        )


class Killed(BaseException):
    """The process ends in the middle of a command; no command can catch it."""


class Device:
    """One boot of the agent on `disk`."""

    def __init__(self, world, disk=None, now=0, entries=50, make_once=Once, queue_ms=0, wire=None):
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
        self.bridge = Bridge(self.wire, [CALL], ROOM)
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
            Gate(
                Keyring(store, "data", self.disk), {CALL: "pump"}, "pump", identity[1], self.clock
            ),
        )
        self.bridge.connect(self.service.accept, self.service.decline, self.service.commit)
        for address, words in self.once.recover(self.boot.number):
            self.service.tell(address, words)

    def turn(self):
        """One turn of the agent's loop; whether something waits for the next."""
        self.bridge.step()
        return self.service.step()

    def settle(self):
        """Turns until nothing is left to do."""
        while self.turn() and not self.service.restarts:
            pass
        self.turn()
