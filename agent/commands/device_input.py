"""`input.*`: keyboards, buttons and knobs.

The one rule: reading changes nothing, and waits only as long as the caller says.
"""

import os
import select

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.registry import Command
from agent.devices import input
from agent.devices.faults import DeviceError

MAX_EVENTS = 256


def commands(hardware):
    """The family's commands, over a Hardware."""
    place = path("the device file, /dev/input/event0")
    most = schema.integer("most", 64, low=1, high=MAX_EVENTS, about="events at most")
    wait = schema.integer("wait_ms", 1000, low=0, high=10000, unit="ms", about="for the first")
    return (
        Command("input.list", lambda params: _list(hardware), (), "read", "repeat", False,
                "Every input device: path, name, bus, vendor, product, version, kinds."),
        Command("input.describe", lambda params: _describe(hardware, params), (place,),
                "read", "repeat", False,
                "One input device: name, identity, kinds of events, the codes of its keys."),
        Command("input.read", lambda params: _read(hardware, params), (place, most, wait),
                "act", "repeat", False,
                "Events from now on, oldest first. {events, dropped: some were lost}"),
    )  # fmt: skip


def _list(hardware):
    transport = hardware.open_transport()
    found = []
    for name in sorted(_names()):
        where = input.FOLDER + "/" + name
        try:
            with transport.open(where) as device:
                words = input.identify(device)
        except DeviceError as error:
            words = {"error": error.message}
        words["path"] = where
        found.append(words)
    return found


def _names():
    try:
        return [name for name in os.listdir(input.FOLDER) if name.startswith("event")]
    except OSError:
        return []  # no folder: no device


def _describe(hardware, params):
    _check_path(hardware, params["path"])
    with hardware.open_transport().open(params["path"]) as device:
        words = input.identify(device)
        words["keys"] = input.capabilities(device, "key")
    return words


def _read(hardware, params):
    # What is typed may be a secret, so that reading it takes more than `read`, and the policy.
    hardware.guard("ioctl", params["path"], 0, 0, False)
    with hardware.open_transport().open(params["path"]) as device:
        poller = select.poll()
        poller.register(device.pollable, select.POLLIN)
        batch = input.read_events(device, params["most"])
        if not batch.events and poller.poll(params["wait_ms"]):
            batch = input.read_events(device, params["most"])
    return {"events": batch.events, "dropped": batch.dropped}


def _check_path(hardware, where):
    if not (where.startswith(input.FOLDER + "/event") and where[16:].isdigit()):
        hardware.guard("ioctl", where, 0, 0, False)
