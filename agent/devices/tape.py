"""Tape drives: where the head stands, every operation of the driver, blocks in and out.

Contract: `status` must tell -1 where the driver does not know; `operate` must refuse what is not
in OPERATIONS and a count that the operation does not take, before anything moves; both refuse what
is no SCSI tape. Any of them may last minutes. Sources: linux/mtio.h, st(4). A path /dev/nst* keeps
its place when it is closed, /dev/st* rewinds.
"""

from collections import namedtuple

from agent.devices import faults

# number  mt_op
# low, high  bounds of mt_count; None: the operation takes none
# about   what the count means, or what happens
Operation = namedtuple("Operation", ("number", "low", "high", "about"))

_MANY = 0x7FFFFF  # SCSI counts in 24 bits, signed

OPERATIONS = {
    "reset": Operation(0, None, None, "the driver's state and the drive"),
    "fsf": Operation(1, 1, _MANY, "forward over file marks, to the first block after them"),
    "bsf": Operation(2, 1, _MANY, "backward over file marks, to before them"),
    "fsr": Operation(3, 1, _MANY, "forward over blocks"),
    "bsr": Operation(4, 1, _MANY, "backward over blocks"),
    "weof": Operation(5, 1, _MANY, "write file marks"),
    "rewind": Operation(6, None, None, "to the beginning"),
    "offline": Operation(7, None, None, "rewind and eject"),
    "nop": Operation(8, None, None, "flush the driver's buffer"),
    "retension": Operation(9, None, None, "wind to the end and back"),
    "bsfm": Operation(10, 1, _MANY, "backward over file marks, to after the last of them"),
    "fsfm": Operation(11, 1, _MANY, "forward over file marks, to before the last of them"),
    "eod": Operation(12, None, None, "to the end of what is recorded"),
    "erase": Operation(13, 0, 1, "0 a mark only, 1 the whole tape: hours"),
    "setblk": Operation(20, 0, 0xFFFFFF, "block size in bytes, 0 for variable"),
    "setdensity": Operation(21, 0, 255, "density code"),
    "seek": Operation(22, 0, 0x7FFFFFFF, "to a block by its logical number"),
    "drvbuffer": Operation(24, 0, 0x7FFFFFFF, "buffering mode or driver options"),
    "fss": Operation(25, 1, _MANY, "forward over set marks"),
    "bss": Operation(26, 1, _MANY, "backward over set marks"),
    "wsm": Operation(27, 1, _MANY, "write set marks"),
    "lock": Operation(28, None, None, "lock the door"),
    "unlock": Operation(29, None, None, "unlock the door"),
    "load": Operation(30, None, None, "load the tape"),
    "unload": Operation(31, None, None, "unload the tape"),
    "compression": Operation(32, 0, 1, "0 off, 1 on"),
    "setpartition": Operation(33, 0, 255, "the partition to go on in"),
    "mkpartition": Operation(34, 0, 0x7FFFFFFF, "format: 0 one partition, else MB of the second"),
    "weofi": Operation(35, 1, _MANY, "write file marks without waiting for the medium"),
}

FLAGS = (
    (0x80000000, "eof"),
    (0x40000000, "bot"),
    (0x20000000, "eot"),
    (0x10000000, "setmark"),
    (0x08000000, "eod"),
    (0x04000000, "write-protected"),
    (0x01000000, "online"),
    (0x00800000, "density-6250"),
    (0x00400000, "density-1600"),
    (0x00200000, "density-800"),
    (0x00040000, "no-tape"),
    (0x00010000, "immediate-report"),
    (0x00008000, "needs-cleaning"),
)
_TYPES = {0x71: "scsi-1", 0x72: "scsi-2"}
LARGEST_BLOCK = 0xFFFFFF  # SCSI counts a block's bytes in 24 bits


def status(device):
    """Where the head is and how the drive does, as a dict of JSON.

    `soft_errors` counts since the last status: reading clears it.
    """
    told = device.ask("MTIOCGET")
    general = told["mt_gstat"] & 0xFFFFFFFF
    return {
        "file_number": told["mt_fileno"],
        "block_number": told["mt_blkno"],
        "partition": told["mt_resid"],
        "type": _check_type(device, told["mt_type"]),
        "block_size_bytes": told["mt_dsreg"] & 0xFFFFFF,
        "density": told["mt_dsreg"] >> 24 & 0xFF,
        "flags": [name for bit, name in FLAGS if general & bit],
        "soft_errors": told["mt_erreg"] & 0xFFFF,
    }


def operate(device, name, count=None):
    """Do one operation and return once the drive has done it. Raises DeviceError."""
    operation = OPERATIONS.get(name)
    if operation is None:
        known = ", ".join(sorted(OPERATIONS))
        raise faults.refusal(device.path, "%s: no tape operation; there are %s" % (name, known))
    check_type(device)
    count = _checked_count(device, name, operation, count)
    device.tell("MTIOCTOP", {"mt_op": operation.number, "mt_count": count})


def tell_position(device):
    """The logical number of the block under the head. Raises DeviceError."""
    return device.ask("MTIOCPOS")["mt_blkno"]


def check_type(device):
    """Raise DeviceError unless the drive is one whose status means what we say."""
    _check_type(device, device.ask("MTIOCGET")["mt_type"])


def read_block(device, size):
    """The next block, at most `size` bytes; b'' at a file mark, which is passed by."""
    _check_size(device, size)
    return device.read(size)


def write_block(device, data):
    """Write one block; a drive that takes a part of it is an error."""
    _check_size(device, len(data))
    taken = device.write(data)
    if taken != len(data):
        text = "write %d bytes: the drive took %d" % (len(data), taken or 0)
        raise faults.refusal(device.path, text, "failed")


def _check_type(device, number):
    if number not in _TYPES:
        text = "unsupported tape type 0x%x; supported are SCSI-1 and SCSI-2 drives" % number
        raise faults.refusal(device.path, text, "unavailable")
    return _TYPES[number]


def _check_size(device, size):
    if not 1 <= size <= LARGEST_BLOCK:
        text = "block: expected 1 to %d bytes, got %d" % (LARGEST_BLOCK, size)
        raise faults.refusal(device.path, text)


def _checked_count(device, name, operation, count):
    if operation.low is None:
        if count not in (None, 1):
            raise faults.refusal(device.path, "%s: takes no count" % name)
        return 1
    if count is None:
        count = max(1, operation.low)
    if not operation.low <= count <= operation.high:
        words = (name, operation.low, operation.high, operation.about, count)
        raise faults.refusal(device.path, "%s: count: expected %d to %d (%s), got %d" % words)
    return count
