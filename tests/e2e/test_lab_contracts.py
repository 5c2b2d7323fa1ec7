"""The contract tests of devices, in the lab, on real drivers and two runtimes.

The same files that pass on the fakes everywhere: there they gain the implementation `linux`, or
`lab`.
"""

import shutil

import pytest
from labs import machine
from provision import Unavailable, runtimes

RUNTIMES = ("micropython-gil", "cpython")
NAMES = ("tape", "input", "gpio", "watchdog", "i2c", "uart", "rtc", "analog")
CONTRACTS = tuple("tests/contract/test_device_%s.py" % name for name in NAMES)
PATIENCE_S = 280


def test_real_drivers_keep_the_contracts_of_their_fakes():
    folder = machine.folder()
    try:
        agents = [(name, runtimes.path(name), "auto") for name in RUNTIMES]
        with machine.Machine(folder, 1, agents, checks=CONTRACTS) as guest:
            told = guest.wait_for_checks(PATIENCE_S)
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder)
    print(told)
    # without the real drivers there are fewer: their implementations must have been there
    assert min(machine.passed_checks(told, RUNTIMES)) >= 320
