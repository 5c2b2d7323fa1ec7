"""The agent on an emulated RP2040, met over a wire: calls, schedules, a journal on flash.

One board serves the tests that do it no harm: each uses names and lines of its own.
"""

import os

import pytest
from peer import Broker

FULL = os.environ.get("LIMPET_SIZE") == "full"

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


def test_a_schedule_fires_at_its_times(pico):
    board, broker = pico
    work = {"method": "gpio.write", "params": {"path": "pins", "line": 6, "value": 1}}
    seen = rises(board, 6)
    start = board.now_ms
    broker.call("schedule.add", {"name": "lamp", "every": 60, "count": 3, **work}, "lamp")
    for times in (1, 2, 3):
        board.run(lambda wanted=times: len(seen) >= wanted, 70)
        broker.call("gpio.write", {"path": "pins", "line": 6, "value": 0}, "dark-%d" % times)
    gaps = [after - before for before, after in zip([start, *seen], seen, strict=False)]
    assert gaps[0] < 62_000, gaps  # what runs schedules is loaded first
    assert all(59_500 < gap < 60_500 for gap in gaps[1:]), gaps
    with pytest.raises(Exception, match="after"):
        board.run(lambda: len(seen) > 3, 130)


def test_once_is_once_over_a_power_cut(board):
    first, broker = board.with_agent(), Broker()
    broker.attach(first)
    broker.wait_online()
    broker.call("policy.set", {"hardware": [PINS]}, "policy")
    seen = rises(first, 3)
    request = {"path": "pins", "line": 3, "value": 1}
    broker.ask("gpio.write", request, "once-1")
    first.run(lambda: seen)  # the pin is up: nothing is answered yet, and the power goes
    assert not broker.answers("once-1")

    second = broker.attach(board(first.flash))
    seen = rises(second, 3)
    broker.wait_online(2)
    second.run(lambda: broker.answers("once-1"), 60)
    told = broker.answers("once-1")[0]
    assert not seen and "result" not in told, told
    assert any([path.startswith("/data/journal-") for path in board.files(second)])
    if not FULL:
        return  # each start of an agent takes 13 s here
    broker.call("gpio.write", request, "once-2")  # answered and stored, and the power goes
    assert len(seen) == 1

    third = broker.attach(board(second.flash))
    seen = rises(third, 3)
    broker.wait_online(3)
    assert broker.call("gpio.write", request, "once-2") == {"value": 1, "before": 0}
    assert not seen
