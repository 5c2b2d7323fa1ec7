"""Who may do what: decisions, and nothing else.

The one rule: what is not allowed here is refused, and the refusal names what would have allowed
it. Without any key a device trusts whoever reaches its broker, as a new one must; from the first
key on, a caller without one is `anonymous` and has `read` at most. Running code is off until the
policy switches it on, keys or not. Hardware is reached only inside the ranges on the policy's
list, which is empty at first.

Pure: knows no store, clock or key.
"""

from collections import namedtuple

from agent import schema
from agent.commands.registry import PERMISSIONS
from agent.errors import LimpetError

ANONYMOUS = ""  # the name of a caller without a key

# Who asks: name of the key, and what it may do.
Caller = namedtuple("Caller", ("name", "permissions"))
DATA = "app:data"  # what the settings' channels are read under; no app is called `data`
APP = "app:"  # begins the name that an app runs its own schedules under: no key's holds a colon
ANYONE = Caller(ANONYMOUS, PERMISSIONS)  # while no key is configured

AUDITED = PERMISSIONS[1:]  # `act` or higher: each such command leaves an event

HARDWARE_KINDS = ("ioctl", "pci", "memory", "pin", "bus", "device", "modbus")
MAX_RANGES = 64

_RANGE = (
    schema.text("kind", choices=HARDWARE_KINDS),
    schema.text(
        "where",
        low=1,
        high=64,
        about="ioctl: path of the device file; pci: function and BAR, 0000:00:1f.2/bar0; "
        "memory: physical or ports; pin: the chip; bus: its device file; device: a device as a "
        "whole; modbus: line or host and unit, /dev/ttyS1/7",
    ),
    schema.integer(
        "first", 0, low=0, about="first request number, byte, line, address or reference"
    ),
    schema.integer("last", 0, low=0, about="the last one, itself allowed too"),
    schema.boolean("write", False, about="true: not only to be read"),
)

FIELDS = (
    schema.text(
        "anonymous",
        "read",
        choices=("read", "none"),
        about="what a caller without a key may do once there is a key",
    ),
    schema.boolean("code", False, about="whether callers with the permission `code` may use it"),
    schema.sequence(
        "hardware",
        schema.structure("range", _RANGE),
        [],
        high=MAX_RANGES,
        about="what commands may reach of the hardware",
    ),
)

DEFAULT = {"anonymous": "read", "code": False, "hardware": []}


class Denied(LimpetError):
    """The caller, or the device's policy, does not allow it; nothing was started."""

    code = "denied"


def check_policy(values, error):
    """`values` with defaults filled in. Raises `error(message)` with the path of what is wrong."""
    policy = schema.check(FIELDS, values, error)
    for index, span in enumerate(policy["hardware"]):
        if span["last"] < span["first"]:
            raise error("hardware[%d].last: below first" % index)
    return policy


def anonymous(policy, has_keys):
    """The Caller that somebody without a key is."""
    if not has_keys:
        return ANYONE
    return Caller(ANONYMOUS, ("read",) if policy["anonymous"] == "read" else ())


def check_command(policy, caller, command):
    """Raise Denied unless `caller` may run `command`, which names its permission."""
    wanted = command.permission
    if wanted not in caller.permissions:
        who = "the key %s" % caller.name if caller.name else "a caller without a key"
        text = "%s needs the permission %s, and %s has %s"
        has = ", ".join(caller.permissions) or "none"
        raise Denied(text % (command.name, wanted, who, has), {"permission": wanted})
    if wanted == "code" and not policy["code"]:
        text = "%s runs code, which this device's policy switches off: policy.set code=true"
        raise Denied(text % command.name, {"policy": "code"})


def check_hardware(policy, kind, where, first, last, write):
    """Raise Denied unless one range of the policy holds all from `first` to `last`."""
    for span in policy["hardware"]:
        if (
            span["kind"] == kind
            and span["where"] == where
            and span["first"] <= first <= last <= span["last"]
            and (span["write"] or not write)
        ):
            return
    wanted = {"kind": kind, "where": where, "first": first, "last": last, "write": write}
    text = "%s %s, %d to %d, %s: in no range that the policy allows"
    way = "to write" if write else "to read"
    raise Denied(text % (kind, where, first, last, way), {"hardware": wanted})
