"""Register maps: names for what a field device holds, declared as data, read in few requests.

The one rule: an entry's values are asked for in one request, so that no number is put together
from two moments; entries that stand side by side share one. Pure: it calls nothing.
"""

import struct

from agent.devices import modbus

# type: registers, and the format of struct once the bytes are in order; '' for a bit or text
TYPES = {
    "bool": (1, ""),
    "u16": (1, "H"),
    "s16": (1, "h"),
    "u32": (2, "I"),
    "s32": (2, "i"),
    "u64": (4, "Q"),
    "s64": (4, "q"),
    "f32": (2, "f"),
    "f64": (4, "d"),
    "text": (0, ""),
}
# How data sheets call the order of a number's bytes: the first letter is the highest byte.
ORDERS = ("abcd", "cdab", "badc", "dcba")


def span_of(entry):
    """How many values of its table an entry takes."""
    return entry["registers"] if entry["type"] == "text" else TYPES[entry["type"]][0]


def plan(entries, gap=0):
    """Readings that cover all entries: a list of (table, address, count, entries).

    Entries that are at most `gap` values apart share one: some devices refuse what lies between.
    """
    found = []
    for entry in sorted(entries, key=lambda e: (e["table"], e["address"])):
        table, address = entry["table"], entry["address"]
        end = address + span_of(entry)
        if found and found[-1][0] == table and address - found[-1][2] <= gap:
            last = found[-1]
            if max(end, last[2]) - last[1] <= modbus.TABLES[table].most_read:
                last[2] = max(end, last[2])
                last[3].append(entry)
                continue
        found.append([table, address, end, [entry]])
    return [(table, first, end - first, inside) for table, first, end, inside in found]


def value_of(entry, values, first):
    """An entry's value among `values`, read from address `first` on; None for what is no number.

    Raises ValueError for a type that its table cannot hold.
    """
    at = entry["address"] - first
    part = values[at : at + span_of(entry)]
    if entry["type"] == "bool":
        return part[0] >> entry["bit"] & 1 == 1
    if entry["table"] in modbus.BITS:
        raise ValueError("%s: %s holds bits alone" % (entry["name"], entry["table"]))
    data = _in_order(part, entry["order"])
    if entry["type"] == "text":
        return _text(data)
    value = struct.unpack(">" + TYPES[entry["type"]][1], data)[0]
    if value - value != 0:
        return None  # infinite, or not a number: JSON has neither
    if entry["scale"] == 1 and entry["offset"] == 0:
        return value
    return value * entry["scale"] + entry["offset"]


def _in_order(registers, order):
    """The bytes of registers, highest first."""
    if order in ("cdab", "dcba"):
        registers = list(reversed(registers))
    form = "<" if order in ("badc", "dcba") else ">"
    return struct.pack("%s%dH" % (form, len(registers)), *registers)


def _text(data):
    end = data.find(b"\0")
    data = data if end < 0 else data[:end]
    return "".join([chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data]).rstrip(" ")
