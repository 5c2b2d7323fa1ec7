"""`rtc.*`: clocks with a battery.

The one rule: times are UTC, in seconds since 1970.
"""

from agent import schema
from agent.clock import system_unix_ms
from agent.commands.device_parameters import path
from agent.schedule.civil import format_time

NEEDS = ("rtc",)


def _list(hardware, params):
    return hardware.use("rtc").clocks()


def _read(hardware, params):
    hardware.guard("device", params["path"], 0, 0, False)
    return _told(hardware.use("rtc").read(params["path"]))


def _set(hardware, params):
    hardware.guard("device", params["path"], 0, 0, True)
    unix_s = params["unix_s"]
    if unix_s is None:
        unix_s = system_unix_ms() // 1000
    before = hardware.use("rtc").set(params["path"], unix_s)
    return {"before": before, "unix_s": unix_s}


def _told(unix_s):
    return {"unix_s": unix_s, "time": format_time(unix_s)}


_PLACE = path("the clock, /dev/rtc0; on a board rtc0")
_TIME = schema.integer(
    "unix_s", None, low=946684800, high=4102444799, unit="s", about="null: as the system's clock"
)

COMMANDS = (
    ("list", _list, (), "read", "repeat", "Every clock: path, name, whether the system uses it."),
    ("read", _read, (_PLACE,), "act", "repeat", "What it shows. {unix_s, time}"),
    ("set", _set, (_PLACE, _TIME), "act", "once", "Sets it. {before: null where it was no date}"),
)  # fmt: skip
