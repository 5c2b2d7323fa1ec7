"""What a caller may ask of devices: families that load late, a guard that denies, no stall."""

from binascii import b2a_base64

import device_registry
from support import raises

from agent.commands import device, hardware
from agent.commands.registry import Registry
from agent.devices import codes, gpio, layout
from agent.devices.faults import DeviceError
from agent.devices.gpio_fake import FakeChip
from agent.devices.input_fake import FakeInput
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.tape_fake import FakeTape
from agent.errors import BadParams, LimpetError, Unavailable, UnknownMethod

TAPE = "/dev/nst0"
KEYS = "/dev/input/event3"
CHIP = "/dev/gpiochip0"
TARGET = (codes.GENERIC, layout.LINUX_32)


class Fakes(hardware.Hardware):
    def __init__(self, guard=hardware.allow_nothing, workers=0, keep_alive_ms=60000):
        super().__init__(guard, workers, keep_alive_ms)
        drivers = {
            TAPE: FakeTape(TARGET),
            KEYS: FakeInput(TARGET, "limpet button"),
            CHIP: FakeChip(TARGET),
        }
        self.transport = FakeTransport(drivers, TARGET)
        self.devices.put("ioctl", self.transport)
        self.devices.put("gpio", gpio.Chips(self.transport))


class Asked:
    """A guard that allows everything and remembers what it was asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, *words):
        self.calls.append(words)


def registry_over(here):
    registry = Registry()
    registry.add(device.commands(here))
    registry.add_families(device.FAMILIES, lambda name: device.load_family(name, here))
    return registry


def call(registry, method, **params):
    return device_registry.call(registry, method, params)


def test_a_family_is_loaded_when_it_is_asked_for():
    loaded = []
    here = Fakes()

    def load(name):
        loaded.append(name)
        return device.load_family(name, here)

    registry = Registry()
    registry.add_families(device.FAMILIES, load)
    before = registry.digest()
    raises(UnknownMethod, registry.find, "system.ping")
    assert loaded == []
    assert registry.find("tape.status").name == "tape.status"
    raises(UnknownMethod, registry.find, "tape.wind")
    assert loaded == ["tape"] and registry.digest() == before
    names, more = registry.page("", 1000)
    assert "ioctl.call" in names and not more and sorted(loaded) == sorted(device.FAMILIES)


def test_capabilities_are_listed_with_back_end_or_reason():
    told = call(registry_over(Fakes()), "device.list")
    assert all("backend" in line or line["absent"] for line in told.values())
    assert call(registry_over(Fakes()), "device.describe", name="tape")["backends"]


def test_without_a_policy_only_what_changes_nothing_is_asked():
    registry = registry_over(Fakes())
    assert call(registry, "tape.status", path=TAPE)["file_number"] == 0
    told = call(registry, "ioctl.call", path=TAPE, request="MTIOCGET")
    assert told["value"]["mt_type"] == 0x72
    told = call(registry, "ioctl.call", path=KEYS, request="EVIOCGNAME", size=64)
    assert told["status"] == 14
    for method, params in (
        ("tape.operate", {"path": TAPE, "operation": "rewind", "stall_ms": 9}),
        ("tape.write", {"path": TAPE, "blocks": ["eHh4"], "stall_ms": 9}),
        ("ioctl.call", {"path": TAPE, "request": "MTIOCTOP", "value": {"mt_op": 6}}),
        ("ioctl.call", {"path": TAPE, "request": "MTIOCGET", "write": True}),
        ("ioctl.call", {"path": TAPE + "/../st0", "request": "MTIOCGET"}),
        ("ioctl.call", {"path": "/dev/watchdog0", "request": "WDIOC_GETTIMEOUT"}),
        ("ioctl.call", {"path": "/dev/st0", "request": "MTIOCGET"}),
        ("input.read", {"path": KEYS, "wait_ms": 0}),
    ):
        assert raises(LimpetError, call, registry, method, **params).code == "denied", method


def test_the_guard_is_asked_for_the_very_request():
    guard = Asked()
    registry = registry_over(Fakes(guard, workers=0))
    call(registry, "tape.operate", path=TAPE, operation="weof", stall_ms=100)
    assert guard.calls == [("ioctl", TAPE, 0x40086D01, 0x40086D01, True)]


def test_what_may_last_is_refused_where_it_would_stop_the_agent():
    registry = registry_over(Fakes(Asked()))
    error = raises(Unavailable, call, registry, "tape.operate", path=TAPE, operation="rewind")
    assert "without workers" in error.message and "at most 30000" in error.message
    error = raises(
        BadParams, call, registry, "tape.operate", path=TAPE, operation="rewind", stall_ms=30001
    )
    assert "half the keep-alive" in error.message
    for request in ("MTIOCTOP", 0xC0185A99):
        error = raises(Unavailable, call, registry, "ioctl.call", path=TAPE, request=request)
        assert "stall_ms" in error.message


def test_a_tape_is_written_and_read_by_commands():
    registry = registry_over(Fakes(Asked()))
    blocks = [b2a_base64(b"first").decode().strip(), b2a_base64(b"second").decode().strip()]
    told = call(registry, "tape.write", path=TAPE, blocks=blocks, stall_ms=10)
    assert (told["file_number"], told["block_number"]) == (1, 0)
    call(registry, "tape.operate", path=TAPE, operation="rewind", stall_ms=10)
    told = call(registry, "tape.read", path=TAPE, blocks=8, size_bytes=512, stall_ms=10)
    assert told == {"blocks": blocks, "mark": True}


def test_errors_of_the_driver_pass_and_nothing_stays_open():
    here = Fakes(Asked())
    registry = registry_over(here)
    for method, params in (
        ("tape.operate", {"path": TAPE, "operation": "fsf", "count": 9, "stall_ms": 9}),
        ("tape.status", {"path": KEYS}),
        ("input.describe", {"path": TAPE}),
        ("ioctl.call", {"path": KEYS, "request": "WDIOC_GETTIMEOUT"}),
        ("ioctl.call", {"path": "/dev/nst7", "request": "MTIOCGET"}),
    ):
        error = raises(DeviceError, call, registry, method, **params)
        assert error.data["path"] == params["path"] and error.data["name"]
    assert here.transport.open_files == 0


def test_wrong_arguments_name_themselves():
    registry = registry_over(Fakes(Asked()))
    for params, words in (
        ({"request": "NOSUCH"}, "request: NOSUCH"),
        ({"request": "EVIOCGNAME"}, "size: missing"),
        ({"request": 1 << 32}, "request: "),
        ({"request": True}, "request: expected a name or a number"),
        ({"request": "EVIOCGRAB", "value": "x"}, "value.value: expected an integer"),
        ({"request": "MTIOCTOP", "value": {"op": 6}, "stall_ms": 5}, "value.op: unknown"),
        ({"request": "EVIOCGID", "data": "AAAA"}, "data: expected 8 bytes, got 3"),
        ({"request": "EVIOCGNAME", "size": 8, "value": 5}, "value: this request takes"),
    ):
        error = raises(BadParams, call, registry, "ioctl.call", path=KEYS, **params)
        assert words in error.message, error.message


def test_a_request_is_described():
    told = call(registry_over(Fakes()), "ioctl.describe", request=0x801C6D02)
    assert told["name"] == "MTIOCGET" and told["size_bytes"] == 28


def test_an_input_device_is_described_and_read():
    here = Fakes(Asked())
    registry = registry_over(here)
    told = call(registry, "input.describe", path=KEYS)
    assert told["name"] == "limpet button" and told["keys"] == [30, 46, 48]


class OneBoard:
    """A bus with one function, for the order of what is asked."""

    def __init__(self):
        self.touched = []

    def check(self, slot, bar, offset, width):
        if offset + width > 32:
            raise BadParams("PCI addr space")

    def load(self, *place):
        self.touched.append(place)
        return 7

    def store(self, *place):
        self.touched.append(place)
        return 8


def test_a_register_is_touched_only_after_header_and_policy_agree():
    guard = Asked()
    here = Fakes(guard)
    board = OneBoard()
    here.devices.put("pci", board)
    registry = registry_over(here)
    place = {"slot": "0000:00:04.0", "bar": 0, "offset": 8}
    raises(BadParams, call, registry, "pci.read", slot=place["slot"], bar=0, offset=30)
    assert guard.calls == [] and board.touched == []
    assert call(registry, "pci.read", **place) == {"value": 7}
    assert guard.calls == [("pci", "0000:00:04.0/bar0", 8, 11, False)]
    assert call(registry, "pci.write", value=1, dry_run=True, **place) == {"before": None}
    assert board.touched == [("0000:00:04.0", 0, 8, 4)]
    assert call(registry, "pci.write", value=1, **place) == {"before": 8}
    here.guard = hardware.allow_nothing
    assert raises(LimpetError, call, registry, "pci.read", **place).code == "denied"
    assert len(board.touched) == 2


def test_a_line_is_written_and_read_where_the_policy_allows():
    guard = Asked()
    here = Fakes(guard)
    registry = registry_over(here)
    told = call(registry, "gpio.write", path=CHIP, line=2, value=0, active_low=True)
    assert told == {"value": 0, "before": 1}
    assert call(registry, "gpio.read", path=CHIP, line=2) == {"value": 1}
    assert guard.calls == [("pin", CHIP, 2, 2, True), ("pin", CHIP, 2, 2, False)]
    raises(DeviceError, call, registry, "gpio.read", path=CHIP, line=9)
    assert here.transport.open_files == 0
    here.guard = hardware.allow_nothing
    assert raises(LimpetError, call, registry, "gpio.read", path=CHIP, line=2).code == "denied"


def test_a_tape_is_stored_in_one_task_that_tells_how_far_it_is():
    here = Fakes(Asked())
    registry = registry_over(here)
    blocks = [b2a_base64(text).decode().strip() for text in (b"first", b"second block")]
    command = registry.find("tape.store")
    params = {"path": TAPE, "blocks": blocks, "stall_ms": 10}
    job = device_registry.Job()
    steps = command.call(registry.checked_params(command, params), job)
    count = 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as end:
            told = end.value
            break
    assert told == {"blocks": 2, "size_bytes": 17, "verified": True}
    assert count == len(job.told) == 6  # a place to cancel it before every step
    assert [phase for _, phase in job.told] == [
        "rewinding", "writing", "writing", "rewinding", "reading back", "reading back"
    ]  # fmt: skip
    assert [fraction for fraction, _ in job.told] == [0, 0, 0.25, 0.5, 0.5, 0.75]
    assert here.transport.open_files == 0


def test_a_tape_that_is_not_ready_is_not_written_to():
    here = Fakes(Asked())
    registry = registry_over(here)
    params = {"path": TAPE, "blocks": ["eHh4"], "stall_ms": 10}
    assert call(registry, "tape.store", unload=True, **params)["blocks"] == 1
    error = raises(DeviceError, call, registry, "tape.store", **params)
    assert error.code == "unavailable" and here.transport.open_files == 0
    here = Fakes(Asked())
    here.transport = FakeTransport({TAPE: FakeTape(TARGET, protected=True)}, TARGET)
    here.devices.put("ioctl", here.transport)
    error = raises(DeviceError, call, registry_over(here), "tape.store", **params)
    assert error.code == "denied"


def test_a_cancelled_store_gives_the_drive_back():
    here = Fakes(Asked())
    registry = registry_over(here)
    command = registry.find("tape.store")
    params = {"path": TAPE, "blocks": ["eHh4"], "stall_ms": 10}
    steps = command.call(registry.checked_params(command, params), device_registry.Job())
    next(steps)
    assert here.transport.open_files == 1
    raises(KeyError, steps.throw, KeyError("cancelled"))
    assert here.transport.open_files == 0
