"""The SPI contract, on fake drivers, a board's bus, and a lab's flash memory SST25VF016B."""

import fake_machine
from device_lab import TARGETS, in_lab, transport_to
from device_registry import Bench
from support import raises, skip

from agent.devices import spi
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.spi_fake import FakeChip
from agent.errors import LimpetError

PATH = "/dev/spidev0.0"


def answer(data):
    return bytes([byte ^ 0xFF for byte in data])


class Fake:
    path = PATH

    def __init__(self, target):
        self.driver = FakeChip(target, answer)
        self.transport = FakeTransport({PATH: self.driver}, target)
        self.chips = spi.Chips(self.transport)


class Board:
    path, driver = "spi0", None

    def __init__(self):
        fake_machine.spi_peer[0] = answer
        fake_machine.levels.clear()
        self.chips = fake_machine.load("spi_machine").make(None)


class Lab:
    """A chip that answers what it is asked, and 0xff else."""

    path, driver = PATH, None

    def __init__(self):
        self.transport = transport_to(PATH)
        self.chips = spi.Chips(self.transport)


def fake_on(target):
    return lambda: Fake(target)


IMPLEMENTATIONS = [(name, fake_on(target)) for name, target in TARGETS] + [("machine", Board)]
if in_lab(PATH):
    IMPLEMENTATIONS.append(("lab", Lab))


def settings(**changes):
    return dict(spi.DEFAULTS, **changes)


def test_as_many_bytes_come_back_as_were_sent(start):
    here = start()
    for size in (1, 3, 256, spi.MAX_BYTES):
        data = bytes([i & 0xFF for i in range(size)])
        with here.chips.open(here.path, settings(mode=3)) as chip:
            back = chip.transfer(data)
            assert len(back) == size and (isinstance(here, Lab) or back == answer(data))
    assert [chip["path"] for chip in here.chips.chips()] == [here.path]


def test_what_is_no_chip_is_refused(start):
    here = start()
    for path in ("/dev/null", "/dev/spidev9.9", "spi7", "spi", ""):
        raises(LimpetError, here.chips.open, path, settings())


def test_a_command_asks_the_policy_to_write(start):
    here = start()
    bench = Bench(spi=here.chips)
    told = bench.call("spi.transfer", path=here.path, data=[0x9F, 0])
    assert told == {"data": [0, 0xBF] if isinstance(here, Lab) else [0x60, 0xFF]}
    assert bench.asked == [("bus", here.path, 0, 0, True)]
    bench.check_closed([("spi.transfer", {"path": here.path, "data": [1]})])
    for data in ([], [256], [-1], [0] * (spi.MAX_BYTES + 1)):
        assert bench.refused("spi.transfer", path=here.path, data=data).code == "bad-params"
    error = bench.refused("spi.transfer", path=here.path, data=[1], settings={"mode": 4})
    assert "settings.mode" in error.message


def test_the_driver_gets_mode_speed_and_width(start):
    here = start()
    if here.driver is None:
        skip("drivers only")
    with here.chips.open(PATH, settings(mode=2, lsb_first=True, cs_high=True, bits=16)) as chip:
        chip.transfer(b"ab")
    assert here.driver.mode == 2 | 4 | 8 and here.driver.settings["bits_per_word"] == 16
    with here.chips.open(PATH, settings(speed_hz=50_000_000)) as chip:
        assert raises(LimpetError, chip.transfer, b"x").code == "bad-params"
    error = raises(LimpetError, here.chips.open, PATH, settings(cs=5))
    assert "boards" in error.message and here.transport.open_files == 0


def test_a_boards_pin_selects_the_chip_while_bytes_go(start):
    here = start()
    if not isinstance(here, Board):
        skip("boards only")
    seen = []

    def peer(data):
        seen.append(fake_machine.levels[5])
        return data

    fake_machine.spi_peer[0] = peer
    for cs_high, idle in ((False, 1), (True, 0)):
        with here.chips.open("spi0", settings(cs=5, cs_high=cs_high)) as chip:
            assert fake_machine.levels[5] == idle
            chip.transfer(b"x")
            assert fake_machine.levels[5] == idle
    assert seen == [0, 1]


def test_a_real_memory_is_written_and_read_back(start):
    here = start()
    if not isinstance(here, Lab):
        skip("a lab's alone")
    with here.chips.open(PATH, settings(speed_hz=1000000)) as chip:
        assert chip.transfer(b"\x9f\0\0\0")[1:] == b"\xbf\x25\x41"
        for command in (b"\x06", b"\x01\x00", b"\x06", b"\x20\0\x10\0", b"\x06"):
            chip.transfer(command)  # every block is open to writing, a sector is erased
        assert chip.transfer(b"\x05\0")[1] & 2  # may be written
        chip.transfer(b"\x02\0\x10\0" + b"\x5a")
        assert chip.transfer(b"\x03\0\x10\0\0\0")[4:] == b"\x5a\xff"
