"""`ioctl.*`: any request to any device's driver, as far as the policy allows.

The one rule: nothing is sent that is neither in HARMLESS nor in a range of the policy; a request
that may last long, or that nobody here knows, stays off the link's thread.
"""

from agent import schema
from agent.commands.device_parameters import MAX_DATA, decoded, encoded, path, stall_ms
from agent.devices import layout, requests
from agent.errors import BadParams

NEEDS = ("ioctl",)

# What may be asked without a policy: where a path begins, digits alone following, and what then
# changes nothing, neither by opening nor by asking. /dev/watchdog0 is started by opening it, and
# /dev/st0 rewinds when it is closed, so that neither stands here.
HARMLESS = (
    ("/dev/input/event", ("EVIOCGVERSION", "EVIOCGID", "EVIOCGNAME", "EVIOCGPHYS", "EVIOCGUNIQ",
                          "EVIOCGPROP", "EVIOCGBIT", "EVIOCGABS")),
    ("/dev/nst", ("MTIOCGET", "MTIOCPOS")),
    ("/dev/gpiochip", ("GPIO_GET_CHIPINFO", "GPIO_V2_GET_LINEINFO")),
    ("/dev/rtc", ("RTC_RD_TIME",)),
    ("/dev/random", ("RNDGETENTCNT",)),
)  # fmt: skip


def is_harmless(where, name):
    """Whether the request called `name` may be asked of the device file without a policy."""
    for start, names in HARMLESS:
        rest = where[len(start) :]
        if where.startswith(start) and (not rest or rest.isdigit()) and name in names:
            return True
    return False


def _describe(hardware, params):
    return requests.describe(params["request"], _target(hardware))


def _target(hardware):
    return hardware.use("ioctl").target


def _call(hardware, params):
    transport = hardware.use("ioctl")
    request, number = _number(params, transport.target)
    effect = request.effect if request else "unknown"
    where = params["path"]
    if not (request and is_harmless(where, request.name) and not params["write"]):
        hardware.guard("ioctl", where, number, number, effect != "read" or params["write"])
    if effect in ("wait", "unknown"):
        name = requests.sentence(number, transport.target)
        hardware.check_wait("ioctl " + name, params["stall_ms"])
    argument = _argument(params, request, number, transport.target)
    with transport.open(where, params["write"]) as device:
        status = device.call(number, argument)
    return _answer(status, argument, request, transport.target)


def _number(params, target):
    """(Request or None, number)."""
    asked = params["request"]
    try:
        if isinstance(asked, str):
            request = requests.find(asked)
            return request, requests.code_of(request, target, params["size"], params["index"])
        if isinstance(asked, bool) or not isinstance(asked, int):
            raise ValueError("expected a name or a number")
        return requests.look_up(asked, target), asked
    except (LookupError, ValueError, TypeError) as error:
        raise BadParams("request: %s" % error)


def _argument(params, request, number, target):
    """A bytearray of the size that the request tells, or an integer where it tells none."""
    size = requests.describe(number, target)["size_bytes"]
    if request and layout.has_pointer(request.argument):
        raise BadParams("request: %s takes an address of the agent's own memory" % request.name)
    if request and request.direction == "legacy":
        size = layout.size_of(request.argument, target[1]) if _is_typed(request) else 0
        size = size or params["size"] or 0
    value = params["value"]
    if params["data"] is not None:
        data = bytearray(decoded(params["data"], "data"))
        if len(data) != size:
            raise BadParams("data: expected %d bytes, got %d" % (size, len(data)))
        return data
    if isinstance(value, dict) or (request and _is_typed(request) and value is not None):
        return _packed(value, request, target)
    if value is not None and (size or isinstance(value, bool) or not isinstance(value, int)):
        raise BadParams("value: this request takes `data`, or nothing")
    return bytearray(size) if size else (value or 0)


def _is_typed(request):
    return isinstance(request.argument, (str, tuple))


def _packed(value, request, target):
    if request is None or not _is_typed(request):
        raise BadParams("value: this request's members are not known here; give `data`")
    declaration = request.argument
    if isinstance(declaration, str):
        declaration, value = layout.single(declaration), {"value": value}
    try:
        return layout.pack(declaration, value, target[1])
    except (ValueError, TypeError) as error:
        raise BadParams("value.%s" % error)


def _answer(status, argument, request, target):
    if isinstance(argument, int):
        return {"status": status}
    if request and isinstance(request.argument, tuple):
        return {"status": status, "value": layout.unpack(request.argument, argument, target[1])}
    if request and isinstance(request.argument, str):
        declaration = layout.single(request.argument)
        return {
            "status": status,
            "value": layout.unpack(declaration, argument, target[1])["value"],
        }
    return {"status": status, "data": encoded(argument)}


_FIELDS = (
    path(),
    schema.anything("request", about="a name, MTIOCGET, or the number itself"),
    schema.anything("value", None, about="the argument: an object, or an integer"),
    schema.text("data", None, high=MAX_DATA * 4 // 3 + 4, about="the argument, in base64"),
    schema.integer("size", None, low=0, high=16383, unit="bytes", about="of the argument"),
    schema.integer("index", 0, low=0, high=63, about="where a name stands for several"),
    schema.boolean("write", False, about="open the device for writing too"),
    stall_ms(),
)
_NUMBER = schema.integer("request", low=0, high=0xFFFFFFFF, about="the number of a request")

COMMANDS = (
    ("describe", _describe, (_NUMBER,), "read", "repeat",
     "A request's number taken apart: name, direction, type, number, size, effect."),
    ("call", _call, _FIELDS, "act", "once",
     "Sends a request. {status, value} for one known here, else {status, data}."),
)  # fmt: skip
