"""A service with long work, for tests: the real executor, jobs and streams; link and medium stand
in.

One rule: nothing waits by sleeping: with workers the bench waits to be woken, without it steps. A
rest that a generator asked for passes by `pass_time`, which moves the clock.
"""

import json
import threading

import interpreter
from faulty.disk import Disk
from support import START

# The errors early: a small stack does not hold the whole chain of imports.
from agent import boot, errors  # noqa: F401
from agent import clock as clocks
from agent.bridge import Bridge
from agent.commands import job_commands
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.jobs import Jobs
from agent.commands.once import Once
from agent.commands.registry import Registry
from agent.commands.service import Service
from agent.commands.stream import Streams
from agent.keys import Keyring
from agent.mqtt.inbox import Message
from agent.records import Records
from agent.store import Store

# The same with and without workers, wherever threads are safe.
WORKERS = [("workers=0", 0)]
if interpreter.THREADS == "gil":
    WORKERS += [("workers=1", 1), ("workers=3", 3)]

PREFIX = "limpet/reply/"
BASE = "limpet/pump/"
ROOM = 6


_open = []  # the executor of the newest bench


class Clock(clocks.Clock):
    """A clock that a test may move forward, and does not stand still."""

    ahead = START  # from its own beginning

    def now(self):
        return super().now() + self.ahead


class Wire:
    """A link that takes everything: `sent` are (topic, payload, retain); `window` None, or how
    many of them have been delivered."""

    def __init__(self):
        self.sent = []
        self.filters = []
        self.connected = True
        self.delivered = None
        self.room = None
        self.acknowledged = []

    def subscribe(self, topic, qos):
        """As Link.subscribe."""
        self.filters.append(topic)

    def unsubscribe(self, topic):
        """As Link.unsubscribe."""
        self.filters.remove(topic)

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        """As Link.publish."""
        if self.room is not None and len(self.sent) >= self.room:
            return None
        self.sent.append((topic, payload, retain))
        return len(self.sent)

    def is_pending(self, packet_id):
        """As Session.is_pending."""
        return self.delivered is not None and packet_id > self.delivered

    def acknowledge(self, message):
        """As Link.acknowledge."""
        self.acknowledged.append(message)


class Bench:
    """One boot on `disk`."""

    def __init__(self, workers, commands, keys=(), disk=None, kept=4, retention_s=3600):
        self.workers = workers
        self.clock = Clock()
        self.disk = Disk() if disk is None else disk
        self.wire = Wire()
        self.asked = 0
        self._woken = threading.Semaphore(0)
        self.executor = Executor(workers, ROOM, self.clock, self._woken.release)
        self.registry = Registry()
        self.registry.add(commands)
        store = Store("data", self.disk)
        self.store = store
        keyring = Keyring(store, "data", self.disk)
        for name, secret in keys:
            keyring.add(name, ("read", "act"), secret, None)
        targets = {BASE + "call": "pump"}
        self.gate = Gate(keyring, targets, "pump", "n0", self.clock)
        self.once = Once(Records("data", "journal", self.disk), self.clock, 50, 65536, 0)
        self.bridge = Bridge(self.wire, targets, ROOM)
        self.service = Service(
            self.registry, self.executor, self.clock, ("pump", "n0"), PREFIX, 2000,
            self.bridge.answer, self.once, self.gate,
        )  # fmt: skip
        self.bridge.connect(self.service.accept, self.service.decline, self.service.commit)
        self.bridge.listen_to_all(self.service.receive)
        self.service.connect_streams(
            lambda stir: Streams(self.wire, self.gate, BASE, 700, 700, stir)
        )
        self.service.connect_jobs(self._make_jobs)
        self.registry.add_families(("job",), self._load_jobs)
        self.bounds = (kept, retention_s)
        self.boot = boot.begin(store)
        boot.record(store, self.boot, 0)
        for address, words in self.once.recover(self.boot.number):
            self.service.cut_off.append((address, words))
            self.service.tell(address, words)
        if _open:
            _open.pop().stop()  # of the bench before: threads add up, and a heap is small
        _open.append(self.executor)
        self.executor.start()

    def _make_jobs(self):
        parts = (self.store, self.clock, self.boot.number, self._publish_job)
        return Jobs(*parts, *self.bounds)

    def _publish_job(self, name, payload, expiry_s):
        if not self.wire.connected:
            return None
        return self.wire.publish(BASE + name, payload, 1, True) is not None

    def _load_jobs(self, name):
        if self.service.jobs is None:
            self.service.load_jobs()
        return job_commands.commands(self.service, self.service.jobs)

    def send(self, topic, payload):
        """A message comes."""
        self.bridge.receive(Message(topic, payload, 1, False, 1, {}))

    def call(self, method, params=None, id="0123456789ab", **members):
        """A request comes, and what the loop does in the rest of that turn."""
        document = {"id": id, "reply": PREFIX + "me", "method": method, "params": params or {}}
        document["reply_within"] = 3600  # or the clock's leaps would make a job of everything
        document.update(members)
        if document["reply_within"] is None:
            del document["reply_within"]
        self.send(BASE + "call", json.dumps(document).encode())
        return self.turn()

    def turn(self):
        """One turn of the loop."""
        self.bridge.step()
        return self.service.step()

    def until(self, condition):
        """Turn until `condition()` holds; wait for workers, never by the clock."""
        while not condition():
            if not self.turn() and not condition():
                self._sleep()

    def _sleep(self):
        due = self.service.due
        now = self.clock.now()
        jobs = self.executor.jobs
        if due is not None and all([job.wake_at is not None for job in jobs]):
            # Nobody wants to wait for it.
            self.clock.ahead += max(0, due - now)
        elif self.workers:
            self._woken.acquire()
        else:
            raise AssertionError("nothing will ever happen")

    def replies(self):
        """Responses so far, as dicts, oldest first."""
        return [json.loads(p) for topic, p, _ in self.wire.sent if topic.startswith(PREFIX)]

    def answer(self, count=1):
        """The `count`-th response, waited for."""
        self.until(lambda: len(self.replies()) >= count)
        return self.replies()[count - 1]

    def states(self, name="0123456789ab"):
        """What was published of a job so far, as dicts; None for an emptied topic."""
        found = []
        for topic, payload, is_retained in self.wire.sent:
            if topic == "%sjob/%s" % (BASE, name):
                assert is_retained
                found.append(json.loads(payload) if payload else None)
        return found

    def ask(self, method, params=None):
        """Call a command that answers soon; its result, or the error's code."""
        self.asked += 1
        identity = "ask-%08d" % self.asked
        self.call(method, params, identity)
        self.until(lambda: any([r["id"] == identity for r in self.replies()]))
        reply = [r for r in self.replies() if r["id"] == identity][0]
        return reply["result"] if "result" in reply else reply["error"]["code"]

    def chunks(self, name="0123456789ab"):
        """Messages of a stream so far, as (dict, bytes)."""
        found = []
        for topic, payload, _ in self.wire.sent:
            if topic == "%sstream/%s/out" % (BASE, name):
                head, data = payload.split(b"\n", 1)
                found.append((json.loads(head), data))
        return found
