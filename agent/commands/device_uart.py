"""`uart.*`: a serial line, opened for one exchange.

The one rule: a line belongs to one command at a time, and what comes while nobody has it open is
lost; whoever wants an answer asks for it in the same call. These rest while they wait, and stop
nobody.
"""

from agent import schema
from agent.commands.device_parameters import MAX_DATA, decoded, encoded, path
from agent.commands.hardware import TASK
from agent.devices import faults, uart, waiting
from agent.errors import BadParams

NEEDS = ("uart",)
BREAK_MS = 250  # as long as any line's frame at 50 baud


def _list(hardware, params):
    return hardware.use("uart").lines()


def _open(hardware, params):
    hardware.guard("bus", params["path"], 0, 0, True)
    return hardware.use("uart").open(params["path"], params["line"])


def _data(params):
    """What is to be sent: of `text` and `data` the one that was given."""
    if (params["text"] is None) == (params["data"] is None):
        raise BadParams("data: expected either `data`, in base64, or `text`")
    return decoded(params["data"], "data") if params["text"] is None else params["text"].encode()


def _told(received):
    """Bytes in base64, and as text where they are text."""
    try:
        text = received.decode()
    except UnicodeError:
        text = None
    return {"data": encoded(received), "text": text}


def _send(line, params, data):
    done = yield from waiting.send(line, data, params["wait_ms"])
    if done < len(data):
        words = (done, len(data), params["wait_ms"])
        raise faults.refusal(
            params["path"], "took %d of %d bytes in %d ms; is it held?" % words, "failed"
        )


def _write(hardware, params, job):
    data = _data(params)
    with _open(hardware, params) as line:
        yield from _send(line, params, data)
        # A line that is closed throws away what it has not sent: ten bits to a byte, and more.
        yield len(data) * 12000 // line.baud + 1
        return {"sent": len(data), "baud": line.baud}


def _read(hardware, params, job):
    with _open(hardware, params) as line:
        return _told((yield from _receive(line, params)))


def _receive(line, params):
    limits = (params["size"], params["wait_ms"], params["idle_ms"])
    received = yield from waiting.receive(line, *limits)
    return received


def _transact(hardware, params, job):
    data = _data(params)
    with _open(hardware, params) as line:
        yield from _send(line, params, data)
        return _told((yield from _receive(line, params)))


def _break(hardware, params, job):
    with _open(hardware, params) as line:
        line.set_break(True)
        try:
            yield params["break_ms"]
        finally:
            line.set_break(False)
    return {}


_RS485 = (
    schema.boolean("rts_on_send", True, about="the level of RTS while it sends"),
    schema.integer("before_ms", 0, low=0, high=100, unit="ms"),
    schema.integer("after_ms", 0, low=0, high=100, unit="ms"),
    schema.boolean("receive_own", False, about="hear what it sends itself"),
    schema.boolean("terminate", False, about="switch the bus's resistor on"),
)
_DEFAULTS = uart.DEFAULTS
SETTINGS = (
    schema.integer("baud", _DEFAULTS["baud"], low=50, high=4000000),
    schema.integer("bits", _DEFAULTS["bits"], low=5, high=8),
    schema.text("parity", _DEFAULTS["parity"], choices=uart.PARITIES),
    schema.integer("stop", _DEFAULTS["stop"], low=1, high=2),
    schema.text("flow", _DEFAULTS["flow"], choices=uart.FLOWS),
    schema.structure("rs485", _RS485, None, about="{} has the driver switch the transmitter"),
)
_PLACE = path("the line, /dev/ttyS1; on a board uart1")
_LINE = schema.structure("line", SETTINGS, {}, about="as the other end has it")
_OUT = (
    schema.text("data", None, high=MAX_DATA * 4 // 3 + 4, about="what to send, in base64"),
    schema.text("text", None, high=MAX_DATA, about="or as it is"),
)
_SIZE = schema.integer("size", 4096, low=1, high=MAX_DATA, unit="bytes", about="at most")
_WAIT = schema.integer("wait_ms", 1000, low=0, high=60000, unit="ms", about="for the first byte")
_IDLE = schema.integer("idle_ms", 50, low=1, high=5000, unit="ms", about="of silence end it")
_BREAK = schema.integer("break_ms", BREAK_MS, low=1, high=5000, unit="ms")

COMMANDS = (
    ("list", _list, (), "read", "repeat", "Every line: path, name of a USB adapter."),
    ("write", _write, (_PLACE, _LINE) + _OUT + (_WAIT,), "act", "once",
     "Sends bytes. {sent, baud: as the line has it}", TASK),
    ("read", _read, (_PLACE, _LINE, _SIZE, _WAIT, _IDLE), "act", "once",
     "What comes from now on. {data: base64, text: null where it is none}", TASK),
    ("transact", _transact, (_PLACE, _LINE) + _OUT + (_SIZE, _WAIT, _IDLE), "act", "once",
     "Sends bytes and gives what is answered. {data, text}", TASK),
    ("break", _break, (_PLACE, _LINE, _BREAK), "act", "once", "Holds the line for so long. {}",
     TASK),
)  # fmt: skip
