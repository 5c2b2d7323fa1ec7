"""The 1-wire contract on a board's pin, down to the bits, and on what a kernel tells in files."""

import sys

import fake_machine
import fake_onewire
from device_registry import Bench
from support import raises

from agent.devices import onewire
from agent.devices.faults import DeviceError
from agent.devices.sysfs_fake import FakeTree

sys.path.append(__file__.rsplit("/", 1)[0] + "/../../tools/labs")
from chips import Thermometer  # noqa: E402 - found through the path set above

sys.path.pop()  # the lab's machine.py is not the module that a back end looks for

WARM, COLD, OTHER = "28-000005e2fdc3", "28-000000000001", "22-00800000000a"
VALUES = {WARM: 23125, COLD: -10062, OTHER: 125000}
BROKEN, FRESH = "28-0000000000b0", "28-0000000000f0"


def address_of(name):
    data = [int(name.replace("-", "")[at : at + 2], 16) for at in range(0, 14, 2)]
    return data[:1] + list(reversed(data[1:]))


def make_thermometers():
    degrees = {WARM: 23.125, COLD: -10.0625, OTHER: 125, BROKEN: 20, FRESH: 85}
    found = {name: Thermometer(address_of(name), degrees[name]) for name in degrees}
    found[BROKEN].is_broken = True
    return list(found.values())


class Board:
    path, other_path = "onewire22", "onewire23"

    def __init__(self):
        fake_onewire.wires.clear()
        fake_onewire.wires[22] = make_thermometers()
        self.bus = fake_machine.load("onewire_machine").make(None)


class Linux:
    path, other_path = "w1", "w2"
    _SLAVE = "bus/w1/devices/%s/w1_slave"

    def __init__(self):
        files = {}
        for name, value in VALUES.items():
            files[self._SLAVE % name] = "72 01 : crc=57 YES\n72 01 t=%d" % value
        files[self._SLAVE % BROKEN] = "72 01 : crc=57 NO\n72 01 t=20000"
        files[self._SLAVE % FRESH] = "50 05 : crc=1c YES\n50 05 t=85000"
        self.bus = onewire.make({"sysfs": FakeTree(files)}.get)


IMPLEMENTATIONS = [("linux", Linux), ("machine", Board)]


def measured(here, device, path=None):
    steps = here.bus.read(path or here.path, device)
    while True:
        try:
            rest = next(steps)
            assert 0 <= rest <= 750
        except StopIteration as end:
            return end.value


def test_all_on_the_bus_are_found(start):
    here = start()
    assert sorted(here.bus.devices(here.path)) == sorted(list(VALUES) + [BROKEN, FRESH])


def test_each_is_asked_by_its_name(start):
    here = start()
    for name, value in VALUES.items():
        assert measured(here, name) == {"millidegrees": value, "unit": "m°C"}


def test_a_broken_answer_and_one_that_lost_power_are_no_numbers(start):
    here = start()
    for name, words in ((BROKEN, "checksum"), (FRESH, "lost power")):
        error = raises(DeviceError, measured, here, name)
        assert error.code == "failed" and words in error.message and name in error.message


def test_what_is_not_there_is_unavailable(start):
    here = start()
    for name in ("28-0000000000ee", "28-1", "warm", "", "99-000000000001"):
        assert raises(DeviceError, measured, here, name).code == "unavailable", name
    assert raises(DeviceError, measured, here, WARM, here.other_path).code == "unavailable"


def test_commands_ask_the_policy_for_the_bus(start):
    here = start()
    bench = Bench(onewire=here.bus)
    assert WARM in bench.call("onewire.list", path=here.path)["devices"]
    told = bench.call("onewire.read", path=here.path, device=WARM)
    assert told == {"millidegrees": 23125, "unit": "m°C"}
    assert bench.asked == [("bus", here.path, 0, 0, False)] * 2
    calls = (("list", {}), ("read", {"device": WARM}))
    bench.check_closed([("onewire." + name, dict(words, path=here.path)) for name, words in calls])


def test_a_wire_without_anything_and_one_with_noise_are_told_apart(start):
    here = start()
    if not isinstance(here, Board):
        return
    assert here.bus.devices("onewire23") == []
    assert raises(DeviceError, here.bus.devices, "onewire99").code == "bad-params"
    assert raises(DeviceError, here.bus.devices, "w1").code == "bad-params"

    class Noise:
        def reset(self):
            self.left = 40

        def slot(self, bit):
            self.left -= 1
            return self.left & 1 if self.left > 0 else 1

    fake_onewire.wires[22] = [Noise()]
    assert raises(DeviceError, here.bus.devices, "onewire22").code == "failed"
