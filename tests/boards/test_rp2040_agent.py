"""The agent on an emulated RP2040, met over a wire.

One board serves the tests that do it no harm: each uses names and lines of its own.
"""

import pytest
from peer import Broker

STACK_BYTES = 16384  # what the firmware has
STACK_SPARE_BYTES = 4096  # and what must be left of it by all that these tests do
HEAP_LEFT_BYTES = 100_000
PINS = {"kind": "pin", "where": "pins", "last": 29, "write": True}


@pytest.fixture(scope="module")
def pico(board):
    """(Board, Broker): the agent is online, and may drive pins."""
    started, broker = board.with_agent(), Broker()
    broker.attach(started)
    broker.wait_online()
    broker.call("policy.set", {"hardware": [PINS]})
    return started, broker


def rises(board, line):
    """A list that gets an item whenever the line goes up."""
    found = []

    def note(value, last):
        if value == 1:
            found.append(board.now_ms)

    board.chip.gpio[line].add_listener(note)
    return found


def test_a_call_is_answered_and_the_agent_leaves_100_kb_of_heap(pico, capsys):
    board, broker = pico
    before = board.now_ms
    assert broker.call("system.ping", identity="ping") is not None
    took = board.now_ms - before
    words = broker.call("system.info", identity="info")
    free = words["memory"]["free_bytes"]
    with capsys.disabled():
        print(
            "\nrp2040: online, %d B of heap are free; a ping takes %d ms, its wire included; the"
            " stack held %d B" % (free, took, board.stack_bytes)
        )
    assert words["workers"]["count"] == 0
    assert free >= HEAP_LEFT_BYTES
    assert board.stack_bytes <= STACK_BYTES - STACK_SPARE_BYTES


def test_a_pin_is_driven_and_read(pico):
    board, broker = pico
    seen = rises(board, 3)
    broker.call("gpio.write", {"path": "pins", "line": 3, "value": 1}, "pin-1")
    assert len(seen) == 1
    board.chip.gpio[4].set_input_value(True)
    assert broker.call("gpio.read", {"path": "pins", "line": 4}, "pin-2") == {"value": 1}
