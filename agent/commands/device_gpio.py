"""`gpio.*`: lines of a chip, by number.

The one rule: a line is held only while a command runs, and only if the policy allows that line of
that chip. What an output does once it is given back is the chip's affair: most keep the level.
"""

import os
import select

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.registry import Command
from agent.devices import gpio
from agent.devices.faults import DeviceError

MAX_EDGES = 256


def commands(hardware):
    """The family's commands, over a Hardware."""
    chip = path("the chip, /dev/gpiochip0")
    line = schema.integer("line", low=0, high=0xFFFFFFFF, about="its number on the chip")
    value = schema.integer("value", low=0, high=1, about="after active_low")
    bias = schema.text("bias", "as-is", choices=gpio.BIASES)
    low = schema.boolean("active_low", False, about="turn the meaning of 0 and 1")
    edges = schema.text("edges", "both", choices=gpio.EDGES)
    debounce = schema.integer("debounce_us", 0, low=0, high=gpio.MAX_DEBOUNCE_US, unit="us")
    most = schema.integer("most", 1, low=1, high=MAX_EDGES, about="edges at most")
    wait = schema.integer("wait_ms", 1000, low=0, high=10000, unit="ms", about="for the first")
    return (
        Command("gpio.list", lambda params: _list(hardware), (), "read", "repeat", False,
                "Every chip with its lines: name, user, flags."),
        Command("gpio.read", lambda params: _read(hardware, params), (chip, line, bias, low),
                "act", "repeat", False, "The value of a line, made an input. {value}"),
        Command("gpio.write", lambda params: _write(hardware, params), (chip, line, value, low),
                "act", "once", False, "Drives a line. {value: what then was on it}"),
        Command("gpio.wait", lambda params: _wait(hardware, params),
                (chip, line, edges, bias, low, debounce, most, wait), "act", "repeat", False,
                "Waits for edges: line, edge, time_ns (monotonic), number. {edges}"),
    )  # fmt: skip


def _list(hardware):
    transport = hardware.open_transport()
    found = []
    names = [name for name in os.listdir(gpio.FOLDER) if name.startswith("gpiochip")]
    for name in sorted(names):
        where = gpio.FOLDER + "/" + name
        try:
            with transport.open(where) as device:
                words = gpio.describe(device)
        except DeviceError as error:
            words = {"error": error.message}
        words["path"] = where
        found.append(words)
    return found


def _allow(hardware, params, write):
    hardware.guard("pin", params["path"], params["line"], params["line"], write)
    return hardware.open_transport()


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
