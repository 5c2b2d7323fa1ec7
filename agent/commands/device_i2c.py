"""`i2c.*`: chips on a bus, register by register or byte by byte.

The one rule: the policy allows addresses of a bus, to read or to write. Naming a register is
writing to the chip, but counts as reading, as everybody means it; bytes of a caller's own that are
written count as writing even where a read follows.
"""

from agent import schema
from agent.commands.device_parameters import byte_list, path
from agent.devices.faults import DeviceError
from agent.devices.i2c import MAX_BYTES

NEEDS = ("i2c",)


def _list(hardware, params):
    return hardware.use("i2c").buses()


def _open(hardware, params, write):
    hardware.guard("bus", params["path"], params["address"], params["address"], write)
    return hardware.use("i2c").open(params["path"])


def _register(params):
    number = params["register"]
    return b"" if number is None else number.to_bytes(params["register_bytes"], "big")


def _scan(hardware, params):
    first, last = params["first"], params["last"]
    hardware.guard("bus", params["path"], first, last, False)
    with hardware.use("i2c").open(params["path"]) as bus:
        found, held = bus.scan(first, last)
    return {"found": found, "held": held}


def _read(hardware, params):
    with _open(hardware, params, False) as bus:
        return {"data": list(bus.transfer(params["address"], _register(params), params["size"]))}


def _write(hardware, params):
    data, register = bytes(params["data"]), _register(params)
    before = None
    with _open(hardware, params, True) as bus:
        if register and params["read_before"]:
            try:
                before = list(bus.transfer(params["address"], register, len(data)))
            except DeviceError:
                pass  # a register that cannot be read may be one to write to
        bus.transfer(params["address"], register + data, 0)
    return {"before": before}


def _transfer(hardware, params):
    with _open(hardware, params, len(params["data"]) > 0) as bus:
        return {"data": list(bus.transfer(params["address"], params["data"], params["size"]))}


_BUS = path("the bus, /dev/i2c-1; on a board i2c0")
_ADDRESS = schema.integer("address", low=0, high=0x7F, about="7 bits, without the direction")
_REGISTER = schema.integer("register", None, low=0, high=0xFFFF, about="null: read on from there")
_WIDTH = schema.integer("register_bytes", 1, low=1, high=2, about="of a register's number")
_SIZE = schema.integer("size", 1, low=1, high=MAX_BYTES, unit="bytes")
_COUNT = schema.integer("size", 0, low=0, high=MAX_BYTES, unit="bytes", about="read after that")
_DATA = byte_list("data", 1, MAX_BYTES)
_OUT = byte_list("data", 0, MAX_BYTES)
_BEFORE = schema.boolean("read_before", True, about="tell in `before` what the register held")
_FIRST = schema.integer("first", 0x08, low=0, high=0x7F)
_LAST = schema.integer("last", 0x77, low=0, high=0x7F)

COMMANDS = (
    ("list", _list, (), "read", "repeat", "Every bus: path, name, what its adapter can."),
    ("scan", _scan, (_BUS, _FIRST, _LAST), "act", "once",
     "Asks each address: {found, held: by a kernel driver}. It may upset a chip."),
    ("read", _read, (_BUS, _ADDRESS, _REGISTER, _WIDTH, _SIZE), "act", "once",
     "Reads bytes, from a register on. {data}"),
    ("write", _write, (_BUS, _ADDRESS, _REGISTER, _WIDTH, _DATA, _BEFORE), "act", "once",
     "Writes bytes, from a register on. {before: what was there, null where unknown}"),
    ("transfer", _transfer, (_BUS, _ADDRESS, _OUT, _COUNT), "act", "once",
     "Writes `data`, then reads `size` bytes after a repeated start. {data}"),
)  # fmt: skip
