"""The GPIO contract, on fake chips of several machines and on gpio-sim where a lab has it."""

import json
import sys

import fake_machine
from device_lab import TARGETS, implementations
from support import raises, skip

from agent.devices import gpio
from agent.devices.faults import DeviceError
from agent.devices.gpio_fake import FakeChip
from agent.devices.ioctl_fake import FakeTransport

PATH = "/dev/gpiochip0"


class OverDriver:
    """A fake chip or the lab's: `driver` is what pulls its lines."""

    path = PATH

    def __init__(self, start):
        here = start()
        self.transport, self.driver = here.transport, here.driver
        self.chips = gpio.Chips(self.transport)

    def pull(self, line, level, time_ns=1):
        self.driver.pull(line, level, time_ns)

    def open_files(self):
        return self.transport.open_files


class Board:
    path, driver = "pins", None

    def __init__(self):
        if not hasattr(__import__("time"), "ticks_us"):
            sys.modules["time"].ticks_us = lambda: 7  # MicroPython's own counter
        fake_machine.levels.clear()
        fake_machine.watchers.clear()
        self.chips = fake_machine.load("gpio_machine").make(None)

    def pull(self, line, level, time_ns=1):
        fake_machine.pull_pin(line, level)

    def open_files(self):
        return 0


def over(start):
    return lambda: OverDriver(start)


IMPLEMENTATIONS = [(name, over(start)) for name, start in implementations(PATH, FakeChip)]
IMPLEMENTATIONS.append(("machine", Board))


def pullable(start):
    here = start()
    if isinstance(here, OverDriver) and here.driver is None:
        skip("nobody pulls this chip's lines")
    return here


def of_linux(start):
    here = start()
    if isinstance(here, Board):
        skip("a board's pins are nobody's")
    return here


def inputs(here, offsets, **options):
    return here.chips.open_inputs(here.path, offsets, options)


def outputs(here, offsets, values, **options):
    return here.chips.open_outputs(here.path, offsets, values, options)


def test_a_chip_tells_its_lines(start):
    here = start()
    told = [chip for chip in here.chips.chips() if chip["path"] == here.path][0]
    for path in ("/dev/null", "/dev/gpiochip77", here.path + "0"):
        assert raises(DeviceError, here.chips.chips, path).code == "unavailable"
    if isinstance(here, Board):
        assert told["label"] == "machine.Pin" and here.chips.chips(here.path) == [told]
        return
    alone = here.chips.chips(here.path, 6)
    assert len(alone) == 1 and [line["line"] for line in alone[0]["lines"]] == [6, 7]
    assert told["label"] == "limpet" and len(told["lines"]) == told["count"] == 8
    assert told["lines"][3]["name"] == "button" and told["lines"][3]["line"] == 3
    assert told["lines"][3]["user"] == ""


def test_what_very_many_lines_tell_fits_into_one_answer(start):
    if isinstance(start(), Board):
        skip("a board tells no lines")
    target = TARGETS[0][1]
    chips = {"/dev/gpiochip%d" % number: FakeChip(target, 32, "x" * 31) for number in range(7)}
    transport = FakeTransport(chips, target)
    held = gpio.open_outputs(transport, "/dev/gpiochip0", [0], [0], {"active_low": True})
    found = gpio.Chips(transport).chips()
    assert [len(chip["lines"]) for chip in found] == [32, 8, 0, 0, 0, 0, 0]
    assert [chip["count"] for chip in found] == [32] * 7
    assert len(json.dumps(found)) < 7000
    held.close()
    assert transport.open_files == 0


def test_outputs_drive_from_the_first_moment_and_when_set(start):
    here = start()
    with outputs(here, [0, 2, 5], [1, 0, 1]) as lines:
        assert lines.get() == [1, 0, 1]
        lines.set([0, 1, 1])
        assert lines.get() == [0, 1, 1]


def test_what_is_on_a_line_is_told_before_it_is_driven(start):
    here = start()
    for value in (1, 0):
        outputs(here, [2], [value]).close()
        told = here.chips.value_before(here.path, 2, {})
        assert here.chips.value_before(here.path, 2, {"active_low": True}) == 1 - told
        if isinstance(here, Board) or here.driver:
            assert told == value  # the kernel's simulated chip lets go with the line


def test_a_held_line_is_busy_and_shows_its_user(start):
    here = of_linux(start)
    with outputs(here, [1], [1]):
        error = raises(DeviceError, inputs, here, [1])
        assert (error.code, error.data["name"]) == ("busy", "EBUSY")
        with here.transport.open(PATH) as device:
            line = gpio.describe(device)["lines"][1]
        assert line["user"] == gpio.CONSUMER and "output" in line["flags"]
    inputs(here, [1]).close()


def test_an_input_cannot_be_driven(start):
    with inputs(start(), [4]) as lines:
        assert raises(DeviceError, lines.set, [1]).code == "denied"


def test_a_line_that_the_chip_lacks_is_refused(start):
    here = start()
    assert raises(DeviceError, inputs, here, [88]).code == "bad-params"
    for offsets in ([], [1, 1], [0] * 65):
        assert "each once" in raises(DeviceError, inputs, here, offsets).message


def test_no_edge_is_an_empty_list_at_once(start):
    with inputs(start(), [6], edges="both") as lines:
        assert lines.edges(4) == []


def test_closed_lines_say_so(start):
    lines = inputs(start(), [6])
    lines.close()
    lines.close()
    assert "closed" in raises(DeviceError, lines.get).message


def test_values_follow_the_line_and_active_low_turns_them(start):
    here = pullable(start)
    with inputs(here, [3], active_low=True, bias="pull-up") as lines:
        assert lines.get() == [1]
        here.pull(3, 1)
        assert lines.get() == [0]


def test_edges_come_with_time_and_number(start):
    here = pullable(start)
    debounce = 0 if isinstance(here, Board) else 10
    with inputs(here, [3], edges="rising", debounce_us=debounce) as lines:
        for number in range(2):
            here.pull(3, 1, 1000 + number)
            here.pull(3, 0, 1500)
        found = lines.edges(8)
        assert [(e["line"], e["edge"], e["number"]) for e in found] == [
            (3, "rising", 1),
            (3, "rising", 2),
        ]
        if not isinstance(here, Board):
            assert [edge["time_ns"] for edge in found] == [1000, 1001]


def test_lost_edges_show_in_their_numbers(start):
    here = pullable(start)
    with inputs(here, [3], edges="both") as lines:
        for turn in range(40):
            here.pull(3, 1 - turn % 2)
        found = lines.edges(64)
        assert len(found) == 16 and found[0]["number"] == 25


def test_failures_leave_nothing_open(start):
    here = pullable(start)
    for _ in range(50):
        raises(DeviceError, inputs, here, [99])
    assert here.open_files() == 0
