"""What an agent knows of its starts: how many there were, and the latest time it ever saw.

The one rule: the new count is on the medium before anybody is told of it.
"""

import json
from binascii import hexlify
from collections import namedtuple

from interpreter import random_bytes

NONCE_BYTES = 8  # two boots must not share one: 64 random bits
_NAME = "boot"

# number   counts starts from 1
# nonce    text, new at each start: names this boot to callers
# unix_ms  the latest time stored before this start, 0 for none
Boot = namedtuple("Boot", ("number", "nonce", "unix_ms"))


def begin(store):
    """Read the record of the boot before; returns this one's Boot. Nothing is written yet."""
    number, unix_ms = _read(store)
    nonce = hexlify(random_bytes(NONCE_BYTES)).decode()
    return Boot(number + 1, nonce, unix_ms)


def first():
    """A Boot that knows of none before: the record cannot be read."""
    return Boot(1, hexlify(random_bytes(NONCE_BYTES)).decode(), 0)


def record(store, boot, unix_ms):
    """Store this boot, and the time as a lower bound for the next one's clock."""
    store.write(_NAME, json.dumps({"boot": boot.number, "unix_ms": unix_ms}).encode())


def _read(store):
    value = store.read(_NAME)
    if value is None:
        return 0, 0
    words = json.loads(value)
    return words["boot"], words["unix_ms"]
