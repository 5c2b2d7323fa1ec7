"""The contract of physical memory: over a fake window, this runtime's own on a file, a board's."""

import fake_machine
from device_lab import real
from device_registry import Bench
from support import raises, temporary_folder

from agent.devices import memory, ports
from agent.devices.pci import BadAccess
from agent.devices.window_fake import FakeWindows
from agent.errors import LimpetError

START = 0x1000


class Fake:
    widest = 8

    def __init__(self):
        windows = FakeWindows({"/dev/mem": bytearray(0x2000), "/dev/port": bytearray(256)})
        self.memory = memory.Memory(windows, windows)

    def close(self):
        pass


class OnFile:
    """This runtime's own windows, on a file that stands for /dev/mem."""

    widest = 8

    def __init__(self):
        self._folder = temporary_folder()
        path = self._folder.__enter__() + "/mem"
        with open(path, "wb") as file:
            file.write(bytes(0x2000))
        windows = real("window")

        class Windows:
            def open_window(self, name, size, writable, offset):
                return windows.open_window(path, size, writable, offset)

        class Ports:
            def open_window(self, name, size, writable, offset):
                return ports.open_window(path, size, writable)

        self.memory = memory.Memory(Windows(), Ports())

    def close(self):
        self._folder.__exit__()


class Board:
    widest = 4

    def __init__(self):
        fake_machine.ram[:] = bytes(64)
        self.memory = fake_machine.load("memory_machine").make(None)

    def close(self):
        pass


IMPLEMENTATIONS = [("fake", Fake), ("machine", Board)]
if real("window"):
    IMPLEMENTATIONS.append(("file", OnFile))


def test_what_is_stored_is_there_at_every_width_and_the_old_value_told(start):
    here = start()
    for width, value in ((1, 0xA5), (2, 0xBEEF), (4, 0xDEADBEEF), (8, 0x1122334455667788)):
        if width <= here.widest:
            here.memory.store("physical", START + 16, width, value)
            assert here.memory.load("physical", START + 16, width) == value
            assert here.memory.store("physical", START + 16, width, 0) == value
    here.memory.store("physical", START + 8, 4, 0x04030201)
    assert here.memory.load("physical", START + 9, 1) == 2
    assert here.memory.modify("physical", START + 8, 4, 0xFF00, 0x1234) == (0x04030201, 0x04031201)
    here.close()


def test_what_is_no_single_access_is_refused_before_anything_is_opened(start):
    here = start()
    for space, address, width in (
        ("physical", -4, 4),
        ("physical", START + 2, 4),
        ("physical", START, 3),
        ("physical", START, 0),
        ("physical", 1 << 48, 1),
        ("ports", 0x10000, 1),
        ("ports", 0x80, 2),
    ):
        raises(BadAccess, here.memory.load, space, address, width)
    for value in (256, -1):
        raises(BadAccess, here.memory.store, "physical", START, 1, value)
    here.close()


def test_ports_are_bytes(start):
    here = start()
    if isinstance(here, Board):
        assert "no I/O ports" in raises(LimpetError, here.memory.load, "ports", 0x80, 1).message
    else:
        assert here.memory.store("ports", 0x80, 1, 0x5A) == 0
        assert here.memory.load("ports", 0x80, 1) == 0x5A
    here.close()


def test_commands_ask_the_policy_for_those_very_bytes(start):
    here = start()
    bench = Bench(memory=here.memory)
    place = {"address": START + 4}
    assert bench.call("memory.write", value=7, **place) == {"before": 0}
    assert bench.call("memory.write", value=9, dry_run=True, **place) == {"before": None}
    assert bench.call("memory.read", **place) == {"value": 7}
    told = bench.call("memory.modify", mask=6, value=0, **place)
    assert told == {"before": 7, "after": 1}
    assert bench.asked[0] == ("memory", "physical", START + 4, START + 7, True)
    assert bench.asked[2] == ("memory", "physical", START + 4, START + 7, False)
    bench.check_closed(
        [
            ("memory.read", place),
            ("memory.write", dict(place, value=1)),
            ("memory.modify", dict(place, value=1, mask=1)),
        ]
    )
    assert "address" in bench.refused("memory.read", address=-1).message
    assert "fit" in bench.refused("memory.write", value=1 << 32, **place).message
    here.close()
