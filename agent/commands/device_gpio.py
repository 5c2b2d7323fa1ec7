"""`gpio.*`: lines of a chip, by number.

The one rule: a line is held only while a command runs, and only if the policy allows that line of
that chip. What an output does once it is given back is the chip's affair: most keep the level.
"""

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.hardware import INLINE, TASK
from agent.devices import gpio, waiting

NEEDS = ("gpio",)
MAX_EDGES = 256


def _list(hardware, params):
    return hardware.use("gpio").chips(params["path"], params["first"])


def _allow(hardware, params, write):
    hardware.guard("pin", params["path"], params["line"], params["line"], write)
    return hardware.use("gpio")


def _read(hardware, params):
    chips = _allow(hardware, params, False)
    with chips.open_inputs(params["path"], [params["line"]], params) as lines:
        return {"value": lines.get()[0]}


def _write(hardware, params):
    chips = _allow(hardware, params, True)
    line = [params["line"]]
    before = chips.value_before(params["path"], line[0], params)
    with chips.open_outputs(params["path"], line, [params["value"]], params) as lines:
        return {"value": lines.get()[0], "before": before}


def _wait(hardware, params, job):
    chips = _allow(hardware, params, False)
    with chips.open_inputs(params["path"], [params["line"]], params) as lines:
        found = yield from waiting.until(params["wait_ms"], lines.edges, params["most"])
        return {"edges": found}


_CHIP = path("the chip, /dev/gpiochip0; on a board pins")
_ONE = schema.text("path", "", high=64, about="this chip alone")
_FIRST = schema.integer("first", 0, low=0, high=0xFFFFFFFF, about="tell lines from this on")
_LINE = schema.integer("line", low=0, high=0xFFFFFFFF, about="its number on the chip")
_VALUE = schema.integer("value", low=0, high=1, about="after active_low")
_BIAS = schema.text("bias", "as-is", choices=gpio.BIASES)
_LOW = schema.boolean("active_low", False, about="turn the meaning of 0 and 1")
_EDGES = schema.text("edges", "both", choices=gpio.EDGES)
_DEBOUNCE = schema.integer("debounce_us", 0, low=0, high=gpio.MAX_DEBOUNCE_US, unit="us")
_MOST = schema.integer("most", 1, low=1, high=MAX_EDGES, about="edges at most")
_WAIT = schema.integer("wait_ms", 1000, low=0, high=600000, unit="ms", about="for the first")

COMMANDS = (
    ("list", _list, (_ONE, _FIRST), "read", "repeat",
     "Every chip: count of lines, of which 40 are told: name, user, flags."),
    ("read", _read, (_CHIP, _LINE, _BIAS, _LOW), "act", "repeat",
     "The value of a line, made an input. {value}", INLINE),
    ("write", _write, (_CHIP, _LINE, _VALUE, _LOW), "act", "once",
     "Drives a line. {before, value: what then was on it}"),
    ("wait", _wait, (_CHIP, _LINE, _EDGES, _BIAS, _LOW, _DEBOUNCE, _MOST, _WAIT), "act", "repeat",
     "Waits for edges: line, edge, time_ns (monotonic), number. {edges}", TASK),
)  # fmt: skip
