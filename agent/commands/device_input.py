"""`input.*`: keyboards, buttons and knobs.

The one rule: reading changes nothing, and waits only as long as the caller says.
"""

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.hardware import TASK
from agent.devices import input, waiting
from agent.devices.listing import ask_all

NEEDS = ("ioctl",)
MAX_EVENTS = 256
_START = input.FOLDER + "/event"


def _list(hardware, params):
    return ask_all(hardware.use("ioctl"), _START, input.identify)


def _describe(hardware, params):
    where = params["path"]
    if not (where.startswith(_START) and where[len(_START) :].isdigit()):
        hardware.guard("ioctl", where, 0, 0, False)
    with hardware.use("ioctl").open(where) as device:
        words = input.identify(device)
        words["keys"] = input.capabilities(device, "key")
    return words


def _read(hardware, params, job):
    # What is typed may be a secret, so that reading it takes more than `read`, and the policy.
    hardware.guard("ioctl", params["path"], 0, 0, False)
    with hardware.use("ioctl").open(params["path"]) as device:
        dropped = False

        def take():
            nonlocal dropped
            batch = input.read_events(device, params["most"])
            dropped = dropped or batch.dropped
            return batch.events

        events = yield from waiting.until(params["wait_ms"], take)
    return {"events": events, "dropped": dropped}


_PLACE = path("the device file, /dev/input/event0")
_MOST = schema.integer("most", 64, low=1, high=MAX_EVENTS, about="events at most")
_WAIT = schema.integer("wait_ms", 1000, low=0, high=600000, unit="ms", about="for the first")

COMMANDS = (
    ("list", _list, (), "read", "repeat",
     "Every input device: path, name, bus, vendor, product, version, kinds."),
    ("describe", _describe, (_PLACE,), "read", "repeat",
     "One input device: name, identity, kinds of events, the codes of its keys."),
    ("read", _read, (_PLACE, _MOST, _WAIT), "act", "repeat",
     "Events from now on, oldest first. {events, dropped: some were lost}", TASK),
)  # fmt: skip
