"""A 32-bit ARM board with SPI, PWM and an I2C bus of its own, the single file in it, over MQTT.

The board is emulated to its controllers; kernel, drivers and device tree are those that a real one
boots. The contract tests run in it first, on the same file. The agent has no workers.
"""

import json
import time

import pytest
from conftest import PATIENCE_S
from lab_calls import allow, call, finish, guest_online, refusal
from labs import machine

NAME = "lab-limpetd"
NAMES = ("spi", "analog")  # whose contract tests run there
CHECKS = tuple("tests/contract/test_device_%s.py" % name for name in NAMES)
FLASH, PULSES, THERMOMETER = "/dev/spidev0.0", "pwmchip0", "28-000005e2fdc3"
BOOT_S = 600  # of patience, on a busy machine; 60 s on an idle one, with the contract tests


@pytest.fixture(scope="module")
def lab(broker):
    """The agent in the guest once it is online, and the guest."""
    options = {"checks": CHECKS, "kind": "sabrelite"}
    with guest_online(broker, NAME, 0, BOOT_S, **options) as found:
        yield found


@pytest.fixture
def device(lab):
    return lab[0]


def test_its_drivers_keep_the_contracts_of_their_fakes(lab):
    told = lab[1].wait_for_checks(0.1)
    assert min(machine.passed_checks(told, [NAME])) >= 34


def test_a_flash_memory_on_spi_tells_its_maker_and_keeps_what_is_written(device):
    assert [chip["path"] for chip in call(device, "spi.list")] == [FLASH]
    assert refusal(device, "spi.transfer", {"path": FLASH, "data": [0x9F]})["code"] == "denied"
    allow(device, {"kind": "bus", "where": FLASH})

    def transfer(*data):
        words = {"path": FLASH, "data": list(data), "settings": {"speed_hz": 1000000}}
        return call(device, "spi.transfer", words)["data"]

    assert transfer(0x9F, 0, 0, 0)[1:] == [0xBF, 0x25, 0x41]  # Microchip, SST25VF016B
    for command in ([0x01, 0], [0x20, 0, 0x20, 0], [0x02, 0, 0x20, 0, 0x42]):
        transfer(0x06)  # allow the next: unprotect, erase a sector, write a byte
        transfer(*command)
    assert transfer(0x03, 0, 0x20, 0, 0, 0)[4:] == [0x42, 0xFF]


def test_pulses_are_set_and_go_on(device):
    assert {"path": PULSES, "channels": 1} in call(device, "pwm.list")
    allow(device, {"kind": "pin", "where": PULSES, "first": 0, "last": 0})
    place = {"path": PULSES, "channel": 0, "period_ns": 1000000}
    call(device, "pwm.set", dict(place, duty_ns=250000))
    told = call(device, "pwm.set", dict(place, duty_ns=0, enabled=False))["before"]
    wanted = {"period_ns": 1000000, "duty_ns": 250000, "enabled": True, "inverted": False}
    assert told == wanted


def test_a_clock_chip_on_i2c_is_read_and_set(device):
    bus = [bus["path"] for bus in call(device, "i2c.list") if "MCP" not in bus["name"]][0]
    allow(device, {"kind": "bus", "where": bus, "first": 0x68, "last": 0x68})
    place = {"path": bus, "address": 0x68, "register": 8}  # a DS1338; its memory begins there
    call(device, "i2c.write", dict(place, data=[1, 2, 3]))
    assert call(device, "i2c.read", dict(place, size=3)) == {"data": [1, 2, 3]}
    assert call(device, "i2c.write", dict(place, data=[9])) == {"before": [1]}


def test_a_converter_and_a_thermometer_measure(device):
    sensor = [each for each in call(device, "adc.list") if each["name"] == "ads1015"][0]["path"]
    allow(device, {"kind": "device", "where": sensor})
    told = call(device, "adc.read", {"path": sensor, "channel": "voltage1"})
    assert told == {"raw": 250, "value": 250, "unit": "mV"}
    allow(device, {"kind": "bus", "where": "w1"})
    told = call(device, "onewire.read", {"device": THERMOMETER})
    assert told == {"millidegrees": 23125, "unit": "m°C"}


def test_lines_of_the_boards_own_chips_are_driven(device):
    told = [c for c in call(device, "gpio.list") if c["label"].endswith(".gpio")]
    assert [chip["count"] for chip in told] == [32] * 7  # more lines than one answer holds
    chips = [chip["path"] for chip in told]
    lines = call(device, "gpio.list", {"path": chips[6], "first": 30})[0]["lines"]
    assert [line["line"] for line in lines] == [30, 31]
    allow(device, {"kind": "pin", "where": chips[0], "first": 4, "last": 4})
    for value in (1, 0):
        told = call(device, "gpio.write", {"path": chips[0], "line": 4, "value": value})
        assert told["value"] == value


def path_of_input(device, name):
    """Its path, once the kernel has found it: the lines that it needs may come later."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        listed = call(device, "input.list")
        found = [one["path"] for one in listed if one.get("name") == name]
        if found:
            return found[0]
        assert time.monotonic() < give_up, listed


def test_who_waits_for_an_edge_and_a_key_stops_nobody_without_workers(device):
    chip = [c for c in call(device, "gpio.list") if c["label"] == "limpet"][0]["path"]
    key = path_of_input(device, "gpio-keys")
    spans = (
        {"kind": "pin", "where": chip, "first": 1, "last": 1},
        {"kind": "ioctl", "where": key},
    )
    allow(device, *spans)
    waits = (("gpio.wait", {"path": chip, "line": 1}), ("input.read", {"path": key}))
    names = []
    for method, params in waits:
        names.append("waits-for-nothing-%s" % method)
        words = {"id": names[-1], "method": method, "params": dict(params, wait_ms=10000)}
        device.caller.publish(device, json.dumps(dict(words, reply=device.caller.topic)))
    for _ in range(5):
        assert call(device, "system.ping") == {}
    for name in names:
        state = device.caller.call(device, "job.get", {"job": name})["result"]["state"]
        assert state == "running"  # and five calls were answered meanwhile
    assert finish(device, names[0])["edges"] == [] and finish(device, names[1])["events"] == []
