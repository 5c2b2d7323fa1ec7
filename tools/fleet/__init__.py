"""A fleet of Limpet devices, seen from a technician's computer: a library on paho-mqtt.

    from fleet import Fleet
    with Fleet("mqtt://user:password@broker.example") as fleet:
        print(fleet.call("pump-7", "system.info"))

Rule: importing it opens nothing. The command line is `fleet.cli`. Installed by pip or taken from
tools/, it is the same package: imports inside are relative.
"""

from .calls import Call
from .client import Fleet
from .errors import (
    AddressError,
    BadReply,
    CallError,
    CallTimeout,
    FileError,
    FleetError,
    KeyFileError,
    NoAnswer,
    NotListening,
    Refused,
    Unreachable,
)
from .files import Files
from .roster import Change, Device
from .runs import Run

__all__ = [
    "AddressError",
    "BadReply",
    "Call",
    "CallError",
    "CallTimeout",
    "Change",
    "Device",
    "FileError",
    "Files",
    "Fleet",
    "FleetError",
    "KeyFileError",
    "NoAnswer",
    "NotListening",
    "Refused",
    "Run",
    "Unreachable",
]
