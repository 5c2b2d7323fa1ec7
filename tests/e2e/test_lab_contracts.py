"""The contract tests of devices, in the labs, on real drivers and several runtimes.

The same files that pass on the fakes everywhere: there they gain the implementation `linux`, or
`lab`.
"""

import re
import shutil

import pytest
from firmwares import linux
from labs import machine
from provision import Unavailable, runtimes

RUNTIMES = ("micropython-gil", "cpython")
NAMES = ("tape", "input", "gpio", "watchdog", "i2c", "uart", "rtc", "analog")
BOARD_NAMES = ("spi", "analog")
PATIENCE_S = 280


def told_by(kind, runtimes_there, path_of, names):
    """What the console of a lab says after the contract tests `names` on each runtime."""
    folder = machine.folder()
    files = tuple("tests/contract/test_device_%s.py" % name for name in names)
    try:
        agents = [(name, path_of(name), "auto") for name in runtimes_there]
        with machine.Machine(folder, 1, agents, checks=files, kind=kind) as guest:
            told = guest.wait_for_checks(PATIENCE_S)
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder)
    print(told)
    return told


def passed(told, names):
    """How many tests passed on each of the agents `names`, all of them without a failure."""
    for name in names:
        assert "lab: checked %s, status 0" % name in told
    counts = [int(count) for count in re.findall(r"^(\d+) passed, 0 failed", told, re.M)]
    assert len(counts) == len(names)
    return counts


def test_real_drivers_keep_the_contracts_of_their_fakes():
    told = told_by("amd64", RUNTIMES, runtimes.path, NAMES)
    # without the real drivers there are fewer: their implementations must have been there
    assert min(passed(told, RUNTIMES)) >= 320


def test_drivers_of_a_32_bit_board_keep_them_too():
    told = told_by("sabrelite", ["limpetd"], lambda _: linux.program("armhf"), BOARD_NAMES)
    assert min(passed(told, ["limpetd"])) >= 40
