"""A 64-bit ARM machine with the 32-bit single file in it, over MQTT: real drivers of that kind.

The kernel translates every request of a 32-bit program, as on most boards in the field.
"""

import pytest
from conftest import FieldDevice
from lab_calls import allow, call, guest_online
from test_lab import BOOT_S

NAME, UNIT, LINE = "lab-limpetd", 7, "/dev/ttyS0"


@pytest.fixture(scope="module")
def device(broker):
    """The agent in the guest, once it is online."""
    field = FieldDevice("rtu", UNIT)
    options = {"line_port": field.port, "kind": "arm64"}
    try:
        with guest_online(broker, NAME, "auto", BOOT_S, **options) as (found, _):
            yield found
    finally:
        field.close()


def test_it_is_a_32_bit_program_on_a_64_bit_machine(device):
    runtime = call(device, "system.info")["runtime"]
    assert "arm" in runtime["machine"].lower(), runtime
    told = call(device, "device.list")
    names = "ioctl gpio pci window uart rtc watchdog modbus memory sysfs"
    for name in names.split(" "):
        assert "backend" in told[name], (name, told[name])


def test_lines_of_the_machines_own_chip_and_of_a_simulated_one(device):
    chips = {chip["label"]: chip for chip in call(device, "gpio.list")}
    assert "limpet" in chips and any("pl061" in label for label in chips), list(chips)
    for label in chips:
        path = chips[label]["path"]
        allow(device, {"kind": "pin", "where": path, "first": 0, "last": 7})
        told = call(device, "gpio.write", {"path": path, "line": 1, "value": 1})
        assert told["value"] == 1 and told["before"] in (0, 1)
        assert call(device, "gpio.read", {"path": path, "line": 0})["value"] in (0, 1)


def test_the_clock_is_read_and_set(device):
    clock = call(device, "rtc.list")[0]
    assert "pl031" in clock["name"]
    allow(device, {"kind": "device", "where": clock["path"]})
    now = call(device, "rtc.read", {"path": clock["path"]})["unix_s"]
    told = call(device, "rtc.set", {"path": clock["path"], "unix_s": 1800000000})
    assert abs(told["before"] - now) < 60
    told = call(device, "rtc.read", {"path": clock["path"]})
    assert 1800000000 <= told["unix_s"] < 1800000060


def test_a_field_device_on_a_serial_line_is_read_and_written(device):
    allow(device, {"kind": "modbus", "where": "%s/%d" % (LINE, UNIT), "last": 499999})
    place = {"path": LINE, "unit": UNIT, "line": {"baud": 115200}}
    told = call(device, "modbus.read", dict(place, address=10, count=4))
    assert told == {"values": [30, 33, 36, 39]}
    call(device, "modbus.write", dict(place, address=60, values=[1234, 5678]))
    assert call(device, "modbus.read", dict(place, address=61)) == {"values": [5678]}


def test_a_watchdog_is_armed_fed_and_stopped(device):
    timer = [each for each in call(device, "watchdog.list") if "i6300" in each["name"]][0]
    allow(device, {"kind": "device", "where": timer["path"]})
    words = {"path": timer["path"], "timeout_s": 30}
    assert call(device, "watchdog.start", words) == {"timeout_s": 30}
    call(device, "watchdog.feed", {"path": timer["path"]})
    call(device, "watchdog.stop", {"path": timer["path"]})
    told = [each for each in call(device, "watchdog.list") if each["path"] == timer["path"]][0]
    assert not told["active"] and told["timeout_s"] == 30
