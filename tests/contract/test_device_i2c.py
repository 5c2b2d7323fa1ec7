"""The I2C contract, on fake buses that know I2C or SMBus alone, a board's, and the lab's chip."""

import fake_machine
from device_lab import TARGETS, in_lab, real
from support import raises, skip

from agent.devices import i2c_fake
from agent.devices.faults import DeviceError
from agent.devices.i2c import Buses
from agent.devices.i2c_fake import FakeBus
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.sysfs_fake import FakeTree

PATH, CHIP = "/dev/i2c-1", 0x48


class Fake:
    path = PATH

    def __init__(self, target, can):
        self.driver = FakeBus(target, {CHIP: bytearray(256)}, can, held=(0x50,))
        self.transport = FakeTransport({PATH: self.driver}, target)
        self.buses = Buses(self.transport, FakeTree(self.driver.files))


class Board:
    path, driver = "i2c0", None

    def __init__(self):
        fake_machine.chips.clear()
        fake_machine.chips[CHIP] = bytearray(256)
        self.buses = fake_machine.load("i2c_machine").make(None)


class Lab:
    driver = None

    def __init__(self):
        self.buses = real("i2c")
        stubs = [bus for bus in self.buses.buses() if "stub" in bus["name"]]
        self.path = stubs[0]["path"]


def fake_on(target, can):
    return lambda: Fake(target, can)


IMPLEMENTATIONS = [("machine", Board)]
for _name, _target in TARGETS:
    IMPLEMENTATIONS.append((_name, fake_on(_target, i2c_fake.I2C | i2c_fake.SMBUS)))
    IMPLEMENTATIONS.append((_name + "-smbus", fake_on(_target, i2c_fake.SMBUS)))
if in_lab("/dev/i2c-0") and real("i2c"):
    IMPLEMENTATIONS.append(("linux", Lab))


def test_a_register_holds_what_was_written(start):
    here = start()
    with here.buses.open(here.path) as bus:
        for data in (b"\x12", b"\x34\x56", b"\x01\x02\x03", bytes(range(32))):
            assert bus.transfer(CHIP, b"\x10" + data, 0) == b""
            assert bus.transfer(CHIP, b"\x10", len(data)) == data


def test_the_bytes_of_a_word_keep_their_order(start):
    here = start()
    with here.buses.open(here.path) as bus:
        bus.transfer(CHIP, b"\x20\xab\xcd", 0)
        assert bus.transfer(CHIP, b"\x20", 1) == b"\xab"
        # The kernel's stub keeps words apart from the bytes beside them: the others take a block.
        bus.transfer(CHIP, b"\x22\x11\x22" if isinstance(here, Lab) else b"\x22\x11\x22\x33", 0)
        assert bus.transfer(CHIP, b"\x22", 2) == b"\x11\x22"


def test_nobody_at_an_address_is_said(start):
    here = start()
    with here.buses.open(here.path) as bus:
        for data, size in ((b"\0", 1), (b"\0", 2), (b"\0\1", 0)):
            error = raises(DeviceError, bus.transfer, 0x29, data, size)
            assert error.code in ("unavailable", "failed") and error.data["errno"]
            assert error.data["path"] == here.path


def test_a_scan_finds_the_chip(start):
    here = start()
    with here.buses.open(here.path) as bus:
        found, held = bus.scan(0x08, 0x77)
        assert found == [CHIP] and held == ([0x50] if here.driver else [])
        assert bus.scan(0x08, 0x20) == ([], [])


def test_a_bus_is_listed_and_what_is_none_is_refused(start):
    here = start()
    here.buses.open(here.path).close()
    told = [bus for bus in here.buses.buses() if bus["path"] == here.path][0]
    assert told["name"] and told["can"]
    for path in ("/dev/null", "/dev/i2c-77", "i2c9", "i2c", ""):
        raises(DeviceError, here.buses.open, path)


def fake(start):
    here = start()
    if here.driver is None:
        skip("only on fakes")
    return here


def test_a_chip_of_the_kernels_is_busy(start):
    here = fake(start)
    with here.buses.open(PATH) as bus:
        assert raises(DeviceError, bus.transfer, 0x50, b"\0", 1).code == "busy"


def test_smbus_refuses_what_it_cannot_express_and_i2c_does_it(start):
    here = fake(start)
    with here.buses.open(PATH) as bus:
        for data, size in ((b"\0\1", 1), (b"", 2), (b"\0", 33), (bytes(40), 0)):
            if "i2c" in bus.can:
                assert len(bus.transfer(CHIP, data, size)) == size
            else:
                error = raises(DeviceError, bus.transfer, CHIP, data, size)
                assert error.code == "unavailable" and "SMBus only" in error.message


def test_failures_leave_nothing_open(start):
    here = fake(start)
    for _ in range(50):
        raises(DeviceError, here.buses.open, "/dev/i2c-7")
        with here.buses.open(PATH) as bus:
            raises(DeviceError, bus.transfer, 0x29, b"\0", 1)
    assert here.transport.open_files == 0
