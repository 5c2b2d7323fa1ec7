"""`memory.*`: registers that no driver shows, in physical memory or behind I/O ports.

The one rule: nothing is opened before the policy has allowed those very bytes; an answer to a
write holds what stood there before.
"""

from agent import schema
from agent.devices import memory

NEEDS = ("memory",)


def _allow(hardware, params, write):
    space, address, width = params["space"], params["address"], params["width"]
    values = [params[name] for name in ("value", "mask") if name in params]
    memory.check_access(space, address, width, *values)
    hardware.guard("memory", space, address, address + width - 1, write)
    return hardware.use("memory"), (space, address, width)


def _read(hardware, params):
    here, place = _allow(hardware, params, False)
    return {"value": here.load(*place)}


def _write(hardware, params):
    here, place = _allow(hardware, params, True)
    if params["dry_run"]:
        return {"before": None}
    return {"before": here.store(*(place + (params["value"],)))}


def _modify(hardware, params):
    here, place = _allow(hardware, params, True)
    if params["dry_run"]:
        return {"before": None, "after": None}
    before, after = here.modify(*(place + (params["mask"], params["value"])))
    return {"before": before, "after": after}


_FARTHEST = (1 << 63) - 1
_PLACE = (
    schema.text("space", memory.PHYSICAL, choices=tuple(sorted(memory.SPACES))),
    schema.integer("address", low=-_FARTHEST, high=_FARTHEST),
    schema.integer("width", 4, low=1, high=8, unit="bytes", about="1, 2, 4 or 8; of ports 1"),
)
_VALUE = schema.integer("value", low=0, about="as many bits as the width has")
_MASK = schema.integer("mask", low=0, about="the bits that change")
_DRY = schema.boolean("dry_run", False, about="check everything, and touch nothing")

COMMANDS = (
    ("read", _read, _PLACE, "act", "once", "One access: reading may change a device. {value}"),
    ("write", _write, _PLACE + (_VALUE, _DRY), "act", "once",
     "One write; what stands there is read first. {before}"),
    ("modify", _modify, _PLACE + (_MASK, _VALUE, _DRY), "act", "once",
     "Changes the bits of `mask`, leaves the others. {before, after}"),
)  # fmt: skip
