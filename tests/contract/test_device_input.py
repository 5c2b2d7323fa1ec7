"""The input contract, on fake devices of several machines and on a real driver."""

from device_lab import implementations
from support import raises, skip

from agent.devices import input
from agent.devices.faults import DeviceError
from agent.devices.input_fake import FakeInput

PATH = "/dev/input/event0"
IMPLEMENTATIONS = implementations(PATH, lambda target: FakeInput(target, "limpet button"))


def pressable(start):
    here = start()
    if here.driver is None:
        skip("nobody presses this device's keys")
    return here


def test_a_device_tells_name_identity_and_kinds(start):
    with start().transport.open(PATH) as device:
        told = input.identify(device)
    assert told["name"] and "\0" not in told["name"]
    assert "sync" in told["events"] and "key" in told["events"]
    for member in ("bus", "vendor", "product", "version"):
        assert 0 <= told[member] <= 0xFFFF


def test_a_name_may_be_cut_by_the_caller(start):
    with start().transport.open(PATH) as device:
        whole = device.ask("EVIOCGNAME", 256)
        assert whole.endswith(b"\0") and device.ask("EVIOCGNAME", 4) == whole[:4]


def test_capabilities_are_codes(start):
    with start().transport.open(PATH) as device:
        keys = input.capabilities(device, "key")
        assert keys and keys == sorted(keys)
        raises(ValueError, input.capabilities, device, "smell")


def test_nothing_happened_is_an_empty_batch(start):
    with start().transport.open(PATH) as device:
        assert input.read_events(device, 8) == ([], False)


def test_events_come_in_order_and_whole(start):
    here = pressable(start)
    with here.transport.open(PATH) as device:
        here.driver.press(30, 1)
        here.driver.press(30, 0)
        batch = input.read_events(device, 8)
        assert [(e["type"], e["code"], e["value"]) for e in batch.events] == [
            ("key", 30, 1),
            ("key", 30, 0),
        ]
        assert batch.events[0]["time_us"] == 1000005 and not batch.dropped


def test_events_that_ran_over_are_told(start):
    here = pressable(start)
    with here.transport.open(PATH) as device:
        for _ in range(100):
            here.driver.press(48)
        assert input.read_events(device, 64).dropped


def test_a_strange_request_is_refused_with_its_name(start):
    with start().transport.open(PATH) as device:
        error = raises(DeviceError, device.ask, "MTIOCGET")
        assert error.code == "bad-params" and "MTIOCGET" in error.message
