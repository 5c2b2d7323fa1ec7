"""Once means once, for real: an agent killed at random, a broker, a caller who asks again."""

import json
import os
import queue
import random
import time
from pathlib import Path

from conftest import PATIENCE_S, ROOT

SEED = 20261120
KILLS = {"full": 500}.get(os.environ.get("LIMPET_SIZE"), 20)
LONGEST_PAUSE_S = 0.12  # between a call and the kill: before it arrives, in its midst, after it
ASK_AGAIN_S = 1.5


class Matter:
    """One request and all that was answered to it."""

    def __init__(self, number):
        self.number = number
        self.id = "once-%08d" % number
        self.answers = []


class Ledger:
    """Calls the counter, and remembers every answer."""

    def __init__(self, caller, device):
        self.caller = caller
        self.device = device
        self.matters = {}

    def ask(self, matter):
        """Publish the request, the first time or again."""
        self.matters[matter.id] = matter
        words = {"id": matter.id, "method": "count.add", "reply": self.caller.topic, "ttl": 600}
        words["params"] = {"n": matter.number, "ms": 10}
        self.caller.publish(self.device, json.dumps(words))

    def listen(self, seconds):
        """Take in what is answered until `seconds` are over, or one answer came."""
        try:
            reply = json.loads(self.caller.replies.get(timeout=max(0.001, seconds)).payload)
        except queue.Empty:
            return
        answer = "done" if "result" in reply else reply["error"]["code"]
        matter = self.matters[reply["id"]]
        if "result" in reply:
            assert reply["result"] == {"n": matter.number}
        matter.answers.append(answer)

    def learn(self, matter, again=False):
        """Ask until the end is known."""
        known = len(matter.answers)
        deadline = time.monotonic() + PATIENCE_S
        asked = time.monotonic()
        if again:
            self.ask(matter)
        while len(matter.answers) == known or matter.answers[-1] == "busy":
            assert time.monotonic() < deadline, "no answer to %s" % matter.id
            self.listen(0.2)
            if time.monotonic() - asked > ASK_AGAIN_S:
                self.ask(matter)
                asked = time.monotonic()


def test_killed_at_random_nothing_runs_twice_and_every_answer_is_true(
    start_device, runtime, caller5
):
    script = str(Path(ROOT) / "tests/e2e/counting_agent.py")
    journal = {"entries": 20000, "kib": 8192}
    device = start_device(runtime, entry=[script], journal=journal)
    caller5.wait_for_state(device, "online")
    source = random.Random(SEED)
    print("seed", SEED)
    ledger = Ledger(caller5, device)
    matters = []
    kills = 0
    while kills < KILLS:
        matter = Matter(len(matters))
        matters.append(matter)
        ledger.ask(matter)
        if source.random() < 0.7:
            time.sleep(source.random() * LONGEST_PAUSE_S)
            device.kill()
            device.start()
            kills += 1
        ledger.learn(matter)
    for matter in matters:
        ledger.learn(matter, again=True)
    check(matters, read_effects(device))


def read_effects(device):
    """The numbers that took effect, in order."""
    path = Path(json.loads(device.config.read_text())["data"]) / "effects"
    return [int(line) for line in path.read_text().split()]


def check(matters, effects):
    """The counter equals the calls answered as done, and those interrupted that took effect."""
    assert len(effects) == len(set(effects)), "ran twice: %r" % effects
    done = interrupted = 0
    for matter in matters:
        answers = set(matter.answers)
        assert len(answers) == 1, (matter.id, matter.answers)
        if answers == {"done"}:
            assert matter.number in effects
            done += 1
        else:
            assert answers == {"interrupted"}, matter.answers
            interrupted += matter.number in effects
    print("%d calls, %d done, %d interrupted in effect" % (len(matters), done, interrupted))
    assert len(effects) == done + interrupted
    assert done and len(matters) > done
