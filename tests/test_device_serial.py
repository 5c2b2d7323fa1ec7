"""`uart.*` and what else speaks on serial lines, through their declarations, on fakes."""

from device_registry import Bench

from agent.devices import codes, layout, uart
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.sysfs_fake import FakeTree
from agent.devices.uart_fake import FakeLine

TARGET = (codes.GENERIC, layout.LINUX_64)
LINE = "/dev/ttyS1"


def line(peer=None, **options):
    driver = FakeLine(TARGET, peer, **options)
    transport = FakeTransport({LINE: driver}, TARGET)
    bench = Bench(uart=uart.Lines(transport, FakeTree(driver.files)))
    bench.driver, bench.transport = driver, transport
    return bench


def test_a_peer_is_asked_and_its_answer_given_as_text_and_bytes():
    here = line(lambda data: b"pong\r\n" if data == b"ping\r" else b"\xff")
    told = here.call("uart.transact", path=LINE, text="ping\r", idle_ms=1)
    assert told == {"data": "cG9uZw0K", "text": "pong\r\n"}
    told = here.call("uart.transact", path=LINE, data="AA==", idle_ms=1)
    assert told == {"data": "/w==", "text": None}
    assert here.asked[0] == ("bus", LINE, 0, 0, True)
    assert here.transport.open_files == 0


def test_an_answer_may_come_in_pieces_and_ends_at_its_size():
    here = line(lambda data: b"abcdef", room=1)
    told = here.call("uart.transact", path=LINE, text="x", size=4, idle_ms=1)
    assert told["text"] == "abcd"


def test_silence_is_an_empty_answer():
    assert line().call("uart.read", path=LINE, wait_ms=1) == {"data": "", "text": ""}


def test_a_line_that_takes_nothing_is_said():
    here = line(room=0)
    error = here.refused("uart.write", path=LINE, text="abc", wait_ms=1)
    assert error.code == "failed" and "took 0 of 3 bytes" in error.message
    assert here.transport.open_files == 0


def test_what_is_written_is_written_with_the_settings_given():
    heard = []

    def peer(data):
        heard.append(data)
        return b""

    here = line(peer, room=2)
    settings = {"baud": 4000000, "parity": "even", "rs485": {}}
    assert here.call("uart.write", path=LINE, text="abc", line=settings)["sent"] == 3
    assert heard == [b"ab", b"c"] and here.driver.settings["c_ospeed"] == 4000000
    assert here.driver.rs485["flags"] == 3


def test_a_break_is_let_go_of():
    here = line()
    here.call("uart.break", path=LINE, break_ms=1)
    assert here.driver.breaks == [True, False]


def test_lines_are_listed_by_anybody_and_used_where_the_policy_allows():
    here = line()
    assert here.call("uart.list") == [{"path": LINE, "name": ""}]
    here.check_closed(
        (
            ("uart.read", {"path": LINE, "wait_ms": 0}),
            ("uart.write", {"path": LINE, "text": "x"}),
            ("uart.transact", {"path": LINE, "text": "x"}),
            ("uart.break", {"path": LINE}),
        )
    )


def test_wrong_settings_are_refused_by_name():
    here = line()
    for settings, word in (
        ({"baud": 0}, "line.baud"),
        ({"bits": 9}, "line.bits"),
        ({"parity": "mark"}, "line.parity"),
        ({"stop": 3}, "line.stop"),
        ({"speed": 9600}, "line.speed"),
        ({"rs485": {"before_ms": -1}}, "line.rs485.before_ms"),
    ):
        error = here.refused("uart.read", path=LINE, line=settings)
        assert error.code == "bad-params" and error.message.startswith(word), error.message
    for params in ({}, {"text": "a", "data": "AA=="}, {"data": "A"}):
        assert here.refused("uart.write", path=LINE, **params).code == "bad-params"
