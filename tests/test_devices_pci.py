"""PCI headers, BARs and ranges against what boards of the field have."""

import struct

from support import raises

from agent.devices import pci
from agent.devices.pci import BadAccess, Bar

BOARD = Bar(2, "mem", 0x90503000, 32, False, False)


def header(kind=0, status=0x0280, size=64):
    data = bytearray(size)
    struct.pack_into("<HHHHBBBB", data, 0, 0x1147, 0x0C8E, 0x0002, status, 1, 0, 0, 0xFF)
    data[14] = kind
    struct.pack_into("<HH", data, 0x2C, 0x1147, 0x2090)
    data[60], data[61] = 16, 1
    return data


def test_a_header_of_64_bytes_is_read():
    told = pci.parse_header(header())
    assert (told["vendor_id"], told["device_id"]) == (0x1147, 0x0C8E) == (4423, 3214)
    assert (told["command"], told["status"], told["revision_id"]) == (2, 0x280, 1)
    assert told["class_code"] == 0xFF and told["kind"] == "device"
    assert (told["subsystem_vendor_id"], told["subsystem_id"]) == (0x1147, 0x2090)
    assert (told["interrupt_line"], told["interrupt_pin"]) == (16, 1)
    assert told["capabilities"] == []
    raises(ValueError, pci.parse_header, bytes(63))


def test_a_bridges_header_has_no_subsystem_there():
    told = pci.parse_header(header(0x81))
    assert told["kind"] == "bridge" and told["multifunction"]
    assert "subsystem_id" not in told
    assert pci.parse_header(header(0x42))["kind"] == "unknown"


def test_capabilities_are_walked_and_a_loop_ends():
    data = header(status=0x0010, size=256)
    data[0x34], data[0x40], data[0x41], data[0x50] = 0x40, 0x05, 0x50, 0x01
    found = [(each["id"], each["offset"]) for each in pci.parse_header(data)["capabilities"]]
    assert found == [(5, 0x40), (1, 0x50)]
    data[0x51] = 0x40
    assert len(pci.parse_header(data)["capabilities"]) == 48
    assert pci.parse_header(data[:64])["capabilities"] == []


def test_bars_keep_their_numbers():
    lines = (
        "0x0000000000002000 0x000000000000201f 0x0000000000040101",
        "0x0000000000000000 0x0000000000000000 0x0000000000000000",
        "0x0000004000000000 0x000000400007ffff 0x0000000000140204",
        "0x0000000000000000 0x0000000000000000 0x0000000000000000",
        "0x00000000f0000000 0x00000000ffffffff 0x0000000000042208",
        "0x0000000000000000 0x0000000000000000 0x0000000000000000",
        "0x00000000fea00000 0x00000000feafffff 0x0000000000046200",
    )
    assert pci.parse_bars("\n".join(lines) + "\n") == [
        Bar(0, "io", 0x2000, 32, False, False),
        Bar(2, "mem", 0x4000000000, 0x80000, True, False),
        Bar(4, "mem", 0xF0000000, 268435456, False, True),
    ]


def test_the_table_of_ranges():
    for offset, size, tried in (
        (0x1D, 4, "0x9050301d-0x90503020"),
        (0, 33, "0x90503000-0x90503020"),
        (32, 1, "0x90503020-0x90503020"),
        (-1, 1, "0x90502fff-0x90502fff"),
    ):
        error = raises(BadAccess, pci.check_range, BOARD, offset, size)
        expected = "PCI addr space is 0x90503000-0x9050301f while tried to access %s." % tried
        assert error.message == expected
    pci.check_range(BOARD, 0x1C, 4)
    pci.check_range(BOARD, 0, 32)
    for offset, size in ((0, 0), (1, 0), (5, -2), (0, 1 << 40), (1 << 70, 4)):
        raises(BadAccess, pci.check_range, BOARD, offset, size)


def test_an_access_has_a_width_an_alignment_and_a_decoder():
    pci.check_access(BOARD, 4, 4, 2)
    pci.check_access(BOARD, 8, 8, 2)
    for size in (0, 3, 5, 16, -4):
        assert "width" in raises(BadAccess, pci.check_access, BOARD, 0, size, 2).message
    port = Bar(0, "io", 0x2000, 32, False, False)
    assert "width" in raises(BadAccess, pci.check_access, port, 0, 8, 1).message
    assert "aligned" in raises(BadAccess, pci.check_access, BOARD, 2, 4, 2).message
    error = raises(BadAccess, pci.check_access, BOARD, 0, 4, 0x0005)
    assert error.message == (
        "BAR 2 is switched off: bit 1 of the command register 0x0005 is clear"
    )
    raises(BadAccess, pci.check_access, port, 0, 4, 2)
