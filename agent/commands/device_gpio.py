"""`gpio.*`: lines of a chip, by number.

The one rule: a line is held only while a command runs, and only if the policy allows that line of
that chip. What an output does once it is given back is the chip's affair: most keep the level.
"""

import select

from agent import schema
from agent.commands.device_parameters import path
from agent.devices import gpio

NEEDS = ("ioctl",)
MAX_EDGES = 256


def _list(hardware, params):
    return hardware.survey(gpio.FOLDER + "/gpiochip", gpio.describe)


def _allow(hardware, params, write):
    hardware.guard("pin", params["path"], params["line"], params["line"], write)
    return hardware.use("ioctl")


def _read(hardware, params):
    transport = _allow(hardware, params, False)
    with gpio.open_inputs(transport, params["path"], [params["line"]], params) as lines:
        return {"value": lines.get()[0]}


def _write(hardware, params):
    transport = _allow(hardware, params, True)
    place = (params["path"], [params["line"]], [params["value"]])
    with gpio.open_outputs(transport, *(place + (params,))) as lines:
        return {"value": lines.get()[0]}


def _wait(hardware, params):
    transport = _allow(hardware, params, False)
    with gpio.open_inputs(transport, params["path"], [params["line"]], params) as lines:
        poller = select.poll()
        poller.register(lines.pollable, select.POLLIN)
        poller.poll(params["wait_ms"])
        return {"edges": lines.edges(params["most"])}


_CHIP = path("the chip, /dev/gpiochip0")
_LINE = schema.integer("line", low=0, high=0xFFFFFFFF, about="its number on the chip")
_VALUE = schema.integer("value", low=0, high=1, about="after active_low")
_BIAS = schema.text("bias", "as-is", choices=gpio.BIASES)
_LOW = schema.boolean("active_low", False, about="turn the meaning of 0 and 1")
_EDGES = schema.text("edges", "both", choices=gpio.EDGES)
_DEBOUNCE = schema.integer("debounce_us", 0, low=0, high=gpio.MAX_DEBOUNCE_US, unit="us")
_MOST = schema.integer("most", 1, low=1, high=MAX_EDGES, about="edges at most")
_WAIT = schema.integer("wait_ms", 1000, low=0, high=10000, unit="ms", about="for the first")

COMMANDS = (
    ("list", _list, (), "read", "repeat", "Every chip with its lines: name, user, flags."),
    ("read", _read, (_CHIP, _LINE, _BIAS, _LOW), "act", "repeat",
     "The value of a line, made an input. {value}"),
    ("write", _write, (_CHIP, _LINE, _VALUE, _LOW), "act", "once",
     "Drives a line. {value: what then was on it}"),
    ("wait", _wait, (_CHIP, _LINE, _EDGES, _BIAS, _LOW, _DEBOUNCE, _MOST, _WAIT), "act", "repeat",
     "Waits for edges: line, edge, time_ns (monotonic), number. {edges}"),
)  # fmt: skip
