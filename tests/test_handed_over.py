"""What apps and commands hand over: what is no JSON fails whoever gave it, and nobody else."""

from job_bench import Bench
from support import raises

from agent.app import Agent
from agent.apps.board import MOST_EVENT_BYTES, Board
from agent.commands import python
from agent.commands.job import MAX_CHECKPOINT, Job
from agent.commands.message import Address, encode_error, encode_result
from agent.commands.registry import Command, task
from agent.errors import BadJson, LimpetError
from agent.samples import MOST_VALUE_BYTES


def deep(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


class Thing:
    """No JSON."""


def bad_values():
    return (Thing(), {"a": [Thing()]}, float("nan"), float("inf"), {1, 2}, deep(17), deep(5000))


def test_a_child_that_writes_its_own_answer_tells_text_or_nothing():
    nested = b"[" * 3000 + b"]" * 3000
    raises(BadJson, python._answer_of, b'{"value":' + nested + b"}")
    raises(BadJson, python._answer_of, b"[1]")
    told = python._answer_of(b'{"value":[1],"error":{"type":"E","message":{}},"more":1}')
    words = {"type": "E", "message": None, "traceback": None}
    assert told == {"value": None, "error": words}, told


def test_a_result_that_is_nested_too_deep_is_an_error_of_the_family():
    here = Address(None, "limpet/reply/me", None, "")
    raises(LimpetError, encode_result, here, "pump", 0, deep(12000), 1 << 20)
    data = encode_error(here, "pump", 0, LimpetError("why", {"a": deep(12000)}), 1 << 20)
    assert b'"why"' in data and b'"data"' not in data, data


def test_a_job_whose_words_cannot_be_written_ends_and_the_next_runs():
    def fail(params, job):
        yield 3000
        raise LimpetError("why", deep(12000))

    def fine(params, job):
        yield
        return 5

    rows = [("t.fail", fail), ("t.fine", fine)]
    bench = Bench(0, [Command(n, c, (), "act", "once", task(), "") for n, c in rows])
    bench.call("t.fail", reply_within=0)
    bench.until(lambda: bench.states() and bench.states()[-1]["state"] == "failed")
    bench.call("t.fail", id="0123456789ac", reply_within=60)
    assert bench.answer(2)["error"]["message"] == "why"
    bench.call("t.fine", id="0123456789ad")
    assert bench.answer(3)["result"] == 5


def test_a_checkpoint_is_json_of_a_bounded_size_and_a_copy():
    job = Job(None, None, None)
    for value in bad_values() + ("x" * MAX_CHECKPOINT,):
        raises(ValueError, job.checkpoint, value)
        assert job.saved is None
    value = {"at": [1]}
    job.checkpoint(value)
    value["at"].append(Thing())
    assert job.saved == {"at": [1]}


def test_progress_is_a_number_from_0_to_1():
    job = Job(None, None, None)
    for fraction in (float("nan"), float("inf"), -0.1, 1.1, "half"):
        raises(ValueError, job.progress, fraction)
    for fraction in (0, 0.5, 1, None):
        job.progress(fraction)
        assert job.fraction == fraction


class Parts:
    """An agent's parts, as far as a board and one turn of the loop look at them."""

    def __init__(self):
        self.config = {"data": "data"}
        self.link = self.log = self.bridge = self.service = self.update = self
        self.hardware = self._ntp = None
        self.launched = self._holds = False
        self.faults = []
        self.turns = 0
        self.due = 0

    def wake(self):
        """As Link.wake."""

    def now(self):
        """As Clock.now."""
        return 5

    def error(self, text, *words):
        """As Log.error."""
        self.faults.append(text % words)

    def step(self, *now):
        """As any part's."""
        self.turns += 1
        return True

    def send(self, now):
        """As Link.send."""

    def _take_events(self, now):
        pass


def test_an_event_is_json_of_a_bounded_size():
    board = Board(Parts(), None, None, None)
    event = board.hands("pump").event
    for words in bad_values() + ("x" * MOST_EVENT_BYTES,):
        raises(ValueError, event, "full", words)
    event("full", {"level": 1})
    assert board._told == [("event/pump.full", {"level": 1})]


def test_a_sample_is_json_of_a_bounded_size():
    agent = Parts()
    agent.clock = agent
    board = Board(agent, None, None, None)
    sample = board.hands("pump").sample
    for value in bad_values() + ("x" * MOST_VALUE_BYTES,):
        raises(ValueError, sample, "depth", value)
    error = raises(ValueError, sample, "depth", float("nan"))
    assert "cannot be written as JSON" in str(error), error
    sample("depth", [1.5, None])
    assert board._told == [(None, ("pump.depth", 5, "[1.5, null]"))]


class Broken:
    """A part that fails."""

    due = 0

    def step(self, now):
        """Fail."""
        raise KeyError("gone")


def test_a_part_that_fails_is_logged_and_the_next_has_its_turn():
    agent, good = Parts(), Parts()
    agent.clock = agent
    agent.parts = [Broken(), good]
    Agent.step(agent)
    assert good.turns == 1 and len(agent.faults) == 1
    assert "KeyError" in agent.faults[0] and "gone" in agent.faults[0]
