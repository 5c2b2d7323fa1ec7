"""`watchdog.*`: the timer that restarts a machine when nobody feeds it.

The one rule: whoever starts one says who feeds it: the agent, from completed turns of its loop, or
the caller, whose silence then restarts the machine. These calls take microseconds and run on the
main thread, which owns the timers.
"""

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.hardware import INLINE

NEEDS = ("watchdog",)


def start(hardware, path, timeout_s, pretimeout_s=0, feeds=True):
    """Start a timer and have the Hardware's Keeper keep it; returns the timer."""
    timer = hardware.use("watchdog").start(path, timeout_s, pretimeout_s)
    hardware.supervise().keep(timer, feeds)
    return timer


def _list(hardware, params):
    return hardware.use("watchdog").timers()


def _start(hardware, params):
    hardware.guard("device", params["path"], 0, 0, True)
    limits = (params["path"], params["timeout_s"], params["pretimeout_s"])
    return {"timeout_s": start(hardware, *(limits + (params["feed"] == "agent",))).timeout_s}


def _find(hardware, params):
    hardware.guard("device", params["path"], 0, 0, True)
    return hardware.supervise().find(params["path"])


def _feed(hardware, params):
    timer = _find(hardware, params)
    timer.feed()
    return {"timeout_s": timer.timeout_s}


def _stop(hardware, params):
    _find(hardware, params)
    hardware.keeper.stop(params["path"])
    return {}


_PLACE = path("the timer, /dev/watchdog0, on a board wdt0")
_TIMEOUT = schema.integer("timeout_s", 60, low=1, high=65535, unit="s")
_BEFORE = schema.integer("pretimeout_s", 0, low=0, high=65534, unit="s", about="0: none")
_WHO = schema.text("feed", "agent", choices=("agent", "caller"), about="who feeds it from now on")

COMMANDS = (
    ("list", _list, (), "read", "repeat",
     "Every timer: path, name, active, timeouts, can_stop, causes of the last restart.", INLINE),
    ("start", _start, (_PLACE, _TIMEOUT, _BEFORE, _WHO), "act", "once",
     "Arms a timer: the machine restarts unless it is fed. {timeout_s: as the driver has it}",
     INLINE),
    ("feed", _feed, (_PLACE,), "act", "repeat", "Begins the timeout anew. {timeout_s}", INLINE),
    ("stop", _stop, (_PLACE,), "act", "once", "Disarms it, where the driver lets one. {}", INLINE),
)  # fmt: skip
