"""Arguments of ioctl, declared once as data and laid out for any word size and byte order.

A declaration is a tuple of (member, type). A type is one of TYPES, `char[n]` for text that ends
at the first NUL, `name[n]` for n of them, or another declaration. The one rule: members stand
where the C compiler of the kernel's ABI puts them, and a value that does not fit its member
raises: MicroPython's struct would cut it off in silence. Pure: it calls nothing.
"""

import struct
from collections import namedtuple

# word     bytes of a long and of a pointer: 4 or 8
# align64  what 64-bit integers are aligned to: 8, on i386 4
# order    '<' little-endian, '>' big-endian
Abi = namedtuple("Abi", ("word", "align64", "order"))

LINUX_64 = Abi(8, 8, "<")
LINUX_32 = Abi(4, 8, "<")
I386 = Abi(4, 4, "<")

# (bytes, signed); 0 bytes: as many as a word
TYPES = {
    "u8": (1, False),
    "s8": (1, True),
    "u16": (2, False),
    "s16": (2, True),
    "u32": (4, False),
    "s32": (4, True),
    "u64": (8, False),
    "s64": (8, True),
    "long": (0, True),
    "ulong": (0, False),
    "pointer": (0, False),  # of this process: never taken from a caller
    "pointer64": (8, False),
}
_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def native():
    """The Abi of the running interpreter."""
    little = struct.pack("@H", 1) == b"\x01\x00"
    return Abi(struct.calcsize("P"), struct.calcsize("@bq") - 8, "<" if little else ">")


def has_pointer(kind):
    """Whether a declaration or type holds an address of this process."""
    if isinstance(kind, str):
        return kind.startswith("pointer")
    return isinstance(kind, tuple) and any(has_pointer(member[1]) for member in kind)


def size_of(kind, abi):
    """Bytes of a declaration or type, its padding at the end included."""
    return _measure(kind, abi)[0]


def offsets(declaration, abi):
    """Where each member stands: a list of (member, offset)."""
    return [(name, offset) for name, _, offset in _place(declaration, abi)]


def pack(declaration, values, abi):
    """The bytes of an argument; members that `values` does not have are 0.

    Raises ValueError, naming the member, for one that is unknown or does not fit.
    """
    buffer = bytearray(size_of(declaration, abi))
    known = [name for name, _ in declaration]
    for name in values:
        if name not in known:
            raise ValueError("%s: unknown; known here: %s" % (name, ", ".join(known)))
    for name, kind, offset in _place(declaration, abi):
        if name in values:
            _put(buffer, offset, kind, values[name], abi, name)
    return buffer


def unpack(declaration, data, abi, only=None):
    """The members in `data`, as a dict; `only` the named one. Raises ValueError if cut short."""
    needed = size_of(declaration, abi)
    if len(data) < needed:
        raise ValueError("expected %d bytes, got %d" % (needed, len(data)))
    return {
        name: _get(data, offset, kind, abi)
        for name, kind, offset in _place(declaration, abi)
        if only is None or name == only
    }


# (identity of a declaration, abi): (the declaration, its members' places, size, alignment).
# Declarations are constants of modules, so that there are few; holding one keeps its identity.
_KNOWN = {}
_MOST_KNOWN = 64  # then all are worked out anew: somebody makes declarations as they go
_SINGLES = {}


def single(kind):
    """The declaration of one member, `value`, of a type: always the same one."""
    if kind not in _SINGLES:
        _SINGLES[kind] = (("value", kind),)
    return _SINGLES[kind]


def _known(declaration, abi):
    key = (id(declaration), abi)
    found = _KNOWN.get(key)
    if found is None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        places = []
        offset, largest = 0, 1
        for name, kind in declaration:
            size, align = _measure(kind, abi)
            offset += -offset % align
            places.append((name, kind, offset))
            offset += size
            largest = max(largest, align)
        found = _KNOWN[key] = (declaration, places, offset + -offset % largest, largest)
    return found


def _place(declaration, abi):
    return _known(declaration, abi)[1]


def _measure(kind, abi):
    """(size, alignment) in bytes."""
    if isinstance(kind, tuple):
        return _measure_members(kind, abi)
    base, count = _split(kind)
    if base == "char":
        return count, 1
    size = TYPES[base][0] or abi.word
    align = min(size, abi.align64) if size == 8 else size
    return size * (1 if count is None else count), align


def _measure_members(declaration, abi):
    if isinstance(declaration[0], int):  # (count, declaration): an array of structures
        size, align = _measure(declaration[1], abi)
        return size * declaration[0], align
    return _known(declaration, abi)[2:]


def _split(kind):
    """'u32[64]' is ('u32', 64), 'u32' is ('u32', None)."""
    if not kind.endswith("]"):
        return kind, None
    base, count = kind[:-1].split("[")
    return base, int(count)


def _put(buffer, offset, kind, value, abi, name):
    if isinstance(kind, tuple):
        _put_structure(buffer, offset, kind, value, abi, name)
        return
    base, count = _split(kind)
    if base == "char":
        _put_text(buffer, offset, count, value, name)
    elif count is None:
        _put_number(buffer, offset, base, value, abi, name)
    else:
        size = TYPES[base][0] or abi.word
        for index, item in enumerate(_bounded(value, count, name)):
            _put_number(buffer, offset + index * size, base, item, abi, "%s[%d]" % (name, index))


def _put_structure(buffer, offset, kind, value, abi, name):
    if not isinstance(kind[0], int):
        inner = pack(kind, value, abi)
        buffer[offset : offset + len(inner)] = inner
        return
    size = size_of(kind[1], abi)
    for index, item in enumerate(_bounded(value, kind[0], name)):
        _put_structure(buffer, offset + index * size, kind[1], item, abi, name)


def _bounded(items, most, name):
    if len(items) > most:
        raise ValueError("%s: at most %d items, got %d" % (name, most, len(items)))
    return items


def _put_text(buffer, offset, most, value, name):
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) > most:
        raise ValueError("%s: at most %d bytes, got %d" % (name, most, len(data)))
    buffer[offset : offset + len(data)] = data


def _put_number(buffer, offset, base, value, abi, name):
    size, signed = TYPES[base]
    size = size or abi.word
    span = 1 << (8 * size)
    low, high = (-span // 2, span // 2 - 1) if signed else (0, span - 1)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("%s: expected an integer, got %s" % (name, type(value).__name__))
    if not low <= value <= high:
        raise ValueError("%s: expected %d to %d, got %d" % (name, low, high, value))
    struct.pack_into(abi.order + _FORMATS[size], buffer, offset, value % span)


def _get(data, offset, kind, abi):
    if isinstance(kind, tuple):
        if not isinstance(kind[0], int):
            return unpack(kind, data[offset : offset + size_of(kind, abi)], abi)
        size = size_of(kind[1], abi)
        return [_get(data, offset + i * size, kind[1], abi) for i in range(kind[0])]
    base, count = _split(kind)
    if base == "char":
        return text(data[offset : offset + count])
    if count is None:
        return _get_number(data, offset, base, abi)
    size = TYPES[base][0] or abi.word
    return [_get_number(data, offset + i * size, base, abi) for i in range(count)]


def _get_number(data, offset, base, abi):
    size, signed = TYPES[base]
    size = size or abi.word
    value = struct.unpack_from(abi.order + _FORMATS[size], data, offset)[0]
    return value - (1 << 8 * size) if signed and value >> (8 * size - 1) else value


def text(data):
    """What stands before the first NUL, as str; bytes that are no UTF-8 become '?'."""
    data = bytes(data)
    end = data.find(b"\0")
    data = data if end < 0 else data[:end]
    try:
        return data.decode()
    except UnicodeError:
        return "".join([chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data])
