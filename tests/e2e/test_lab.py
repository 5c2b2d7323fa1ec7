"""Real drivers, over MQTT: the lab's machine, agents on two runtimes, and paho-mqtt.

One machine boots for all of them. What each agent may reach is said by the policy, as in service.
"""

import json
import shutil
import time
from base64 import b64decode, b64encode

import pytest
from conftest import Caller, FieldDevice
from lab_calls import Device, allow, call, refusal
from labs import machine
from provision import Unavailable, runtimes

AGENTS = (("lab-micropython", "micropython-gil"), ("lab-cpython", "cpython"))
TAPE, CHIP = "/dev/nst0", "/dev/gpiochip0"
MTIOCTOP = 0x40086D01
BOOT_S = 150  # of patience, on a busy machine; 20 s to the drivers, 15 more to the agents
EDU = (0x1234, 0x11E8)
TESTDEV = (0x1B36, 0x0005)
LINE, UNIT = "/dev/ttyS1", 7
LIGHT, THERMOMETER = "input0::capslock", "28-000005e2fdc3"
INDEX, VALUE = 0x70, 0x71  # ports of the CMOS clock


@pytest.fixture(scope="module")
def lab(broker):
    """The machine with both agents online: a paho client that follows their status."""
    folder = machine.folder()
    field = FieldDevice("rtu", UNIT)
    caller = Caller(broker)
    caller.follow("limpet/+/status")
    try:
        agents = [(name, runtimes.path(runtime), "auto") for name, runtime in AGENTS]
        guest = machine.Machine(folder, broker.port, agents, line_port=field.port).start()
    except Unavailable as reason:
        field.close()
        caller.close()
        pytest.skip(str(reason))
    try:
        wait_for_all(caller)
        yield caller
    finally:
        guest.close()
        field.close()
        print(open(guest.console, errors="replace").read()[-6000:])
        caller.close()
        shutil.rmtree(folder)


def wait_for_all(caller):
    waiting = {name for name, _ in AGENTS}
    while waiting:
        message = caller.messages.get(timeout=BOOT_S)
        name = message.topic.split("/")[1]
        if b'"online"' in message.payload:
            waiting.discard(name)


@pytest.fixture(params=[name for name, _ in AGENTS])
def device(lab, request):
    """One of the agents, with a policy that allows what these tests do."""
    found = Device(request.param, lab)
    slot = edu_slot(found)
    board = bar_of(found, EDU, 0)["address"]
    port = slot_of(found, TESTDEV) + "/bar1"
    spans = [
        {"kind": "modbus", "where": "%s/%d" % (LINE, UNIT), "last": 499999},
        {"kind": "bus", "where": LINE},
        {"kind": "device", "where": "/dev/rtc0"},
        {"kind": "memory", "where": "physical", "first": board, "last": board + 7},
        {"kind": "memory", "where": "ports", "first": INDEX, "last": VALUE},
        {"kind": "pci", "where": port, "last": 63},
        {"kind": "ioctl", "where": TAPE, "first": MTIOCTOP, "last": MTIOCTOP},
        {"kind": "ioctl", "where": keys_path(found), "first": 0, "last": 0, "write": False},
        {"kind": "pin", "where": CHIP, "first": 0, "last": 5},
        {"kind": "pci", "where": slot + "/bar0", "first": 0, "last": 0xFF},
        {"kind": "bus", "where": stub_path(found), "first": 0x48, "last": 0x48},
        {"kind": "device", "where": sensor_path(found), "write": False},
        {"kind": "device", "where": LIGHT},
        {"kind": "bus", "where": "w1", "write": False},
    ]
    allow(found, *spans)
    return found


def function(device, ids):
    found = call(device, "pci.list", {"vendor": ids[0], "device": ids[1]})
    assert len(found) == 1
    return found[0]


def slot_of(device, ids):
    return function(device, ids)["slot"]


def bar_of(device, ids, number):
    return [bar for bar in function(device, ids)["bars"] if bar["bar"] == number][0]


def edu_slot(device):
    return slot_of(device, EDU)


def keys_path(device):
    found = [each for each in call(device, "input.list") if each.get("name") == "limpet button"]
    assert len(found) == 1
    return found[0]["path"]


def stub_path(device):
    found = [bus["path"] for bus in call(device, "i2c.list") if "stub" in bus["name"]]
    assert len(found) == 1
    return found[0]


def sensor_path(device):
    return [each["path"] for each in call(device, "adc.list") if each["name"] == "ads1015"][0]


def tape(device, operation, **params):
    params.update({"path": TAPE, "operation": operation})
    return call(device, "tape.operate", params)


def test_a_tape_is_rewound_as_in_the_talk(device):
    tape(device, "rewind")
    block = b64encode(b"limpet" * 85 + b"2!").decode()
    call(device, "tape.write", {"path": TAPE, "blocks": [block]})
    tape(device, "eod")
    before = call(device, "tape.status", {"path": TAPE})
    assert before["file_number"] == 1
    tape(device, "rewind")
    after = call(device, "tape.status", {"path": TAPE})
    assert (after["file_number"], after["block_number"], after["partition"]) == (0, 0, 0)
    assert "bot" in after["flags"]


def test_two_files_are_written_spaced_to_and_read_back(device):
    # The emulated drive keeps four bytes of each block, and gives zeros for the rest.
    files = [b64encode(text + bytes(508)).decode() for text in (b"limp", b"rock")]
    tape(device, "rewind")
    for block in files:
        call(device, "tape.write", {"path": TAPE, "blocks": [block]})
    for number, block in enumerate(files):
        tape(device, "rewind")
        if number:
            tape(device, "fsf", count=number)
        told = call(device, "tape.read", {"path": TAPE, "size_bytes": 512})
        assert told["blocks"] == [block]


def test_a_tape_is_stored_as_in_the_talk_by_one_task(device):
    block = b64encode(b"limp" + bytes(508)).decode()
    told = call(device, "tape.store", {"path": TAPE, "blocks": [block]})
    assert told == {"blocks": 1, "size_bytes": 512, "verified": True}


def test_an_error_of_the_tape_names_errno_request_and_path(device):
    tape(device, "rewind")
    error = refusal(device, "tape.operate", {"path": TAPE, "operation": "fsf", "count": 5000})
    assert error["data"]["path"] == TAPE and error["data"]["errno"] == 5
    assert error["data"]["request"]["name"] == "MTIOCTOP" and "EIO" in error["message"]


def test_a_key_has_a_name_and_is_felt(device):
    path = keys_path(device)
    told = call(device, "input.describe", {"path": path})
    assert told["name"] == "limpet button" and told["keys"] == [30]
    assert (told["vendor"], told["product"]) == (0x1D6B, 0x0104)
    batch = call(device, "input.read", {"path": path, "wait_ms": 5000})
    first = batch["events"][0]
    assert (first["type"], first["code"]) == ("key", 30) and first["time_us"] > 0


def test_a_line_is_driven_and_an_edge_is_felt(device):
    chip = call(device, "gpio.list")[0]
    assert chip["label"] == "limpet" and chip["lines"][3]["name"] == "button"
    for value in (1, 0):
        told = call(device, "gpio.write", {"path": CHIP, "line": 5, "value": value})
        assert told["value"] == value and told["before"] in (0, 1)
    assert call(device, "gpio.read", {"path": CHIP, "line": 0}) == {"value": 0}
    told = call(device, "gpio.wait", {"path": CHIP, "line": 3, "wait_ms": 5000})
    edge = told["edges"][0]
    assert edge["line"] == 3 and edge["edge"] in ("rising", "falling") and edge["time_ns"] > 0
    assert refusal(device, "gpio.read", {"path": CHIP, "line": 6})["code"] == "denied"


def test_a_register_of_a_chip_goes_there_and_back(device):
    place = {"path": stub_path(device), "address": 0x48, "register": 0x10}
    for data in ([0x12], [0x34, 0x56], [1, 2, 3, 4, 5]):
        call(device, "i2c.write", dict(place, data=data))
        assert call(device, "i2c.read", dict(place, size=len(data))) == {"data": data}
    assert call(device, "i2c.write", dict(place, data=[7])) == {"before": [1]}
    assert refusal(device, "i2c.read", dict(place, address=0x49))["code"] == "denied"


def test_a_converter_tells_its_channels_apart(device):
    path = sensor_path(device)
    for channel, value in (("voltage0", 1000), ("voltage1", 250), ("voltage0-voltage1", 750)):
        told = call(device, "adc.read", {"path": path, "channel": channel})
        assert told == {"raw": value, "value": value, "unit": "mV"}
    assert "voltage0" in refusal(device, "adc.read", {"path": path, "channel": "smell"})["message"]
    other = [each for each in call(device, "adc.list") if each["name"] == "mcp2221"][0]["path"]
    assert refusal(device, "adc.read", {"path": other, "channel": "voltage0"})["code"] == "denied"


def test_thermometers_are_found_and_read(device):
    found = ["28-000000000001", THERMOMETER]
    assert call(device, "onewire.list") == {"devices": found}
    for name, value in zip(found, (-10062, 23125), strict=True):
        told = call(device, "onewire.read", {"device": name})
        assert told == {"millidegrees": value, "unit": "m°C"}


def test_a_keyboards_light_is_lit_and_blinks(device):
    told = [each for each in call(device, "led.list") if each["path"] == LIGHT]
    assert told[0]["most"] == 1
    for before, level in ((0, 1), (1, 0)):
        assert call(device, "led.set", {"path": LIGHT, "level": level}) == {"before": before}
    steps = [{"level": 1, "ms": 5}, {"level": 0, "ms": 5}]
    assert call(device, "led.blink", {"path": LIGHT, "pattern": steps, "times": 3}) == {}
    denied = {"path": "input0::numlock", "level": 1}
    assert refusal(device, "led.set", denied)["code"] == "denied"


def test_edu_computes_a_factorial_through_its_bar(device):
    slot = edu_slot(device)

    def register(offset):
        return call(device, "pci.read", {"slot": slot, "bar": 0, "offset": offset})["value"]

    def store(offset, value):
        params = {"slot": slot, "bar": 0, "offset": offset, "value": value}
        return call(device, "pci.write", params)

    assert register(0) & 0xFFFF == 0x00ED  # identification: 0x010000ed
    store(4, 0x12345678)
    assert register(4) == 0xEDCBA987  # liveness: what was written, inverted
    store(8, 10)
    while register(0x20) & 1:  # computing
        pass
    assert register(8) == 3628800


def test_a_register_is_the_same_in_physical_memory(device):
    address = bar_of(device, EDU, 0)["address"]
    told = call(device, "memory.read", {"address": address})
    assert told["value"] & 0xFFFF == 0x00ED
    call(device, "memory.write", {"address": address + 4, "value": 0x0F0F0F0F})
    assert call(device, "memory.read", {"address": address + 4})["value"] == 0xF0F0F0F0
    assert refusal(device, "memory.read", {"address": address + 8})["code"] == "denied"
    assert refusal(device, "memory.read", {"address": address + 2})["code"] == "bad-params"


def test_ports_are_reached_one_by_one_and_through_a_bar(device):
    ports = {"space": "ports", "width": 1}
    call(device, "memory.write", dict(ports, address=INDEX, value=0x0A))
    assert call(device, "memory.read", dict(ports, address=VALUE))["value"] & 0x7F == 0x26
    place = {"slot": slot_of(device, TESTDEV), "bar": 1}
    call(device, "pci.write", dict(place, offset=0, width=1, value=0))
    name = bytes(
        call(device, "pci.read", dict(place, offset=16 + i, width=1))["value"] for i in range(6)
    )
    word = call(device, "pci.read", dict(place, offset=16, width=4))["value"]
    assert name == b"portio" and word.to_bytes(4, "little") == b"port"


def test_a_field_device_on_a_serial_line_is_read_and_written(device):
    place = {"path": LINE, "unit": UNIT, "line": {"baud": 115200}}
    told = call(device, "modbus.read", dict(place, address=10, count=4))
    assert told == {"values": [30, 33, 36, 39]}
    call(device, "modbus.write", dict(place, address=60, values=[1234, 5678]))
    wanted = [{"name": "both", "address": 60, "type": "u32", "unit": "Wh"}]
    told = call(device, "modbus.sample", dict(place, map=wanted))
    assert told["values"] == {"both": 1234 << 16 | 5678}
    error = refusal(device, "modbus.read", dict(place, address=64))
    assert error["data"]["exception"] == "illegal-data-address"
    frame = b"\x07\x03\x00\x0a\x00\x01"
    frame += checksum(frame)
    params = {"path": LINE, "line": {"baud": 115200}, "data": b64encode(frame).decode()}
    told = call(device, "uart.transact", dict(params, size=7))
    assert b64decode(told["data"])[:5] == b"\x07\x03\x02\x00\x1e"


def checksum(data):
    from pymodbus.framer.rtu import FramerRTU

    return FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_the_clock_with_the_battery_is_set_and_runs(device):
    assert [clock["path"] for clock in call(device, "rtc.list")] == ["/dev/rtc0"]
    now = call(device, "rtc.read", {"path": "/dev/rtc0"})["unix_s"]
    assert abs(now - time.time()) < 86400
    told = call(device, "rtc.set", {"path": "/dev/rtc0", "unix_s": 1800000000})
    assert abs(told["before"] - now) < 60
    told = call(device, "rtc.read", {"path": "/dev/rtc0"})
    assert 1800000000 <= told["unix_s"] < 1800000060 and told["time"].startswith("2027-01-15T0")
    call(device, "rtc.set", {"path": "/dev/rtc0", "unix_s": int(time.time())})


def test_a_bad_access_has_its_exact_text(device):
    slot = edu_slot(device)
    bar = call(device, "pci.list", {"vendor": EDU[0], "device": EDU[1]})[0]["bars"][0]
    assert bar["bar"] == 0 and bar["size_bytes"] == 1 << 20
    params = {"slot": slot, "bar": 0, "offset": 1 << 20}
    first, last = bar["address"], bar["address"] + (1 << 20) - 1
    words = (first, last, last + 1, last + 4)
    text = "PCI addr space is 0x%x-0x%x while tried to access 0x%x-0x%x." % words
    assert refusal(device, "pci.read", params) == {"code": "bad-params", "message": text}


def test_what_the_policy_does_not_allow_is_denied(device):
    slot = edu_slot(device)
    error = refusal(device, "pci.read", {"slot": slot, "bar": 0, "offset": 0x100})
    assert error["code"] == "denied" and "to read" in error["message"]
    error = refusal(
        device, "ioctl.call", {"path": "/dev/watchdog0", "request": "WDIOC_GETTIMEOUT"}
    )
    assert error["code"] == "denied"


def test_capabilities_tell_their_back_ends(device):
    told = call(device, "device.list")
    names = "ioctl tape input gpio pci window uart i2c rtc memory watchdog modbus adc led onewire"
    for name in names.split(" "):
        assert "backend" in told[name], told


def test_a_watchdog_that_starves_restarts_the_machine_and_the_agent_tells_why(lab):
    """The last one: it takes the machine down. The timer is a PCI function that outlives it."""
    starved = Device(AGENTS[0][0], lab)
    timer = [each for each in call(starved, "watchdog.list") if "i6300" in each["name"]][0]
    assert not timer["active"] and timer["reset_causes"] == []
    allow(starved, {"kind": "device", "where": timer["path"]})
    words = {"path": timer["path"], "timeout_s": 4, "feed": "caller"}
    assert call(starved, "watchdog.start", words) == {"timeout_s": 4}
    fed_until = time.monotonic() + 6
    while time.monotonic() < fed_until:  # longer than the timeout
        call(starved, "watchdog.feed", {"path": timer["path"]})
    told = [each for each in call(starved, "watchdog.list") if each["path"] == timer["path"]][0]
    assert told["active"]
    while not lab.messages.empty():
        lab.messages.get()
    wait_for_all(lab)
    again = [each for each in call(starved, "watchdog.list") if each["path"] == timer["path"]][0]
    assert again["reset_causes"] == ["watchdog"] and not again["active"]
    lab.follow("limpet/%s/about" % starved.name)
    about = json.loads(lab.messages.get(timeout=BOOT_S).payload)
    assert about["reset"] == ["watchdog"]
