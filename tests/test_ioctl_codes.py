"""Request codes of ioctl against values of the kernel's own headers, for each layout."""

from support import raises

from agent.devices import codes, layout, requests
from agent.devices.codes import GENERIC, MIPS, PARISC

PC = (GENERIC, layout.LINUX_64)
PI = (GENERIC, layout.LINUX_32)
MIPS_64 = (MIPS, layout.Abi(8, 8, ">"))
MIPS_32 = (MIPS, layout.Abi(4, 8, ">"))
HP = (PARISC, layout.Abi(4, 8, ">"))

# (request, size or None, index, target, code), worked out by a C compiler with kernel headers
VECTORS = (
    ("MTIOCTOP", None, 0, PC, 0x40086D01),
    ("MTIOCTOP", None, 0, PI, 0x40086D01),
    ("MTIOCGET", None, 0, PC, 0x80306D02),
    ("MTIOCGET", None, 0, PI, 0x801C6D02),
    ("MTIOCPOS", None, 0, PC, 0x80086D03),
    ("MTIOCPOS", None, 0, PI, 0x80046D03),
    ("EVIOCGNAME", 256, 0, PC, 0x81004506),
    ("EVIOCGNAME", 1024, 0, PC, 0x84004506),
    ("EVIOCGVERSION", None, 0, PC, 0x80044501),
    ("EVIOCGID", None, 0, PC, 0x80084502),
    ("EVIOCGPHYS", 256, 0, PC, 0x81004507),
    ("EVIOCGUNIQ", 256, 0, PC, 0x81004508),
    ("EVIOCGRAB", None, 0, PC, 0x40044590),
    ("EVIOCGBIT", 4, 0, PC, 0x80044520),
    ("EVIOCGABS", None, 0, PC, 0x80184540),
    ("EVIOCSFF", None, 0, PC, 0x40304580),
    ("EVIOCSFF", None, 0, PI, 0x402C4580),
    ("BLKRRPART", None, 0, PC, 0x0000125F),
    ("RNDGETENTCNT", None, 0, PC, 0x80045200),
    ("RNDADDTOENTCNT", None, 0, PC, 0x40045201),
    ("FIFREEZE", None, 0, PC, 0xC0045877),
    ("WDIOC_GETSUPPORT", None, 0, PC, 0x80285700),
    ("WDIOC_KEEPALIVE", None, 0, PC, 0x80045705),
    ("WDIOC_SETTIMEOUT", None, 0, PC, 0xC0045706),
    ("WDIOC_GETTIMEOUT", None, 0, PC, 0x80045707),
    ("RTC_RD_TIME", None, 0, PC, 0x80247009),
    ("GPIO_GET_CHIPINFO", None, 0, PC, 0x8044B401),
    ("GPIO_V2_GET_LINEINFO", None, 0, PC, 0xC100B405),
    ("GPIO_V2_GET_LINE", None, 0, PC, 0xC250B407),
    ("GPIO_V2_GET_LINE", None, 0, PI, 0xC250B407),
    ("GPIO_V2_LINE_SET_CONFIG", None, 0, PC, 0xC110B40D),
    ("GPIO_V2_LINE_GET_VALUES", None, 0, PC, 0xC010B40E),
    ("GPIO_V2_LINE_SET_VALUES", None, 0, PC, 0xC010B40F),
    ("WDIOC_SETPRETIMEOUT", None, 0, PC, 0xC0045708),
    ("WDIOC_GETPRETIMEOUT", None, 0, PC, 0x80045709),
    ("RTC_SET_TIME", None, 0, PC, 0x4024700A),
    ("TCGETS2", None, 0, PC, 0x802C542A),
    ("TCSETS2", None, 0, PI, 0x402C542B),
    ("TIOCSRS485", None, 0, PC, 0x542F),
    ("SPI_IOC_MESSAGE", None, 0, PC, 0x40206B00),
    ("SPI_IOC_MESSAGE", None, 0, PI, 0x40206B00),
    ("SPI_IOC_RD_MODE32", None, 0, PC, 0x80046B05),
    ("SPI_IOC_WR_MODE32", None, 0, PC, 0x40046B05),
    ("I2C_SMBUS", None, 0, PC, 0x0720),
    ("MTIOCTOP", None, 0, MIPS_64, 0x80086D01),
    ("MTIOCGET", None, 0, MIPS_64, 0x40306D02),
    ("MTIOCGET", None, 0, MIPS_32, 0x401C6D02),
    ("BLKRRPART", None, 0, MIPS_64, 0x2000125F),
    ("EVIOCGNAME", 256, 0, MIPS_64, 0x41004506),
    ("MTIOCTOP", None, 0, HP, 0x80086D01),
    ("MTIOCGET", None, 0, HP, 0x401C6D02),
    ("LOOP_SET_FD", None, 0, PC, 0x4C00),
    ("I2C_RDWR", None, 0, MIPS_64, 0x0707),
    ("SIOCGIFHWADDR", None, 0, PC, 0x8927),
)


def test_every_vector_is_built():
    for name, size, index, target, expected in VECTORS:
        made = requests.code_of(requests.find(name), target, size, index)
        assert made == expected, (name, hex(made), hex(expected))


def test_every_vector_is_recognised():
    for name, _, _, target, number in VECTORS:
        assert requests.describe(number, target)["name"] == name, hex(number)


def test_a_code_is_taken_apart_into_what_built_it():
    assert codes.take_apart(GENERIC, 0x80306D02) == ("read", 0x6D, 2, 48)
    for code_layout in codes.LAYOUTS:
        largest = codes.largest_size(code_layout)
        for direction in codes.DIRECTIONS:
            for kind, number, size in ((0, 0, 0), (0x6D, 2, 48), (255, 255, largest)):
                made = codes.build(code_layout, direction, kind, number, size)
                assert codes.take_apart(code_layout, made) == (direction, kind, number, size)


def test_an_unknown_request_is_still_described():
    words = requests.describe(0xC0185A99, PC)
    assert words["name"] is None and words["effect"] == "unknown"
    assert (words["direction"], words["type"], words["number"]) == ("both", "'Z'", 0x99)
    shown = requests.sentence(0xC0185A99, PC)
    assert shown == "an unknown request (0xc0185a99: both 'Z' 153, 24 bytes)"


def test_a_bare_number_has_no_direction_where_none_is_not_zero():
    assert codes.take_apart(MIPS, 0x4C00).direction == "legacy"
    assert codes.take_apart(GENERIC, 0x4C00).direction == "none"


def test_sizes_end_where_their_field_ends():
    assert codes.build(GENERIC, "both", "H", 7, 16383) == 0xFFFF4807
    for code_layout, size in ((GENERIC, 16384), (MIPS, 8192), (PARISC, 16384)):
        error = raises(ValueError, codes.build, code_layout, "both", "H", 7, size)
        assert str(error) == "size: expected 0 to %d, got %d" % (size - 1, size)


def test_what_does_not_fit_its_field_raises_and_names_it():
    for name, arguments in (
        ("size", ("read", "m", 1, -1)),
        ("number", ("read", "m", 256, 4)),
        ("number", ("read", "m", -1, 4)),
        ("type", ("read", 256, 1, 4)),
        ("type", ("read", "", 1, 4)),
        ("type", ("read", "mt", 1, 4)),
        ("direction", ("up", "m", 1, 4)),
    ):
        error = raises(ValueError, codes.build, GENERIC, *arguments)
        assert str(error).startswith(name + ":"), error
    for arguments in (("read", 1.5, 1, 4), ("read", "m", "1", 4), ("read", "m", 1, True)):
        raises(TypeError, codes.build, GENERIC, *arguments)


def test_a_request_has_32_bits():
    for number in (-1, 1 << 32):
        raises(ValueError, codes.take_apart, GENERIC, number)


def test_a_size_that_the_caller_chooses_is_asked_for():
    error = raises(ValueError, requests.code_of, requests.find("EVIOCGNAME"), PC)
    assert "size: missing" in str(error)
    error = raises(ValueError, requests.code_of, requests.find("EVIOCGBIT"), PC, 4, 32)
    assert "index" in str(error)


def test_machines_have_their_layouts():
    for machine, expected in (
        ("x86_64", GENERIC),
        ("armv7l", GENERIC),
        ("aarch64", GENERIC),
        ("riscv64", GENERIC),
        ("mips64", MIPS),
        ("ppc64le", MIPS),
        ("sparc64", MIPS),
        ("alpha", MIPS),
        ("parisc64", PARISC),
    ):
        assert codes.layout_of(machine) is expected, machine
