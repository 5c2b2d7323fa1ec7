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


def record(store, boot, unix_ms, sleep_ms=0):
    """Store this boot, and the time as a lower bound for the next one's clock.

    `sleep_ms` is how long a board is about to sleep, with no clock that goes on.
    """
    words = {"boot": boot.number, "unix_ms": unix_ms}
    if sleep_ms:
        words["sleep_ms"] = sleep_ms
    store.write(_NAME, json.dumps(words).encode())


def _read(store):
    value = store.read(_NAME)
    if value is None:
        return 0, 0
    words = json.loads(value)
    unix_ms = words["unix_ms"]
    if "sleep_ms" in words and unix_ms and _has_slept():
        unix_ms += words["sleep_ms"]
    return words["boot"], unix_ms


def _has_slept():
    """Whether this start ended a board's sleep: RP2 cannot tell that from a watchdog's."""
    from agent.devices import reset

    try:
        import machine
    except ImportError:
        return False
    causes = reset.causes_of(machine)
    return "deep-sleep" in causes or "watchdog" in causes
