"""A small attack with sealed requests on every runtime; tests/fuzz/seals.py runs larger ones."""

import sys

from support import raises

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, HERE + "/fuzz")
import seals  # noqa: E402 - found through the path set above

sys.path.pop(0)

COUNT = 600
SEED = 20261124


def test_no_hostile_request_runs_and_right_ones_between_do():
    refused = seals.run(COUNT, SEED)
    print("seed %d: %d of %d inputs were hostile" % (SEED, refused, COUNT))
    assert refused > COUNT * 9 // 10


def test_no_hostile_desired_document_is_taken():
    seals.run_desired(COUNT // 6, SEED)


def test_the_attack_would_find_a_mac_that_is_not_looked_at():
    from agent.commands import gate

    right = gate.is_right
    gate.is_right = lambda seal, prepared, scope: True
    try:
        raises(AssertionError, seals.run, COUNT, SEED)
    finally:
        gate.is_right = right


def test_the_attack_would_find_a_replay_that_is_taken():
    from agent.commands.freshness import FRESH, Window

    right = Window.judge
    Window.judge = lambda window, number: FRESH
    try:
        raises(AssertionError, seals.run, COUNT, SEED)
    finally:
        Window.judge = right
