"""The input contract, on fake devices of several machines and on a real driver."""

from device_lab import transport_to
from support import raises, skip

from agent.devices import codes, input, layout
from agent.devices.faults import DeviceError
from agent.devices.input_fake import FakeInput
from agent.devices.ioctl_fake import FakeTransport

PATH = "/dev/input/event0"


class Fake:
    def __init__(self, target):
        self.driver = FakeInput(target, "limpet button")
        self.transport = FakeTransport({PATH: self.driver}, target)
        self.press = self.driver.press


class Real:
    press = None

    def __init__(self):
        self.transport = transport_to(PATH)


IMPLEMENTATIONS = [
    ("fake-64", lambda: Fake((codes.GENERIC, layout.LINUX_64))),
    ("fake-32", lambda: Fake((codes.GENERIC, layout.LINUX_32))),
    ("fake-mips-be", lambda: Fake((codes.MIPS, layout.Abi(4, 8, ">")))),
]
if transport_to(PATH):
    IMPLEMENTATIONS.append(("linux", Real))


def pressable(start):
    here = start()
    if here.press is None:
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
        here.press(30, 1)
        here.press(30, 0)
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
            here.press(48)
        assert input.read_events(device, 64).dropped


def test_a_strange_request_is_refused_with_its_name(start):
    with start().transport.open(PATH) as device:
        error = raises(DeviceError, device.ask, "MTIOCGET")
        assert error.code == "bad-params" and "MTIOCGET" in error.message
