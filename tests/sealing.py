"""What seal tests share: a caller who seals as the documents say, from `hashlib` alone.

The one rule: nothing here comes from `agent/commands/seal.py`, so that a mistake there is not
made twice.
"""

import hashlib
from binascii import hexlify, unhexlify

ANN = bytes(range(32))
BOB = bytes(range(32, 64))

# Made by CPython's `cryptography` from the seed 0, 1, 2 ... 31; signing needs it, checking not.
SIGNER = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"


def hmac(secret, data):
    """HMAC-SHA256 by RFC 2104's definition."""
    block = secret + bytes(64 - len(secret))
    inner = hashlib.sha256(bytes([b ^ 0x36 for b in block]) + data).digest()
    return hashlib.sha256(bytes([b ^ 0x5C for b in block]) + inner).digest()


def line(secret, head, body, topic, target="pump", reply="", direction="down"):
    """A seal line and the body behind it."""
    if isinstance(head, str):
        head = head.encode()
    scope = ("L1\0%s\0%s\0%s\0%s\0" % (direction, target, topic, reply)).encode()
    code = hmac(secret, scope + head + b"\n" + body)[:16]
    return head + b" " + hexlify(code) + b"\n" + body


def live(body, number, nonce="n0", key="ann", secret=ANN, topic="limpet/pump/call", reply=""):
    """A request sealed for this boot."""
    return line(secret, "L1 %s live %s %d" % (key, nonce, number), body, topic, "pump", reply)


def left(body, counter, key="ann", secret=ANN, topic="limpet/pump/call"):
    """A request left for a device that may be away."""
    return line(secret, "L1 %s left %d 0" % (key, counter), body, topic)


def wrap(under, device, name, secret, salt=bytes(16)):
    """A secret as `key.add` takes it."""
    pad = hmac(under, ("L1 wrap\0%s\0%s\0" % (device, name)).encode() + salt)
    masked = bytes([pad[index] ^ secret[index] for index in range(32)])
    return hexlify(salt + masked).decode()


def text_of(secret):
    """A secret in hex."""
    return hexlify(secret).decode()


def signed(head, body, signature):
    """A call to a group, with the hex of a signature made elsewhere."""
    return head.encode() + b" " + signature.encode() + b"\n" + body


def bytes_of(text):
    """Bytes of hex."""
    return unhexlify(text)
