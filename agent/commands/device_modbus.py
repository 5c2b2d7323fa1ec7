"""`modbus.*`: field devices, over a serial line or TCP.

The one rule: the policy allows references of a unit on a line or host: 400001 is holding register
0. What is read may be asked for again after silence; what is written is sent once.
"""

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.device_uart import SETTINGS
from agent.commands.hardware import TASK
from agent.devices import modbus, modbus_map
from agent.devices.faults import DeviceError
from agent.errors import BadParams, LimpetError

NEEDS = ("modbus", "uart")
MAX_ENTRIES = 64
_HOLDING = "holding-registers"


def _allow(hardware, params, table, address, count, write):
    first = modbus.reference(table, address)
    where = "%s/%d" % (params["path"], params["unit"])
    hardware.guard("modbus", where, first, first + count - 1, write)


def _made(build, *arguments):
    """A request. Raises BadParams for what the protocol cannot say."""
    try:
        return build(*arguments)
    except ValueError as error:
        raise BadParams(str(error))


def _on_link(hardware, params, use):
    """Open the link, `use(link)` it to its end, close it: a generator."""
    links = hardware.use("modbus")
    link = yield from links.open(params["path"], params["line"], params["wait_ms"])
    try:
        return (yield from use(link))
    finally:
        link.close()


def _ask(link, params, request, tries=None):
    """Exchange a reading, again after silence or a broken frame."""
    tries = params["tries"] if tries is None else tries
    while True:
        tries -= 1
        try:
            return (yield from link.exchange(params["unit"], request, params["wait_ms"]))
        except DeviceError as error:
            if tries <= 0 or error.code != "failed":
                raise


def _read(hardware, params, job):
    place = (params["table"], params["address"], params["count"])
    request = _made(modbus.read, *place)
    _allow(hardware, params, *(place + (False,)))
    _check_unit(params)
    values = yield from _on_link(hardware, params, lambda link: _ask(link, params, request))
    return {"values": values}


def _check_unit(params):
    if params["unit"] == 0 and ":" not in params["path"]:
        raise BadParams("unit: 0 is everybody, and nobody answers; expected 1 to 247")


def _write(hardware, params, job):
    table, address, values = params["table"], params["address"], params["values"]
    request = _made(modbus.write, table, address, values, params["single"])
    _allow(hardware, params, table, address, len(values), True)
    before = None
    if params["read_before"] and params["unit"]:
        before = _made(modbus.read, table, address, len(values))
    return (yield from _on_link(hardware, params, _changing(params, request, before)))


def _changing(params, request, before):
    """What reads what is there, where that is asked for and can be; then writes."""

    def change(link):
        old = None
        if before is not None:
            try:
                old = yield from _ask(link, params, before)
            except modbus.ModbusError:
                pass  # some registers can be written only
        yield from _ask(link, params, request, 1)
        return {"before": old}

    return change


def _mask(hardware, params, job):
    request = _made(modbus.mask, params["address"], params["keep"], params["put"])
    _allow(hardware, params, _HOLDING, params["address"], 1, True)
    _check_unit(params)
    before = _made(modbus.read, _HOLDING, params["address"], 1)
    return (yield from _on_link(hardware, params, _changing(params, request, before)))


def _exchange(hardware, params, job):
    reads = (params["read_address"], params["count"])
    writes = (params["write_address"], params["values"])
    request = _made(modbus.exchange, *(reads + writes))
    _allow(hardware, params, *((_HOLDING,) + reads + (False,)))
    _allow(hardware, params, _HOLDING, writes[0], len(writes[1]), True)
    _check_unit(params)
    values = yield from _on_link(hardware, params, lambda link: _ask(link, params, request, 1))
    return {"values": values}


def _sample(hardware, params, job):
    _check_map(params["map"])
    _check_unit(params)
    readings = modbus_map.plan(params["map"], params["gap"])
    for table, address, count, _ in readings:
        _allow(hardware, params, table, address, count, False)
    found = {"values": {}, "units": {}, "errors": {}}
    yield from _on_link(hardware, params, lambda link: _fill(link, params, readings, found))
    return found


def _check_map(entries):
    names = set()
    for index, entry in enumerate(entries):
        if entry["name"] in names:
            raise BadParams("map[%d].name: %s stands there twice" % (index, entry["name"]))
        names.add(entry["name"])
        if entry["type"] != "bool" and entry["table"] in modbus.BITS:
            raise BadParams("map[%d].type: %s holds bool" % (index, entry["table"]))
        if entry["address"] + modbus_map.span_of(entry) > 0x10000:
            raise BadParams("map[%d].address: beyond the last" % index)


def _fill(link, params, readings, found):
    """Read all; what one reading fails by stands for its entries, and fails all only if all do."""
    error = None
    for table, address, count, entries in readings:
        try:
            request = _made(modbus.read, table, address, count)
            values = yield from _ask(link, params, request)
        except LimpetError as met:
            error = met
            for entry in entries:
                found["errors"][entry["name"]] = met.message
            continue
        for entry in entries:
            name = entry["name"]
            found["values"][name] = modbus_map.value_of(entry, values, address)
            if entry["unit"]:
                found["units"][name] = entry["unit"]
    if error is not None and not found["values"]:
        raise error


_WAY = (
    path("the line, /dev/ttyS1 or uart1; or host:port, 10.0.0.7:502"),
    schema.structure("line", SETTINGS, {}, about="of a serial line"),
    schema.integer("unit", 1, low=0, high=255, about="0 on a line: everybody"),
    schema.integer("wait_ms", 1000, low=1, high=30000, unit="ms", about="for each answer"),
)
_TRIES = schema.integer("tries", 2, low=1, high=5, about="of each reading")
_TABLE = schema.text("table", _HOLDING, choices=tuple(sorted(modbus.TABLES)))
_WRITABLE = schema.text("table", _HOLDING, choices=("coils", _HOLDING))
_COUNT = schema.integer("count", 1, low=1, high=2000)
_VALUE = schema.integer("value", low=0, high=0xFFFF)
_VALUES = schema.sequence("values", _VALUE, low=1, high=1968)
_SINGLE = schema.boolean("single", None, about="by the function for one value; null: if it is one")
_BEFORE = schema.boolean("read_before", True, about="tell in `before` what was there")


def _address(name="address"):
    return schema.integer(name, low=0, high=0xFFFF, about="as on the wire, from 0")


_ENTRY = (
    schema.text("name", low=1, high=32),
    _TABLE,
    _address(),
    schema.text("type", "u16", choices=tuple(sorted(modbus_map.TYPES))),
    schema.text("order", "abcd", choices=modbus_map.ORDERS, about="of the bytes, highest first"),
    schema.integer("bit", 0, low=0, high=15, about="of a register, for bool"),
    schema.integer("registers", 1, low=1, high=125, about="that a text takes"),
    schema.number("scale", 1, about="the value is number * scale + offset"),
    schema.number("offset", 0),
    schema.text("unit", "", high=16, about="of the value: V, kWh"),
)
_KEEP = schema.integer("keep", low=0, high=0xFFFF, about="bits that stay")
_PUT = schema.integer("put", low=0, high=0xFFFF, about="what the others become")
_MAP = schema.sequence("map", schema.structure("entry", _ENTRY), low=1, high=MAX_ENTRIES)
_GAP = schema.integer("gap", 0, low=0, high=100, about="unnamed values that a reading may span")

COMMANDS = (
    ("read", _read, _WAY + (_TRIES, _TABLE, _address(), _COUNT), "act", "repeat",
     "Values of a table. {values}", TASK),
    ("write", _write,
     _WAY + (_TRIES, _WRITABLE, _address(), _VALUES, _SINGLE, _BEFORE), "act", "once",
     "Writes values. {before: null where it cannot be read}", TASK),
    ("mask", _mask,
     _WAY + (_TRIES, _address(), _KEEP, _PUT), "act", "once",
     "Changes bits of a holding register in one step of the device. {before}", TASK),
    ("exchange", _exchange,
     _WAY + (_TRIES, _address("read_address"), _COUNT, _address("write_address"), _VALUES),
     "act", "once", "Writes holding registers, then reads some, in one step. {values}", TASK),
    ("sample", _sample, _WAY + (_TRIES, _MAP, _GAP), "act", "repeat",
     "What a register map names. {values, units, errors: by name, of what could not be read}",
     TASK),
)  # fmt: skip
