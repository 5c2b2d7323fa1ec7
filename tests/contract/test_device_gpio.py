"""The GPIO contract, on fake chips of several machines and on gpio-sim where a lab has it."""

from device_lab import implementations
from support import raises, skip

from agent.devices import gpio
from agent.devices.faults import DeviceError
from agent.devices.gpio_fake import FakeChip

PATH = "/dev/gpiochip0"
IMPLEMENTATIONS = implementations(PATH, FakeChip)


def pullable(start):
    here = start()
    if here.driver is None:
        skip("nobody pulls this chip's lines")
    return here


def inputs(here, offsets, **options):
    return gpio.open_inputs(here.transport, PATH, offsets, options)


def outputs(here, offsets, values, **options):
    return gpio.open_outputs(here.transport, PATH, offsets, values, options)


def test_a_chip_tells_its_lines(start):
    with start().transport.open(PATH) as device:
        told = gpio.describe(device)
    assert told["label"] == "limpet" and len(told["lines"]) == 8
    assert told["lines"][3]["name"] == "button" and told["lines"][3]["line"] == 3
    assert told["lines"][3]["user"] == ""


def test_outputs_drive_from_the_first_moment_and_when_set(start):
    here = start()
    with outputs(here, [0, 2, 5], [1, 0, 1]) as lines:
        assert lines.get() == [1, 0, 1]
        lines.set([0, 1, 1])
        assert lines.get() == [0, 1, 1]


def test_a_held_line_is_busy_and_shows_its_user(start):
    here = start()
    with outputs(here, [1], [1]):
        error = raises(DeviceError, inputs, here, [1])
        assert (error.code, error.data["name"]) == ("busy", "EBUSY")
        with here.transport.open(PATH) as device:
            line = gpio.describe(device)["lines"][1]
        assert line["user"] == gpio.CONSUMER and "output" in line["flags"]
    inputs(here, [1]).close()


def test_an_input_cannot_be_driven(start):
    with inputs(start(), [4]) as lines:
        assert raises(DeviceError, lines.set, [1]).data["name"] == "EPERM"


def test_a_line_that_the_chip_lacks_is_refused(start):
    here = start()
    assert raises(DeviceError, inputs, here, [8]).data["name"] == "EINVAL"
    for offsets in ([], [1, 1], list(range(65))):
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
        here.driver.pull(3, 1)
        assert lines.get() == [0]


def test_edges_come_with_time_and_number(start):
    here = pullable(start)
    with inputs(here, [3], edges="rising", debounce_us=10) as lines:
        for number in range(2):
            here.driver.pull(3, 1, 1000 + number)
            here.driver.pull(3, 0, 1500)
        assert lines.edges(8) == [
            {"line": 3, "edge": "rising", "time_ns": 1000, "number": 1},
            {"line": 3, "edge": "rising", "time_ns": 1001, "number": 2},
        ]


def test_lost_edges_show_in_their_numbers(start):
    here = pullable(start)
    with inputs(here, [3], edges="both") as lines:
        for turn in range(40):
            here.driver.pull(3, 1 - turn % 2)
        found = lines.edges(64)
        assert len(found) == 16 and found[0]["number"] == 25


def test_failures_leave_nothing_open(start):
    here = pullable(start)
    for _ in range(50):
        raises(DeviceError, inputs, here, [9])
    assert here.transport.open_files == 0
