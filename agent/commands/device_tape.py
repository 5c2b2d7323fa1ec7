"""`tape.*`: a tape drive as its operator knows it.

The one rule: whatever moves the tape may last minutes, and never runs where it would stop the
agent unless the caller accepts that. Use /dev/nst*: /dev/st* rewinds after every command.
"""

from agent import schema
from agent.commands.device_ioctl import is_harmless
from agent.commands.device_parameters import MAX_DATA, decoded, encoded, path, stall_ms
from agent.commands.hardware import TASK
from agent.devices import faults, requests, tape

NEEDS = ("ioctl",)
MAX_BLOCKS = 64


def _open(hardware, params, request, writable, what=None):
    transport = hardware.use("ioctl")
    where = params["path"]
    number = requests.code_of(requests.find(request), transport.target)
    if writable or not is_harmless(where, request):
        hardware.guard("ioctl", where, number, number, what is not None)
    if what is not None:
        hardware.check_wait(what, params["stall_ms"])
    return transport.open(where, writable)


def _status(hardware, params):
    with _open(hardware, params, "MTIOCGET", False) as device:
        return tape.status(device)


def _operate(hardware, params):
    name = params["operation"]
    with _open(hardware, params, "MTIOCTOP", name in _WRITING, "tape " + name) as device:
        tape.operate(device, name, params["count"])
        return tape.status(device)


_WRITING = ("weof", "weofi", "wsm", "erase", "mkpartition")


def _read(hardware, params):
    blocks = []
    total = 0
    with _open(hardware, params, "MTIOCTOP", False, "reading a tape") as device:
        tape.check_type(device)
        size = min(params["size_bytes"], MAX_DATA)
        while len(blocks) < params["blocks"] and total + size <= MAX_DATA:
            data = tape.read_block(device, size)
            if not data:
                return {"blocks": blocks, "mark": True}
            total += len(data)
            blocks.append(encoded(data))
    return {"blocks": blocks, "mark": False}


def _write(hardware, params):
    blocks = [decoded(text, "blocks[%d]" % i) for i, text in enumerate(params["blocks"])]
    with _open(hardware, params, "MTIOCTOP", True, "writing a tape") as device:
        tape.check_type(device)
        for data in blocks:
            tape.write_block(device, data)
        if params["marks"]:
            tape.operate(device, "weof", params["marks"])
        return tape.status(device)


def _store(hardware, params, job):
    """The day's work of a tape operator: ready? rewind, write, mark, and read it all back."""
    blocks = [decoded(text, "blocks[%d]" % i) for i, text in enumerate(params["blocks"])]
    with _open(hardware, params, "MTIOCTOP", True, "writing a tape") as device:
        _check_ready(device)
        steps = 2 * len(blocks) if params["verify"] else len(blocks)
        job.progress(0, "rewinding")
        yield
        tape.operate(device, "rewind")
        for index, data in enumerate(blocks):
            job.progress(index / steps, "writing")
            yield
            tape.write_block(device, data)
        tape.operate(device, "weof", 1)
        if params["verify"]:
            job.progress(len(blocks) / steps, "rewinding")
            yield
            tape.operate(device, "rewind")
            for index, data in enumerate(blocks):
                job.progress((len(blocks) + index) / steps, "reading back")
                yield
                if tape.read_block(device, len(data)) != data:
                    text = "block %d is not what was written" % index
                    raise faults.refusal(params["path"], text, "failed")
        if params["unload"]:
            job.progress(None, "unloading")
            yield
            tape.operate(device, "unload")
    size = sum([len(data) for data in blocks])
    return {"blocks": len(blocks), "size_bytes": size, "verified": params["verify"]}


def _check_ready(device):
    flags = tape.status(device)["flags"]
    if "online" not in flags:
        raise faults.refusal(device.path, "no tape is loaded", "unavailable")
    if "write-protected" in flags:
        raise faults.refusal(device.path, "the tape is write-protected", "denied")


_PLACE = path("the drive: /dev/nst0 keeps its place between commands, /dev/st0 rewinds")
_OPERATION = schema.text("operation", choices=tuple(sorted(tape.OPERATIONS)))
_COUNT = schema.integer("count", None, low=0, high=0x7FFFFFFF, about="as the operation needs")
_SIZE = schema.integer("size_bytes", 65536, low=1, high=tape.LARGEST_BLOCK, unit="bytes")
_MOST = schema.integer("blocks", 1, low=1, high=MAX_BLOCKS, about="how many at most")
_BLOCK = schema.text("block", low=4, high=MAX_DATA * 4 // 3 + 4)
_BLOCKS = schema.sequence("blocks", _BLOCK, low=1, high=MAX_BLOCKS, about="each in base64")
_VERIFY = schema.boolean("verify", True, about="rewind and read it back")
_UNLOAD = schema.boolean("unload", False, about="when all is done")
_MARKS = schema.integer("marks", 1, low=0, high=2, about="file marks written after them")

COMMANDS = (
    ("status", _status, (_PLACE,), "read", "repeat",
     "Where the head is (-1: unknown), flags, block size, density, soft errors."),
    ("operate", _operate, (_PLACE, _OPERATION, _COUNT, stall_ms()), "act", "once",
     "One operation, done when it answers. The status after it."),
    ("read", _read, (_PLACE, _MOST, _SIZE, stall_ms()), "act", "once",
     "The next blocks, in base64. {blocks, mark: true if a file mark ended them}"),
    ("write", _write, (_PLACE, _BLOCKS, _MARKS, stall_ms()), "act", "once",
     "Writes blocks here; what stood further on is lost. The status after it."),
    ("store", _store, (_PLACE, _BLOCKS, _VERIFY, _UNLOAD, stall_ms()), "act", "once",
     "Checks the drive, rewinds, writes one file, reads it back. {blocks, size_bytes, verified}",
     TASK),
)  # fmt: skip
