"""What devices cost an agent that touches none, and one that does: heap, on MicroPython."""

import json
import subprocess
from pathlib import Path

import pytest
from provision import Unavailable, runtimes

SCRIPT = str(Path(__file__).with_name("device_heap.py"))
# What every agent has: the table of capabilities, and the cause of the last restart.
ALWAYS = ["agent.devices", "agent.devices.reset"]
LIMIT_BYTES = 96 * 1024  # for the first family, which loads what all of them share


@pytest.mark.parametrize("name", ("micropython-gil", "micropython-oldest", "micropython-armhf"))
def test_an_agent_that_touches_no_device_holds_none_of_it(name):
    try:
        path = runtimes.path(name)
    except Unavailable as reason:
        pytest.skip(str(reason))
    done = subprocess.run([path, SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(name, told)
    assert told["loaded"] == ALWAYS
    assert all(0 < cost < LIMIT_BYTES for cost in told["families"].values())
    assert sum(told["families"].values()) > 1000
