"""PCI functions over a folder that looks like sysfs, through every window of this runtime."""

import os
import struct

from support import raises, skip, temporary_folder

from agent.devices import Devices
from agent.devices.faults import DeviceError
from agent.devices.pci import BadAccess
from agent.devices.pci_linux import Functions
from agent.devices.window_fake import FakeWindows
from agent.errors import Unavailable

SLOT = "0000:05:0d.0"
RESOURCE = (
    "0x90502000 0x9050201f 0x40200\n"
    "0x2000 0x201f 0x40101\n"
    "0x4000000000 0x4000000fff 0x140204\n"
    "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
)


class Real:
    def __init__(self, module):
        self._module = module

    def windows(self, folder):
        return self._module

    def content(self, path):
        with open(path, "rb") as file:
            return file.read(64)


class Fake:
    def windows(self, folder):
        path = "%s/%s/resource" % (folder, SLOT)
        self.memory = {path + "0": bytearray(4096), path + "2": bytearray(4096)}
        return FakeWindows(self.memory)

    def content(self, path):
        return bytes(self.memory[path][:64])


def implementations():
    found = [("fake", Fake())]
    try:
        name, module = Devices().load("window")
        found.append((name, Real(module)))
    except Unavailable:
        pass  # this runtime maps nothing: the fake alone
    return found


IMPLEMENTATIONS = implementations()


def with_board(kind, use, command=3):
    with temporary_folder() as folder:
        place = folder + "/" + SLOT
        os.mkdir(place)
        config = bytearray(256)
        struct.pack_into("<HHHHBBBB", config, 0, 0x1147, 0x0C8E, command, 0x0280, 1, 0, 0, 0xFF)
        for name, content in (
            ("config", config),
            ("resource", RESOURCE.encode()),
            ("resource0", bytes(4096)),
            ("resource1", bytes(32)),
            ("resource2", bytes(4096)),
        ):
            with open(place + "/" + name, "wb") as file:
                file.write(content)
        use(Functions(kind.windows(folder), folder), place)


def test_a_board_is_found_with_its_slot_and_bars(kind):
    def use(functions, place):
        assert functions.slots() == [SLOT]
        told = functions.header(SLOT)
        assert (told["slot"], told["vendor_id"], told["device_id"]) == (SLOT, 0x1147, 0x0C8E)
        assert [bar.number for bar in told["bars"]] == [0, 1, 2]

    with_board(kind, use)


def test_what_is_stored_is_there_and_read_at_every_width(kind):
    def use(functions, place):
        for width, value in ((1, 0xA5), (2, 0xBEEF), (4, 1234567), (8, 0x1122334455667788)):
            assert functions.store(SLOT, 0, 8, width, value) >= 0
            assert functions.load(SLOT, 0, 8, width) == value
        assert functions.load(SLOT, 0, 8, 4) == 0x55667788
        assert functions.load(SLOT, 0, 12, 2) == 0x3344
        functions.store(SLOT, 0, 0, 4, 1234567)
        assert kind.content(place + "/resource0")[:4] == b"\x87\xd6\x12\x00"

    with_board(kind, use)


def test_a_store_tells_what_was_there(kind):
    def use(functions, place):
        functions.store(SLOT, 2, 16, 4, 7)
        assert functions.store(SLOT, 2, 16, 4, 9) == 7
        assert functions.modify(SLOT, 2, 16, 4, 0x6, 0xFFFFFFF0) == (9, 9)
        assert functions.modify(SLOT, 2, 16, 4, 0x6, 0x2) == (9, 11)

    with_board(kind, use)


def test_a_bad_access_touches_nothing(kind):
    def use(functions, place):
        error = raises(BadAccess, functions.load, SLOT, 0, 0x20, 4)
        assert error.message == (
            "PCI addr space is 0x90502000-0x9050201f while tried to access 0x90502020-0x90502023."
        )
        for offset, width in ((-4, 4), (0, 3), (0, 0), (2, 4), (1 << 40, 4)):
            raises(BadAccess, functions.load, SLOT, 0, offset, width)
        for value in (-1, 256):
            assert "fit" in raises(BadAccess, functions.store, SLOT, 0, 0, 1, value).message
        raises(BadAccess, functions.modify, SLOT, 0, 0, 1, 256, 0)
        error = raises(BadAccess, functions.load, SLOT, 3, 0, 4)
        assert error.message == "0000:05:0d.0 has no BAR 3; it has 0, 1, 2"
        assert kind.content(place + "/resource0") == bytes(64)

    with_board(kind, use)


def test_a_function_that_is_switched_off_is_not_touched(kind):
    def use(functions, place):
        assert "switched off" in raises(BadAccess, functions.load, SLOT, 0, 0, 4).message

    with_board(kind, use, command=1)


def test_ports_are_reached_through_their_own_file(kind):
    def use(functions, place):
        for width, value in ((1, 0xA5), (2, 0xBEEF), (4, 1234567)):
            functions.store(SLOT, 1, 8, width, value)
            assert functions.load(SLOT, 1, 8, width) == value
        assert functions.modify(SLOT, 1, 8, 2, 0xFF, 1) == (0xD687, 0xD601)
        assert "width" in raises(BadAccess, functions.load, SLOT, 1, 0, 8).message
        raises(BadAccess, functions.load, SLOT, 1, 30, 4)

    with_board(kind, use)


def test_whoever_changes_a_register_keeps_others_out_meanwhile(kind):
    try:
        import fcntl
    except ImportError:
        skip("nothing here locks")

    def use(functions, place):
        with open(place + "/config", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            error = raises(DeviceError, functions.store, SLOT, 0, 0, 4, 1)
            assert error.code == "busy" and "lock" in error.message
            assert functions.load(SLOT, 0, 0, 4) == 0
        functions.store(SLOT, 0, 0, 4, 1)

    with_board(kind, use)


def test_a_slot_is_a_slot(kind):
    def use(functions, place):
        for slot in ("", "../../etc/pw", "0000:05:0d.", "0000-05-0d-0", "0000:05:0g.0"):
            assert "expected a slot" in raises(DeviceError, functions.header, slot).message
        error = raises(DeviceError, functions.header, "0000:05:0e.0")
        assert (error.code, error.data["name"]) == ("unavailable", "ENOENT")

    with_board(kind, use)


def test_a_board_that_vanished_says_so_and_leaves_nothing_open(kind):
    def use(functions, place):
        before = len(os.listdir("/proc/self/fd"))
        for name in ("config", "resource", "resource0", "resource1", "resource2"):
            os.remove(place + "/" + name)
        for _ in range(200):
            raises(DeviceError, functions.load, SLOT, 0, 0, 4)
        assert len(os.listdir("/proc/self/fd")) == before

    with_board(kind, use)
