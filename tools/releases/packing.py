"""Blobs: a file's content as it travels, whole or as what differs from another file.

The one rule: the same input gives the same bytes, wherever it is packed. Deflate has a window of
1 KB, since a device reads it with no more; a delta is bsdiff's form inside deflate.
"""

import struct
import zlib

import bsdiff4.core

from agent.update.tree import FAN, UNIT, height, piece_hash

WINDOW = -10


def deflate(data):
    """Raw deflate with the window that devices read."""
    packer = zlib.compressobj(9, zlib.DEFLATED, WINDOW, 9)
    return packer.compress(data) + packer.flush()


def make_stream(blob):
    """(tree in hex, stream): the blob with the lists that vouch for its pieces."""
    digest, stream = _node(blob, height(len(blob)))
    return digest.hex(), stream


def _node(blob, level):
    if level == 0:
        return piece_hash(blob), blob
    step = UNIT * FAN ** (level - 1)
    nodes = [_node(blob[at : at + step], level - 1) for at in range(0, len(blob), step)]
    hashes = b"".join(digest for digest, _ in nodes)
    return piece_hash(hashes), hashes + b"".join(stream for _, stream in nodes)


def pack(data):
    """("z" or "r", blob): deflated where that is shorter."""
    packed = deflate(data)
    return ("z", packed) if len(packed) < len(data) else ("r", data)


def make_delta(old, new):
    """The blob that makes `new` of `old`."""
    if not new:
        return b""
    control, differences, extra = [(0, len(new), 0)], b"", new
    if old:
        packed, differences, extra = bsdiff4.core.diff(old, new)
        values = [_offset(packed[at : at + 8]) for at in range(0, len(packed), 8)]
        control = [tuple(values[at : at + 3]) for at in range(0, len(values), 3)]
    out, at, extra_at = [], 0, 0
    for index, (add, fresh, seek) in enumerate(control):
        move = seek if index + 1 < len(control) else 0
        out += [_number(add), _number(fresh), _number(_fold(move))]
        out += [differences[at : at + add], extra[extra_at : extra_at + fresh]]
        at, extra_at = at + add, extra_at + fresh
    return deflate(b"".join(out))


def _offset(data):
    """A number as bsdiff writes it: a magnitude, and a sign in the highest bit."""
    value = int.from_bytes(data, "little")
    return -(value & (1 << 63) - 1) if value >> 63 else value


def _fold(value):
    return value << 1 if value >= 0 else (-value << 1) - 1


def _number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + struct.pack("B", value)
