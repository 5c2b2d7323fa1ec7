"""`pci.*`: boards without a kernel driver, register by register.

The one rule: a window is opened only after the policy has allowed those very bytes of that very
BAR, and the function's own header says that they are there. An answer to a write holds what stood
there before.
"""

from agent import schema

NEEDS = ("pci",)


def _list(hardware, params):
    functions = hardware.use("pci")
    found = []
    for slot in functions.slots():
        told = functions.header(slot)
        wanted = (params["vendor"], params["device"])
        if all(
            want is None or want == told[name]
            for want, name in zip(wanted, ("vendor_id", "device_id"))  # noqa: B905 - two each
        ):
            told["bars"] = [_in_words(bar) for bar in told["bars"]]
            found.append(told)
    return found


def _in_words(bar):
    return {
        "bar": bar.number,
        "kind": bar.kind,
        "address": bar.address,
        "size_bytes": bar.size,
        "is_64": bar.is_64,
        "prefetchable": bar.prefetchable,
    }


def _allow(hardware, params, write):
    """Check against the header, which anybody may read, then ask the policy."""
    functions = hardware.use("pci")
    place = (params["slot"], params["bar"], params["offset"], params["width"])
    functions.check(*place)
    where = "%s/bar%d" % (params["slot"], params["bar"])
    first = params["offset"]
    hardware.guard("pci", where, first, first + params["width"] - 1, write)
    return functions, place


def _read(hardware, params):
    functions, place = _allow(hardware, params, False)
    return {"value": functions.load(*place)}


def _write(hardware, params):
    functions, place = _allow(hardware, params, True)
    if params["dry_run"]:
        return {"before": None}
    return {"before": functions.store(*(place + (params["value"],)))}


def _modify(hardware, params):
    functions, place = _allow(hardware, params, True)
    if params["dry_run"]:
        return {"before": None, "after": None}
    before, after = functions.modify(*(place + (params["mask"], params["value"])))
    return {"before": before, "after": after}


_FARTHEST = (1 << 63) - 1
_PLACE = (
    schema.text("slot", low=12, high=12, about="0000:00:1f.2, as in pci.list"),
    schema.integer("bar", low=0, high=5, about="the BAR's own number"),
    schema.integer("offset", low=-_FARTHEST, high=_FARTHEST, unit="bytes", about="in the BAR"),
    schema.integer("width", 4, low=1, high=8, unit="bytes", about="1, 2, 4 or 8"),
)
_VALUE = schema.integer("value", low=0, about="as many bits as the width has")
_MASK = schema.integer("mask", low=0, about="the bits that change")
_DRY = schema.boolean("dry_run", False, about="check everything, and touch nothing")
_VENDOR = schema.integer("vendor", None, low=0, high=0xFFFF, about="only this vendor's")
_DEVICE = schema.integer("device", None, low=0, high=0xFFFF, about="only this device id")

COMMANDS = (
    ("list", _list, (_VENDOR, _DEVICE), "read", "repeat",
     "Every function: slot, ids, class, BARs with their true numbers, capabilities."),
    ("read", _read, _PLACE, "act", "once",
     "One access to a register: reading may change a device. {value}"),
    ("write", _write, _PLACE + (_VALUE, _DRY), "act", "once",
     "One write; the register is read first. {before}"),
    ("modify", _modify, _PLACE + (_MASK, _VALUE, _DRY), "act", "once",
     "Changes the bits of `mask`, leaves the others. {before, after}"),
)  # fmt: skip
