"""PCI functions: which there are, and their windows, read and written at exact widths.

Contract: a BAR keeps the number that the function gives it, also where its neighbour is the upper
half of a 64-bit pair or not assigned; a bridge's forwarding windows are no BARs. An access must
lie in the BAR as a whole, be 1, 2, 4 or 8 bytes and aligned to that, and the function must have
decoding switched on; else it raises before anything is touched. All from sysfs: no program, no
/dev/mem. Sources: PCI Local Bus 3.0, chapter 6; Documentation/PCI/sysfs-pci.rst.
"""

import struct
from collections import namedtuple

from agent.errors import LimpetError

# number   0-5, the BAR's own
# kind     'io' or 'mem'
# address, size  as the bus sees it, bytes
# is_64, prefetchable: True or False
Bar = namedtuple("Bar", ("number", "kind", "address", "size", "is_64", "prefetchable"))

WIDTHS = (1, 2, 4, 8)

# linux/ioport.h, as the sysfs file `resource` shows it
_IO, _MEM, _PREFETCH, _MEM_64 = 0x100, 0x200, 0x2000, 0x100000

_HEADER = "<HHHHBBBBBBBB"
_NAMES = (
    "vendor_id",
    "device_id",
    "command",
    "status",
    "revision_id",
    "prog_if",
    "subclass",
    "class_code",
    "cache_line_size",
    "latency_timer",
    "header_type",
    "bist",
)
_KINDS = {0: "device", 1: "bridge", 2: "cardbus"}
# Where each header type has: subsystem ids (2 x 16 bits), capabilities pointer; None: nowhere.
_PLACES = {0: (0x2C, 0x34), 1: (None, 0x34), 2: (0x40, 0x14)}
_CAPABILITIES = 1 << 4  # of the status register
_DECODES = {"io": 1, "mem": 2}  # of the command register
_MOST_CAPABILITIES = 48  # a list longer than a header has room for is a loop


class BadAccess(LimpetError):
    """An access that does not lie in its BAR, or not at a width that a bus has."""

    code = "bad-params"


def parse_header(config):
    """The first 64 bytes of configuration space, as a dict of JSON. Raises ValueError."""
    if len(config) < 64:
        raise ValueError("expected 64 bytes of configuration space, got %d" % len(config))
    values = struct.unpack_from(_HEADER, config)
    header = {name: values[index] for index, name in enumerate(_NAMES)}
    kind = header["header_type"] & 0x7F
    header["kind"] = _KINDS.get(kind, "unknown")
    header["multifunction"] = header["header_type"] >> 7 == 1
    header["interrupt_line"], header["interrupt_pin"] = config[60], config[61]
    subsystem, pointer = _PLACES.get(kind, (None, None))
    if subsystem is not None and len(config) >= subsystem + 4:
        ids = struct.unpack_from("<HH", config, subsystem)
        header["subsystem_vendor_id"], header["subsystem_id"] = ids
    header["capabilities"] = _walk(config, pointer) if header["status"] & _CAPABILITIES else []
    return header


def _walk(config, pointer):
    """Ids and offsets of the capabilities; [] where an unprivileged read got 64 bytes only."""
    found = []
    at = config[pointer] & 0xFC if pointer is not None else 0
    while 64 <= at < len(config) - 1 and len(found) < _MOST_CAPABILITIES:
        found.append({"id": config[at], "offset": at})
        at = config[at + 1] & 0xFC
    return found


def parse_bars(resource):
    """The BARs in a sysfs file `resource`: its first six lines, true numbers kept."""
    bars = []
    for number, line in enumerate(resource.strip().split("\n")[:6]):
        first, last, flags = [int(word, 16) for word in line.split()]
        if flags & (_IO | _MEM) and last >= first:
            kind = "io" if flags & _IO else "mem"
            is_64, prefetch = flags & _MEM_64 != 0, flags & _PREFETCH != 0
            bars.append(Bar(number, kind, first, last - first + 1, is_64, prefetch))
    return bars


def check_range(bar, offset, size):
    """Raise BadAccess unless `size` bytes at `offset` lie in the BAR."""
    if offset >= 0 and size >= 1 and offset + size <= bar.size:
        return
    start = bar.address + offset
    words = (bar.address, bar.address + bar.size - 1, start, start + size - 1)
    text = "PCI addr space is %s-%s while tried to access %s-%s."
    raise BadAccess(text % tuple([_hex(number) for number in words]))


def check_access(bar, offset, size, command):
    """Raise BadAccess unless one access of `size` bytes at `offset` can be made."""
    if size not in WIDTHS or (bar.kind == "io" and size == 8):
        raise BadAccess("expected a width of 1, 2, 4 or, in memory, 8 bytes, got %d" % size)
    check_range(bar, offset, size)
    if offset % size:
        raise BadAccess("offset %s is not aligned to %d bytes" % (_hex(offset), size))
    if not command & _DECODES[bar.kind]:
        text = "BAR %d is switched off: bit %d of the command register 0x%04x is clear"
        raise BadAccess(text % (bar.number, 0 if bar.kind == "io" else 1, command))


def _hex(number):
    return "-0x%x" % -number if number < 0 else "0x%x" % number
