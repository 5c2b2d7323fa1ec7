"""The agent's watchdog: who feeds it, and what a restart says of it."""

import os

from support import START, raises, temporary_folder

from agent.commands import device, hardware
from agent.commands.registry import Registry
from agent.devices import codes, layout, reset
from agent.devices.faults import DeviceError
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.keeper import Keeper
from agent.devices.sysfs_fake import FakeTree
from agent.devices.watchdog import Watchdogs
from agent.devices.watchdog_fake import FakeWatchdog
from agent.errors import LimpetError

PATH = "/dev/watchdog0"
TARGET = (codes.GENERIC, layout.LINUX_64)


class Machine:
    def __init__(self, nowayout=False):
        self.driver = FakeWatchdog(TARGET, nowayout)
        self.transport = FakeTransport({PATH: self.driver}, TARGET)
        self.watchdogs = Watchdogs(self.transport, FakeTree(self.driver.files))
        self.asked = []
        self.hardware = hardware.Hardware(lambda *words: self.asked.append(words))
        self.hardware.devices.put("watchdog", self.watchdogs)
        self.registry = Registry()
        self.registry.add_families(
            device.FAMILIES, lambda name: device.load_family(name, self.hardware)
        )

    def call(self, method, **params):
        command = self.registry.find(method)
        assert command.permission == "act" or method == "watchdog.list"
        return command.call(self.registry.checked_params(command, params))


def test_turns_of_the_loop_feed_it_and_a_loop_that_hangs_does_not():
    here = Machine()
    keeper = Keeper()
    keeper.keep(here.watchdogs.start(PATH, 8), True)
    now = START
    for _ in range(20):
        now = max(now, keeper.due)
        keeper.step(now)
        assert keeper.due == now + 2000
        here.driver.pass_time(2)
        now += 2000
    assert not here.driver.bitten
    here.driver.pass_time(8)
    assert here.driver.bitten


def test_one_that_the_caller_feeds_bites_when_the_caller_is_silent():
    here = Machine()
    assert here.call("watchdog.start", path=PATH, timeout_s=5, feed="caller") == {"timeout_s": 5}
    keeper = here.hardware.keeper
    assert keeper.due is None and "absent" in keeper.about()
    for _ in range(3):
        here.driver.pass_time(4)
        assert here.call("watchdog.feed", path=PATH) == {"timeout_s": 5}
        keeper.step(0)
    here.driver.pass_time(5)
    assert here.driver.bitten
    assert here.call("watchdog.list")[0]["reset_causes"] == ["watchdog"]
    assert here.asked[0] == ("device", PATH, 0, 0, True)


def test_it_is_stopped_on_command_and_left_running_over_a_restart():
    here = Machine()
    here.call("watchdog.start", path=PATH)
    assert here.hardware.keeper.about() == {"backend": PATH}
    here.call("watchdog.stop", path=PATH)
    assert here.hardware.keeper.due is None and not here.call("watchdog.list")[0]["active"]
    for leaves in (False, True):
        here.call("watchdog.start", path=PATH)
        here.hardware.keeper.close(leaves)
        assert here.call("watchdog.list")[0]["active"] == leaves
    assert here.transport.open_files == 0


def test_one_that_cannot_be_stopped_is_fed_on():
    here = Machine(nowayout=True)
    here.call("watchdog.start", path=PATH, timeout_s=8)
    raises(LimpetError, here.call, "watchdog.stop", path=PATH)
    here.driver.pass_time(7)
    here.hardware.keeper.step(10_000)
    here.driver.pass_time(7)
    assert not here.driver.bitten


def test_a_timer_that_is_gone_is_told_once():
    here = Machine()
    here.call("watchdog.start", path=PATH)
    here.transport.vanish(PATH)
    keeper = here.hardware.keeper
    assert raises(DeviceError, keeper.step, 0).data["name"] == "ENODEV"
    keeper.step(100_000)
    assert keeper.due is None


def test_feeding_what_was_not_started_is_refused():
    here = Machine()
    for method in ("watchdog.feed", "watchdog.stop"):
        assert raises(DeviceError, here.call, method, path=PATH).code == "unavailable"


def test_why_the_machine_started_is_read_without_opening_a_timer():
    with temporary_folder() as folder:
        for name, status in (("watchdog0", "0\n"), ("watchdog1", "33\n"), ("watchdog2", "32\n")):
            os.mkdir(folder + "/" + name)
            with open(folder + "/" + name + "/bootstatus", "w") as file:
                file.write(status)
        os.mkdir(folder + "/watchdog3")
        assert reset.causes(folder)[-2:] == ["overheat", "watchdog"]
    assert isinstance(reset.causes("/no/such/folder"), list)
