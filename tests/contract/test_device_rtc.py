"""The contract of clocks with a battery, on fake drivers, a board's, and the lab's."""

import fake_machine
from device_lab import TARGETS, in_lab, real
from device_registry import Bench
from support import raises

from agent.devices.faults import DeviceError
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.rtc import Clocks, date_of, unix_of
from agent.devices.rtc_fake import FakeClock
from agent.devices.sysfs_fake import FakeTree

PATH = "/dev/rtc0"
MOMENT = 1795523415  # 2026-11-24 12:30:15


class Fake:
    path = PATH

    def __init__(self, target):
        self.driver = FakeClock(target)
        self.transport = FakeTransport({PATH: self.driver}, target)
        self.clocks = Clocks(self.transport, FakeTree(self.driver.files))

    def lose_power(self):
        self.driver.words = {}


class Board:
    path = "rtc0"

    def __init__(self):
        self.clocks = fake_machine.load("rtc_machine").make(None)

    def lose_power(self):
        fake_machine.now[0] = (0, 0, 0, 0, 0, 0, 0, 0)


class Lab:
    path, lose_power = PATH, None

    def __init__(self):
        self.clocks = real("rtc")


def fake_on(target):
    return lambda: Fake(target)


IMPLEMENTATIONS = [(name, fake_on(target)) for name, target in TARGETS] + [("machine", Board)]
if in_lab(PATH) and real("rtc"):
    IMPLEMENTATIONS.append(("linux", Lab))


def test_it_keeps_what_it_was_set_to_and_tells_what_it_had(start):
    here = start()
    here.clocks.set(here.path, MOMENT)
    assert MOMENT <= here.clocks.read(here.path) <= MOMENT + 60
    before = here.clocks.set(here.path, MOMENT + 86400 * 400)
    assert MOMENT <= before <= MOMENT + 60
    assert here.clocks.read(here.path) - before >= 86400 * 400 - 60
    assert here.path in [clock["path"] for clock in here.clocks.clocks()]


def test_one_that_lost_its_power_is_no_time_and_can_be_set(start):
    here = start()
    if here.lose_power is None:
        return
    here.lose_power()
    assert "no date" in raises(DeviceError, here.clocks.read, here.path).message
    assert here.clocks.set(here.path, MOMENT) is None
    assert here.clocks.read(here.path) == MOMENT


def test_commands_ask_the_policy_and_name_wrong_times(start):
    here = start()
    bench = Bench(rtc=here.clocks)
    assert bench.call("rtc.set", path=here.path, unix_s=MOMENT)["unix_s"] == MOMENT
    told = bench.call("rtc.read", path=here.path)
    assert told["time"].startswith("2026-11-24T12:3")
    assert bench.call("rtc.set", path=here.path)["unix_s"] > 1767225600
    assert bench.asked[:2] == [
        ("device", here.path, 0, 0, True),
        ("device", here.path, 0, 0, False),
    ]
    bench.check_closed([("rtc.set", {"path": here.path}), ("rtc.read", {"path": here.path})])
    assert bench.refused("rtc.set", path=here.path, unix_s=-1).code == "bad-params"
    for path in ("/dev/null", "rtc9", "/dev/rtc99"):
        assert bench.refused("rtc.read", path=path)


def test_dates_and_seconds_are_the_same_both_ways(start):
    assert unix_of(2026, 11, 24, 12, 30, 15) == MOMENT and unix_of(1970, 1, 1, 0, 0, 0) == 0
    for moment in (0, MOMENT, 951782400, 4102444799):
        assert unix_of(*date_of(moment)) == moment
    for date in ((2026, 2, 29, 0, 0, 0), (2026, 13, 1, 0, 0, 0), (2026, 1, 1, 24, 0, 0)):
        raises(ValueError, unix_of, *date)
