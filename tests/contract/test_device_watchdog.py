"""The watchdog contract, on fake drivers, on a board's timer, and on the lab's softdog."""

import fake_machine
from device_lab import TARGETS, in_lab, real
from support import raises, skip

from agent.devices.faults import DeviceError
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.sysfs_fake import FakeTree
from agent.devices.watchdog import Watchdogs
from agent.devices.watchdog_fake import FakeWatchdog
from agent.errors import LimpetError, Unavailable

PATH = "/dev/watchdog0"


class Fake:
    path, longest_s, too_long_s = PATH, 1023, 1024

    def __init__(self, target, nowayout=False):
        self.driver = FakeWatchdog(target, nowayout)
        self.transport = FakeTransport({PATH: self.driver}, target)
        self.watchdogs = Watchdogs(self.transport, FakeTree(self.driver.files))
        self.pass_time = self.driver.pass_time


class Board:
    path, longest_s, too_long_s = "wdt0", 8, 9

    def __init__(self):
        self.watchdogs = fake_machine.load("watchdog_machine").make(None)

    def pass_time(self, seconds):
        fake_machine.WDT.made[-1].left_ms -= 1000 * seconds


class Lab:
    path, longest_s, too_long_s, pass_time = "/dev/watchdog0", 60, 1 << 20, None

    def __init__(self):
        self.watchdogs = real("watchdog")


def fake_on(target):
    return lambda: Fake(target)


IMPLEMENTATIONS = [(name, fake_on(target)) for name, target in TARGETS] + [("machine", Board)]
if in_lab(PATH) and real("watchdog"):
    IMPLEMENTATIONS.append(("linux", Lab))


def stop(timer):
    try:
        timer.stop()
    except Unavailable:
        timer.leave()


def test_listing_starts_none(start):
    here = start()
    told = [timer for timer in here.watchdogs.timers() if timer["path"] == here.path][0]
    assert not told["active"] and told["name"]
    assert isinstance(told["reset_causes"], list)


def test_a_fed_timer_runs_with_the_timeout_it_was_given(start):
    here = start()
    timer = here.watchdogs.start(here.path, 5)
    try:
        assert timer.timeout_s == 5
        told = [each for each in here.watchdogs.timers() if each["path"] == here.path][0]
        assert told["active"]
        for _ in range(3):
            if here.pass_time:
                here.pass_time(4)
            timer.feed()
    finally:
        stop(timer)


def test_a_timeout_that_cannot_be_is_refused_and_nothing_runs(start):
    here = start()
    assert raises(DeviceError, here.watchdogs.start, here.path, here.too_long_s).code in (
        "bad-params",
    )
    told = [each for each in here.watchdogs.timers() if each["path"] == here.path][0]
    assert not told["active"]


def test_a_timer_is_stopped_or_says_that_it_cannot_be(start):
    here = start()
    timer = here.watchdogs.start(here.path, 5)
    told = [each for each in here.watchdogs.timers() if each["path"] == here.path][0]
    if told["can_stop"]:
        timer.stop()
        told = [each for each in here.watchdogs.timers() if each["path"] == here.path][0]
        assert not told["active"]
        here.watchdogs.start(here.path, 5).stop()  # and may be started again
    else:
        raises(Unavailable, timer.stop)
        timer.feed()


def test_what_is_no_watchdog_is_not_opened(start):
    for path in ("/dev/null", "/dev/watch", "wdt7", ""):
        raises(LimpetError, start().watchdogs.start, path, 5)


def fake(start):
    here = start()
    if not isinstance(here, Fake):
        skip("only a fake lets a test see what happened")
    return here


def test_one_that_starves_bites_and_says_so_after_the_restart(start):
    here = fake(start)
    here.watchdogs.start(PATH, 5)
    here.pass_time(4)
    assert not here.driver.bitten and here.watchdogs.timers()[0]["reset_causes"] == []
    here.pass_time(1)
    assert here.driver.bitten and here.watchdogs.timers()[0]["reset_causes"] == ["watchdog"]


def test_one_that_is_left_runs_on_and_can_be_taken_over(start):
    here = fake(start)
    here.watchdogs.start(PATH, 5).leave()
    assert here.watchdogs.timers()[0]["active"]
    here.watchdogs.start(PATH, 9).stop()
    here.pass_time(100)
    assert not here.driver.bitten


def test_a_driver_without_a_way_out_stays_armed_and_wants_feeding(start):
    here = Fake(fake(start).transport.target, nowayout=True)
    timer = here.watchdogs.start(PATH, 5)
    assert "nowayout" in raises(Unavailable, timer.stop).message
    timer.feed()
    here.pass_time(4)
    assert not here.driver.bitten


def test_one_that_is_held_is_busy_and_a_pretimeout_is_below_the_timeout(start):
    here = fake(start)
    timer = here.watchdogs.start(PATH, 5, 2)
    assert raises(DeviceError, here.watchdogs.start, PATH, 5).code == "busy"
    timer.stop()
    error = raises(DeviceError, here.watchdogs.start, PATH, 5, 5)
    assert error.data["name"] == "EINVAL" and not here.watchdogs.timers()[0]["active"]
    assert here.transport.open_files == 0


def test_a_board_tells_what_restarted_it(start):
    here = start()
    if not isinstance(here, Board):
        skip("boards only")
    assert here.watchdogs.timers()[0]["reset_causes"] == ["power-on"]
    here.watchdogs.start("wdt0", 5)
    assert raises(DeviceError, here.watchdogs.start, "wdt0", 6).code == "busy"
    raises(Unavailable, here.watchdogs.start, "wdt0", 5, 1)
