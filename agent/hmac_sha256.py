"""HMAC-SHA256 (RFC 2104) from `hashlib.sha256` alone, for interpreters that have no `hmac`.

The one rule: how long `equal` takes says nothing about what it compared. A hash on MicroPython has
no copy(), so that the two padded keys are kept in place of two half-done hashes.

Pure: bytes in, bytes out.
"""

import hashlib

BLOCK_BYTES = 64
_INNER = bytes([byte ^ 0x36 for byte in range(256)])
_OUTER = bytes([byte ^ 0x5C for byte in range(256)])


def prepare(secret):
    """`secret`, bytes of any length, as what `mac` takes: (inner, outer) padded keys."""
    if len(secret) > BLOCK_BYTES:
        secret = hashlib.sha256(secret).digest()
    block = secret + bytes(BLOCK_BYTES - len(secret))
    return bytes([_INNER[byte] for byte in block]), bytes([_OUTER[byte] for byte in block])


def mac(prepared, parts):
    """The 32 bytes over `parts`, an iterable of buffers that count as one behind the other."""
    inner = hashlib.sha256(prepared[0])
    for part in parts:
        inner.update(part)
    outer = hashlib.sha256(prepared[1])
    outer.update(inner.digest())
    return outer.digest()


def equal(one, other):
    """Whether two buffers hold the same; every byte is looked at, whatever the first ones hold."""
    difference = len(one) ^ len(other)
    for left, right in zip(one, other):  # noqa: B905 - MicroPython's zip knows no strict
        difference |= left ^ right
    return difference == 0
