"""agent/commands/service.py and executor.py: one response for each request, with any workers."""

import json
import threading

import interpreter
from faulty.disk import Disk

from agent import schema
from agent.clock import Clock
from agent.commands import rpc, system
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.once import Once
from agent.commands.registry import PLAIN, Command, Registry
from agent.commands.service import Incoming, Service
from agent.errors import Unavailable
from agent.keys import Keyring
from agent.records import Records
from agent.store import Store

# The same requests with and without workers, wherever threads are safe.
IMPLEMENTATIONS = [("workers=0", 0)]
if interpreter.THREADS == "gil":
    IMPLEMENTATIONS += [("workers=1", 1), ("workers=3", 3)]

PREFIX = "limpet/reply/"
CALL = "limpet/pump/call"
LIMIT = 1000
ROOM = 4


class Bench:
    """A service whose responses are collected."""

    def __init__(self, workers, room=ROOM):
        self.clock = Clock()
        self.woken = threading.Semaphore(0)
        self.executor = Executor(workers, room, self.clock, self.woken.release)
        registry = Registry()
        registry.add(rpc.commands(registry))
        registry.add(system.commands(lambda: {"fine": True}))
        registry.add(self.own_commands())
        identity = ("pump", "n0")
        self.responses = []
        once = Once(Records("data", "journal", Disk()), self.clock, 20, 65536, 0)
        once.recover(1)
        keyring = Keyring(Store("data", Disk()), "data", Disk())
        gate = Gate(keyring, {CALL: "pump"}, "pump", "n0", self.clock)
        self.service = Service(
            registry, self.executor, self.clock, identity, PREFIX, LIMIT, self.take, once, gate
        )
        self.workers = workers
        self.gate = threading.Lock()
        self.executor.start()

    def own_commands(self):
        def command(name, call, params=(), repeat="repeat"):
            return Command(name, call, params, "read", repeat, PLAIN, "")

        return (
            command(
                "t.add", lambda p: p["a"] + p["b"], (schema.integer("a"), schema.integer("b"))
            ),
            command("t.raise", lambda p: 1 // 0),
            command("t.lack", self.lack),
            command("t.large", lambda p: "x" * LIMIT),
            command("t.once", lambda p: 1, (), "once"),
            command("t.wait", self.wait),
        )

    def lack(self, params):
        raise Unavailable("no such thing here", {"tried": ["a"]})

    def wait(self, params):
        with self.gate:
            return "waited"

    def take(self, topic, payload, correlation, keep):
        assert keep or json.loads(payload)["error"]["code"] == "busy"
        self.responses.append((topic, json.loads(payload), correlation))

    def send(self, document, retained=False, topic=None, correlation=None, expiry_s=None):
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.service.accept(Incoming(CALL, payload, retained, topic, correlation, expiry_s))
        if self.workers:
            self.service.commit()  # it starts what was accepted

    def call(self, method, params=None, **members):
        document = {"id": "0123456789ab", "reply": PREFIX + "me", "method": method}
        if params is not None:
            document["params"] = params
        document.update(members)
        self.send(document)

    def collect(self, count):
        """Step until `count` responses are there; returns them."""
        while len(self.responses) < count:
            if self.workers:
                self.woken.acquire()
            self.step()
        return self.responses

    def step(self):
        """What the loop does in one turn."""
        self.service.commit()
        return self.service.step()

    def only(self):
        """The one response."""
        response = self.collect(1)[0][1]
        assert len(self.responses) == 1
        return response


def test_a_result_comes_back_with_id_device_and_uptime(workers):
    bench = Bench(workers)
    bench.call("t.add", {"a": 2, "b": 3})
    response = bench.only()
    assert response["result"] == 5 and response["id"] == "0123456789ab"
    assert response["device"] == "pump" and response["uptime_ms"] >= 0


def test_an_inline_command_answers_at_once(workers):
    bench = Bench(workers)
    bench.call("system.ping")
    assert bench.responses[0][1]["result"] == {}


def test_echo_goes_by_way_of_the_workers(workers):
    bench = Bench(workers)
    bench.call("system.echo", {"text": "ü, x:y"})
    assert bench.only()["result"] == {"text": "ü, x:y"}


def test_it_tells_for_one_turn_that_a_worker_has_something_to_do(workers):
    bench = Bench(workers)
    bench.call("system.ping")
    bench.service.commit()
    assert not bench.service.launched
    bench.call("system.echo", {"text": "x"})
    if not workers:
        bench.service.commit()
    assert bench.service.launched == (workers > 0)
    bench.service.commit()
    assert not bench.service.launched
    assert [one[1]["result"] for one in bench.collect(2)] == [{}, {"text": "x"}]


ERRORS = (
    ("t.raise", None, "failed", "ZeroDivisionError"),
    ("t.lack", None, "unavailable", "no such thing here"),
    ("t.large", None, "too-large", "the link takes"),
    ("no.such", None, "unknown-method", "no.such"),
    ("t.add", {"a": 1}, "bad-params", "b: missing; expected an integer"),
    ("t.add", {"a": 1, "b": 2, "c": 3}, "bad-params", "c: unknown; known here: a, b"),
    ("t.add", {"a": 1, "b": "2"}, "bad-params", 'b: expected an integer, got "2"'),
    ("t.add", [1, 2], "bad-request", "params: expected an object"),
)


def test_each_failure_has_its_code_and_message(workers):
    for method, params, code, part in ERRORS:
        bench = Bench(workers)
        bench.call(method, params)
        error = bench.only()["error"]
        assert error["code"] == code and part in error["message"], error


def test_a_raising_command_tells_its_traceback(workers):
    bench = Bench(workers)
    bench.call("t.raise")
    assert "test_service" in bench.only()["error"]["data"]["traceback"]


def test_an_error_data_reaches_the_caller(workers):
    bench = Bench(workers)
    bench.call("t.lack")
    assert bench.only()["error"]["data"] == {"tried": ["a"]}


def test_a_request_without_an_id_runs_only_what_may_run_again(workers):
    bench = Bench(workers)
    bench.send({"method": "t.once", "reply": PREFIX + "me"})
    assert bench.only()["error"]["code"] == "id-required"
    bench.send({"method": "system.ping", "reply": PREFIX + "me"})
    assert bench.collect(2)[1][1]["result"] == {}


def test_a_fault_of_our_own_is_answered_and_not_repeated(workers):
    bench = Bench(workers)

    def fail(*arguments):
        raise RuntimeError("planted")

    bench.service._take = fail
    bench.call("system.ping")
    error = bench.only()["error"]
    assert error["code"] == "internal" and "planted" in error["message"]


def test_a_retained_call_is_never_run(workers):
    bench = Bench(workers)
    bench.send({"method": "system.ping", "reply": PREFIX + "me"}, retained=True)
    assert bench.only()["error"]["code"] == "retained"


def test_no_json_is_answered_where_the_properties_bring_the_address(workers):
    bench = Bench(workers)
    bench.send(b"{nonsense", topic=PREFIX + "x", correlation=b"7")
    topic, response, correlation = bench.responses[0]
    assert (topic, correlation) == (PREFIX + "x", b"7")
    assert response["error"]["code"] == "bad-json"
    bench.send(b"{nonsense")
    assert len(bench.responses) == 1 and bench.service.unanswerable == 1


def test_a_reply_topic_elsewhere_is_refused_and_counted(workers):
    bench = Bench(workers)
    bench.send({"method": "system.ping", "reply": "limpet/pump/call"})
    bench.send({"method": "system.ping"}, topic="limpet/pump/call")
    assert bench.responses == [] and bench.service.unanswerable == 2


def test_a_caller_who_wants_no_answer_gets_none(workers):
    bench = Bench(workers)
    bench.send({"method": "system.ping"})
    bench.send({"method": "t.add", "params": {"a": 1, "b": 1}})
    bench.call("t.add", {"a": 1, "b": 2})
    assert bench.only()["result"] == 3


def test_an_expired_request_is_not_run(workers):
    bench = Bench(workers)
    bench.send({"method": "system.ping", "reply": PREFIX + "me"}, expiry_s=0)
    assert bench.only()["error"]["code"] == "expired"


def test_a_full_inbox_answers_busy_and_loses_nothing(workers):
    bench = Bench(workers)
    with bench.gate if workers else threading.Lock():
        for _ in range(ROOM + workers):
            bench.call("t.wait")
        # Workers take theirs out of the inbox when they get there: fill up until it refuses.
        sent = ROOM + workers
        while not bench.responses:
            bench.call("t.wait")
            sent += 1
        refused = [r[1] for r in bench.responses]
        assert all([r["error"]["code"] == "busy" for r in refused])
        assert bench.executor.refused == len(refused)
    done = bench.collect(sent)
    results = [r[1].get("result") for r in done]
    assert results.count("waited") == sent - len(refused)


def test_a_declined_request_is_answered_busy_and_not_run(workers):
    bench = Bench(workers)
    request = {"id": "0123456789ab", "method": "t.add", "reply": PREFIX + "me"}
    for payload, topic in ((json.dumps(request).encode(), None), (b"{}", PREFIX + "x")):
        bench.service.decline(Incoming(CALL, payload, False, topic, b"7", None))
    bench.service.decline(Incoming(CALL, b"no json", False, None, None, None))
    assert [r[0] for r in bench.responses] == [PREFIX + "me", PREFIX + "x"]
    assert all([r[1]["error"]["code"] == "busy" for r in bench.responses])
    assert bench.responses[0][1]["id"] == "0123456789ab"
    assert bench.service.declined == 3 and bench.service.unanswerable == 1


def test_a_task_that_expires_while_it_waits_is_not_run(workers):
    bench = Bench(0)
    for _ in range(2):
        bench.call("t.add", {"a": 1, "b": 1}, ttl=0.001)
    start = bench.clock.now()
    while bench.clock.now() < start + 3:
        pass
    codes = [r[1]["error"]["code"] for r in bench.collect(2)]
    assert codes == ["expired", "expired"]


def test_without_workers_one_task_runs_for_each_step(workers):
    bench = Bench(0)
    for _ in range(3):
        bench.call("t.add", {"a": 1, "b": 1})
    assert bench.step() and len(bench.responses) == 1
    assert bench.step() and len(bench.responses) == 2
    assert not bench.step() and len(bench.responses) == 3
    assert not bench.step() and len(bench.responses) == 3


def test_running_commands_are_named(workers):
    if not workers:
        return
    bench = Bench(workers)
    bench.gate.acquire()
    bench.call("t.wait")
    while not any(bench.executor.running):
        pass
    name, since, _ = [slot for slot in bench.executor.running if slot][0]
    assert name == "t.wait" and since <= bench.clock.now()
    bench.gate.release()
    assert bench.only()["result"] == "waited"
