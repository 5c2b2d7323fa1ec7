"""The contract tests of devices, in the lab, on real drivers and two runtimes.

The same files that pass on the fakes everywhere: there they gain the implementation `linux`.
"""

import re
import shutil

import pytest
from labs import machine
from provision import Unavailable, runtimes

RUNTIMES = ("micropython-gil", "cpython")
NAMES = ("tape", "input", "gpio", "watchdog", "i2c", "uart", "rtc")
CONTRACTS = tuple("tests/contract/test_device_%s.py" % name for name in NAMES)
PATIENCE_S = 280


def test_real_drivers_keep_the_contracts_of_their_fakes():
    folder = machine.folder()
    try:
        agents = [(name, runtimes.path(name), "auto") for name in RUNTIMES]
        with machine.Machine(folder, 1, agents, checks=CONTRACTS) as guest:
            guest.wait(PATIENCE_S)
            with open(guest.console, errors="replace") as file:
                told = file.read()
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder)
    print(told)
    for name in RUNTIMES:
        assert "lab: checked %s, status 0" % name in told
    counts = [int(count) for count in re.findall(r"^(\d+) passed, 0 failed", told, re.M)]
    assert len(counts) == len(RUNTIMES)
    # 33 + 21 + 52 without the real drivers: their implementation must have been there
    assert min(counts) >= 125
