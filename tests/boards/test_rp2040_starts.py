"""The firmware of an RP2040, in an emulated one: it boots, and the agent in it starts."""

import os

import pytest
from firmwares import rp2040

HEAP_LEFT_BYTES = 100_000  # of 240 KB, with the agent made and ready to run

START = """
import gc, sys, time

def free():
    gc.collect()
    return gc.mem_free()

before, began = free(), time.ticks_us()
import agent.__main__
from agent.config import parse
took = time.ticks_diff(time.ticks_us(), began)
loaded = free()
agent = agent.__main__.Agent(parse(b'{"device": "pico", "data": "/data"}'))
print("heap", before, loaded, free(), "import_us", took, "threads", sys.implementation._thread)
print("done")
"""

WRITE = """
import machine

with open("kept", "a") as file:
    file.write("word ")
machine.reset()
"""


def test_the_firmware_boots_and_the_agent_leaves_100_kb_of_heap(board, capsys):
    shown = board({"main.py": START}).run_until("done")
    words = shown.split()
    before, loaded, left, took = [int(words[at]) for at in (1, 2, 3, 5)]
    with capsys.disabled():
        print(
            "\nrp2040: of %d B of heap %d are left with the agent imported, in %d ms, and %d with"
            " it made" % (before, loaded, took // 1000, left)
        )
    assert left >= HEAP_LEFT_BYTES


def test_an_hour_of_sleep_takes_no_hour(board):
    shown = board({"main.py": "import time\ntime.sleep(3600)\nprint('woke', time.ticks_ms())"})
    shown.run_until("woke", most_s=4000)
    assert 3_600_000 <= shown.now_ms < 3_601_000


def test_what_is_written_survives_a_reset_and_a_power_cut(board):
    first = board({"main.py": WRITE})
    first.run(lambda: first.resets == 3)
    second = board(first.flash)
    second.run(lambda: second.resets == 1)
    files = board.files(second)
    assert files["/kept"].split() == [b"word"] * 4


@pytest.mark.skipif(
    os.environ.get("LIMPET_SIZE") != "full", reason="a minute and more of building"
)
def test_two_builds_give_the_same_bytes(board, tmp_path):
    rp2040.make(str(tmp_path))
    with open(rp2040.firmware(), "rb") as file:
        assert (tmp_path / rp2040.NAME).read_bytes() == file.read()
