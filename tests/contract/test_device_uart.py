"""The contract of serial lines: fakes, a board's, and a pseudo terminal where there is one."""

import fake_machine
from device_lab import real
from support import raises, skip

from agent.devices import codes, layout, uart, waiting
from agent.devices.faults import DeviceError
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.sysfs_fake import FakeTree
from agent.devices.uart_fake import FakeLine
from agent.errors import LimpetError, Unavailable

PATH = "/dev/ttyS1"
TARGETS = (
    ("fake-64", (codes.GENERIC, layout.LINUX_64)),
    ("fake-32", (codes.GENERIC, layout.LINUX_32)),
    ("fake-be", (codes.GENERIC, layout.Abi(4, 8, ">"))),
)


class Fake:
    path = PATH

    def __init__(self, target, **options):
        self.driver = FakeLine(target, self._hear, **options)
        self.transport = FakeTransport({PATH: self.driver}, target)
        self.lines = uart.Lines(self.transport, FakeTree(self.driver.files))
        self.heard = b""
        self.say = self.driver.receive

    def _hear(self, data):
        self.heard += data
        return b""

    def hear(self, size):
        data, self.heard = self.heard[:size], self.heard[size:]
        return data

    def close(self):
        pass


class Board:
    path, driver = "uart1", None

    def __init__(self):
        self.lines = fake_machine.load("uart_machine").make(None)
        self.say = lambda data: fake_machine.serial["in"].extend(data)
        del fake_machine.serial_peer[:]
        fake_machine.serial.update({"in": bytearray(), "out": bytearray()})

    def hear(self, size):
        data = bytes(fake_machine.serial["out"][:size])
        fake_machine.serial["out"] = fake_machine.serial["out"][size:]
        return data

    def close(self):
        pass


class Pty:
    """The kernel's own pair of terminals: the far end is in the test's hand."""

    driver = None

    def __init__(self):
        self.transport = real("ioctl")
        self.end = self.transport.open("/dev/ptmx", True)
        self.end.call(0x40045431, bytearray(4))  # TIOCSPTLCK: unlock
        number = bytearray(4)
        self.end.call(0x80045430, number)  # TIOCGPTN
        self.path = "/dev/pts/%d" % int.from_bytes(number, "little")
        self.lines = uart.Lines(self.transport, FakeTree({}))

    def say(self, data):
        assert self.end.write(data) == len(data)

    def hear(self, size):
        return run(waiting.receive(Polled(self.end), size, 5000, 50))

    def close(self):
        self.end.close()


class Polled:
    def __init__(self, device):
        self.read = lambda size: device.read(size) or b""


def fake_on(target):
    return lambda: Fake(target)


def pty():
    try:
        here = Pty()
        here.lines.open(here.path, settings()).close()
        here.close()
        return [("pty", Pty)]
    except (LimpetError, AttributeError):
        return []  # no transport here, or an emulator that does not know these requests


def settings(**changes):
    return dict(uart.DEFAULTS, **changes)


def run(task):
    """A generator to its end; the rests are slept, since a terminal pair takes its time."""
    import time

    while True:
        try:
            rest = next(task)
        except StopIteration as end:
            return end.value
        time.sleep((rest or 0) / 1000)


IMPLEMENTATIONS = [(name, fake_on(target)) for name, target in TARGETS] + [("machine", Board)]
IMPLEMENTATIONS += pty()


def test_bytes_go_both_ways(start):
    here = start()
    with here.lines.open(here.path, settings()) as line:
        data = bytes(range(256))
        assert run(waiting.send(line, data, 1000)) == 256
        assert here.hear(256) == data
        assert line.read(10) == b""
        here.say(data)
        assert run(waiting.receive(line, 256, 5000, 200)) == data
    here.close()


def test_what_came_before_is_thrown_away(start):
    here = start()
    with here.lines.open(here.path, settings()) as line:
        here.say(b"old")
        run(waiting.until(5000, line.read, 1))
        line.flush_input()
        assert line.read(10) == b""
    here.close()


def test_nothing_comes_is_an_end_of_patience(start):
    here = start()
    with here.lines.open(here.path, settings()) as line:
        assert run(waiting.receive(line, 4, 5, 5)) == b""
        here.say(b"ab")
        assert run(waiting.receive(line, 4, 5000, 5)) == b"ab"
    here.close()


def test_settings_are_taken_with_any_speed(start):
    here = start()
    for changes in (
        {"baud": 115200},
        {"baud": 31250},
        {"bits": 7, "parity": "even", "stop": 2},
        {"parity": "odd"},
    ):
        if isinstance(here, Pty) and "bits" in changes:
            error = raises(DeviceError, here.lines.open, here.path, settings(**changes))
            assert "bits: the line cannot have 7" in error.message  # terminals have eight
            continue
        with here.lines.open(here.path, settings(**changes)) as line:
            assert line.baud == changes.get("baud", 9600)
    here.close()


def test_a_break_holds_the_line(start):
    here = start()
    with here.lines.open(here.path, settings()) as line:
        line.set_break(True)
        line.set_break(False)
    if here.driver:
        assert here.driver.breaks == [True, False]
    here.close()


def test_what_is_no_line_is_refused(start):
    here = start()
    for path in ("/dev/null", "/dev/ttyS99", "uart77", "uart", "", "/dev"):
        raises(LimpetError, here.lines.open, path, settings())
    here.close()


def fake(start):
    here = start()
    if here.driver is None:
        skip("only on fakes")
    return here


def test_the_driver_gets_what_was_asked_for(start):
    here = fake(start)
    wanted = settings(baud=57600, bits=7, parity="odd", stop=2, flow="hardware")
    with here.lines.open(PATH, wanted):
        told = here.driver.settings
    assert told["c_cflag"] == 0x80000000 | 0x1000 | 0x800 | 0x300 | 0x80 | 0x40 | 0x20
    assert told["c_lflag"] == told["c_oflag"] == 0 and told["c_ospeed"] == 57600
    with here.lines.open(PATH, settings(flow="software")):
        assert here.driver.settings["c_iflag"] == 0x1401


def test_a_speed_that_cannot_be_come_near_is_refused(start):
    here = Fake(fake(start).transport.target, speeds=(9600, 115200))
    assert here.lines.open(PATH, settings(baud=9700)).baud == 9600
    here = Fake(here.transport.target, speeds=(9600, 115200))
    error = raises(DeviceError, here.lines.open, PATH, settings(baud=19200))
    assert error.code == "bad-params" and "no nearer than 9600" in error.message
    assert here.transport.open_files == 0


def test_rs485_is_switched_by_the_driver_or_refused(start):
    here = fake(start)
    rs485 = {"rts_on_send": True, "before_ms": 1, "after_ms": 2}
    rs485.update({"receive_own": False, "terminate": False})
    with here.lines.open(PATH, settings(rs485=rs485)):
        assert here.driver.rs485["flags"] == 3 and here.driver.rs485["delay_rts_after_send"] == 2
    here = Fake(here.transport.target, rs485=False)
    error = raises(DeviceError, here.lines.open, PATH, settings(rs485=rs485))
    assert "TIOCSRS485" in error.message and here.transport.open_files == 0


def test_a_line_that_is_held_is_busy_and_one_that_is_unplugged_says_so(start):
    here = fake(start)
    line = here.lines.open(PATH, settings())
    assert raises(DeviceError, here.lines.open, PATH, settings()).code == "busy"
    here.transport.vanish(PATH)
    assert raises(DeviceError, line.read, 1).code == "unavailable"
    line.close()


def test_lines_without_hardware_are_not_listed(start):
    assert fake(start).lines.lines() == [{"path": PATH, "name": ""}]


def test_another_machines_numbers_are_not_guessed(start):
    here = Fake((codes.MIPS, layout.Abi(4, 8, ">")))
    assert "not known" in raises(Unavailable, here.lines.open, PATH, settings()).message
