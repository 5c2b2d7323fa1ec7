"""The contract of both ways of Modbus, through their declarations, to a field device in memory."""

import fake_machine
from device_registry import Bench
from support import raises, skip

from agent.devices import codes, layout, modbus, modbus_link, uart
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.modbus_fake import FakeField
from agent.devices.sysfs_fake import FakeTree
from agent.devices.uart_fake import FakeLine
from agent.errors import LimpetError

HOLDING = "holding-registers"
TARGET = (codes.GENERIC, layout.LINUX_32)


class Serial:
    path = "/dev/ttyS1"

    def __init__(self):
        self.field = FakeField(7)
        self.driver = FakeLine(TARGET, self.field.rtu)
        self.transport = FakeTransport({self.path: self.driver}, TARGET)
        lines = uart.Lines(self.transport, FakeTree({}))
        self.bench = Bench(uart=lines)

    def left_open(self):
        return self.transport.open_files


class Board(Serial):
    path, driver = "uart0", None

    def __init__(self):
        self.field = FakeField(7)
        fake_machine.serial.update({"in": bytearray(), "out": bytearray()})
        fake_machine.serial_peer[:] = [self.field.rtu]
        self.bench = Bench(uart=fake_machine.load("uart_machine").make(None))

    def left_open(self):
        return 0


class Connected:
    """The connection under a TcpLink, and what opens it."""

    path, driver = "10.0.0.7:502", None

    def __init__(self):
        self.field = FakeField(7)
        self.count = 0
        self.bench = Bench(modbus=self)

    def left_open(self):
        return self.count

    def open(self, path, settings, wait_ms):
        self.received = b""
        self.count += 1
        yield 0
        return modbus_link.TcpLink(self.path, self)

    def read_into(self, view):
        data, self.received = self.received[: len(view)], self.received[len(view) :]
        view[: len(data)] = data
        return len(data)

    def write(self, data):
        part = data[:5]  # in pieces
        self.received += self.field.tcp(part)
        return len(part)

    def close(self):
        self.count -= 1


IMPLEMENTATIONS = [("rtu", Serial), ("rtu-machine", Board), ("tcp", Connected)]


def call(here, method, **params):
    return here.bench.call("modbus." + method, **filled(here, method, params))


def refused(here, method, **params):
    params["wait_ms"] = 40
    return here.bench.refused("modbus." + method, **filled(here, method, params))


def filled(here, method, params):
    words = {"path": here.path, "unit": 7}
    if method == "read":
        words["address"] = 0
    words.update(params)
    return words


def test_every_table_is_read(start):
    here = start()
    for number, name in enumerate(here.field.tables):
        most = 2 if name in modbus.BITS else 65536
        values = [(i * 777 + number) % most for i in range(32)]
        here.field.tables[name] = values
        told = call(here, "read", table=name, address=3, count=20)
        assert told == {"values": values[3:23]}
    assert sorted(here.field.heard) == [1, 2, 3, 4]
    assert here.left_open() == 0


def test_what_is_written_is_there_and_what_was_there_is_told(start):
    here = start()
    assert call(here, "write", address=4, values=[77]) == {"before": [0]}
    assert call(here, "write", address=3, values=[1, 2, 3]) == {"before": [0, 77, 0]}
    assert call(here, "write", table="coils", address=0, values=[1]) == {"before": [0]}
    told = call(here, "write", table="coils", address=0, values=[0, 1, 1], read_before=False)
    assert told == {"before": None}
    call(here, "write", address=9, values=[5], single=False, read_before=False)
    assert here.field.tables[HOLDING][3:10] == [1, 2, 3, 0, 0, 0, 5]
    assert here.field.tables["coils"][:3] == [0, 1, 1]
    assert here.field.heard == [3, 6, 3, 16, 1, 5, 15, 16]
    asked = here.bench.asked[0]
    assert asked == ("modbus", here.path + "/7", 400005, 400005, True)


def test_bits_change_in_one_step_and_an_exchange_is_one(start):
    here = start()
    here.field.tables[HOLDING][4] = 0x12
    assert call(here, "mask", address=4, keep=0xF2, put=0x25) == {"before": [0x12]}
    assert here.field.tables[HOLDING][4] == 0x17
    told = call(here, "exchange", read_address=4, count=2, write_address=5, values=[9])
    assert told == {"values": [0x17, 9]}
    assert [words[2:] for words in here.bench.asked[-2:]] == [
        (400005, 400006, False),
        (400006, 400006, True),
    ]


def test_an_exception_is_told_by_name_and_not_tried_again(start):
    here = start()
    error = refused(here, "read", address=30, count=9)
    assert error.code == "bad-params" and error.data["exception"] == "illegal-data-address"
    assert here.field.heard == [3] and here.left_open() == 0


def test_a_map_is_sampled_by_one_command(start):
    here = start()
    here.field.tables[HOLDING][:6] = [0, 2305, 0xFFFF, 0x4248, 0, 3]
    here.field.tables["coils"][5] = 1
    wanted = [
        {"name": "volts", "address": 1, "scale": 0.1, "unit": "V"},
        {"name": "cold", "address": 2, "type": "s16"},
        {"name": "power", "address": 3, "type": "f32", "unit": "kW"},
        {"name": "on", "table": "coils", "address": 5, "type": "bool"},
        {"name": "gone", "address": 50},
    ]
    told = call(here, "sample", map=wanted)
    assert told["values"] == {"volts": 2305 * 0.1, "cold": -1, "power": 50.0, "on": True}
    assert told["units"] == {"volts": "V", "power": "kW"}
    assert "illegal-data-address" in told["errors"]["gone"] and len(told["errors"]) == 1
    error = refused(here, "sample", map=[{"name": "gone", "address": 50}])
    assert error.data["exception"] == "illegal-data-address"
    for wrong, word in (
        ([{"name": "a", "address": 1}, {"name": "a", "address": 2}], "map[1].name"),
        ([{"name": "a", "address": 65535, "type": "u32"}], "map[0].address"),
        ([{"name": "a", "address": 1, "table": "coils"}], "map[0].type"),
        ([{"name": "a", "address": 1, "type": "u24"}], "map[0].type"),
        ([], "map"),
    ):
        error = refused(here, "sample", map=wrong)
        assert error.code == "bad-params" and error.message.startswith(word), error.message


def test_silence_is_a_failure_that_names_the_unit_after_all_tries(start):
    here = start()
    here.field.silent = True
    error = refused(here, "read", tries=2)
    assert error.code == "failed" and "unit 7 does not answer" in error.message
    error = refused(here, "write", address=0, values=[1])
    assert error.code == "failed" and here.field.tables[HOLDING][0] == 0
    assert here.left_open() == 0


def test_without_a_policy_nothing_is_reached(start):
    here = start()
    place = {"path": here.path, "unit": 7}
    here.bench.check_closed(
        (
            ("modbus.read", dict(place, address=0)),
            ("modbus.write", dict(place, address=0, values=[1])),
            ("modbus.mask", dict(place, address=0, keep=0, put=0)),
            ("modbus.exchange", dict(place, read_address=0, write_address=0, values=[1])),
            ("modbus.sample", dict(place, map=[{"name": "a", "address": 0}])),
        )
    )
    assert here.field.heard == []


def test_what_the_protocol_cannot_say_is_refused_before_anything_is_sent(start):
    here = start()
    for method, params in (
        ("read", {"count": 126}),
        ("read", {"address": 65535, "count": 2}),
        ("write", {"address": 0, "values": [65536]}),
        ("write", {"address": 0, "values": [2], "table": "coils"}),
        ("write", {"address": 0, "values": [1, 2], "single": True}),
        ("write", {"address": 0, "values": []}),
        ("read", {"unit": 256}),
        ("read", {"table": "registers"}),
    ):
        assert refused(here, method, **params).code == "bad-params"
    assert here.field.heard == []


def serial(start):
    here = start()
    if not isinstance(here, Serial):
        skip("serial lines only")
    return here


def test_everybody_is_written_to_and_nobody_answers(start):
    here = serial(start)
    assert call(here, "write", address=1, values=[8], unit=0, wait_ms=1) == {"before": None}
    assert here.field.tables[HOLDING][1] == 8
    assert "unit: 0" in refused(here, "read", unit=0).message


def broken(here, change):
    right = here.field.rtu

    def answer(data):
        return change(right(data))

    if here.driver:
        here.driver.peer = answer
    else:
        fake_machine.serial_peer[:] = [answer]


def test_a_broken_frame_is_no_answer_and_another_reading_may_be_good(start):
    here = serial(start)
    for change, words in (
        (lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]), "checksum"),
        (lambda frame: frame[:-2], "checksum"),
        (lambda frame: frame[:1], "one byte"),
        (lambda frame: b"\x08" + frame[1:-2] + b"\0\0", "checksum"),
    ):
        broken(here, change)
        assert words in refused(here, "read", tries=1).message
    turns = []

    def once(frame):
        turns.append(1)
        return frame[:-1] if len(turns) == 1 else frame

    broken(here, once)
    assert call(here, "read", wait_ms=40) == {"values": [0]}
    assert here.left_open() == 0


def test_a_connection_that_is_none_is_said(start):
    bench = Bench()
    for path, words in (("127.0.0.1:1", "127.0.0.1:1"), ("10.0.0.7:x", "host:port")):
        try:
            __import__("socket")
        except ImportError:
            skip("no sockets here")
        error = raises(LimpetError, bench.call, "modbus.read", path=path, address=0, wait_ms=200)
        assert words in error.message, error.message
