"""Keyboards, buttons, knobs: who they are, and what happens on them.

Contract: `identify` must ask nothing that changes the device; `read_events` must give only whole
events, in order, and say in `dropped` when the driver's own buffer ran over. Events wait in the
kernel for whoever has the device open, so that a reader that is slow loses the oldest and is told.
Sources: linux/input.h, input-event-codes.h.
"""

from collections import namedtuple

from agent.devices import layout

MAX_NAME = 256
FOLDER = "/dev/input"
EVENT = (("sec", "ulong"), ("usec", "ulong"), ("type", "u16"), ("code", "u16"), ("value", "s32"))

TYPES = {
    0x00: "sync",
    0x01: "key",
    0x02: "relative",
    0x03: "absolute",
    0x04: "misc",
    0x05: "switch",
    0x11: "led",
    0x12: "sound",
    0x14: "repeat",
    0x15: "force-feedback",
    0x16: "power",
    0x17: "force-feedback-status",
}
_SYNC, _SYN_DROPPED = 0x00, 3

# events: a list of dicts; dropped: True if the driver had to drop some before them
Batch = namedtuple("Batch", ("events", "dropped"))


def identify(device):
    """Name, identity and kinds of events of an open input device, as a dict of JSON."""
    told = device.ask("EVIOCGID")
    bits = number_of(device.ask("EVIOCGBIT", 8, 0), device.target[1])
    return {
        "name": layout.text(device.ask("EVIOCGNAME", MAX_NAME)),
        "bus": told["bustype"],
        "vendor": told["vendor"],
        "product": told["product"],
        "version": told["version"],
        "events": [TYPES[number] for number in sorted(TYPES) if bits >> number & 1],
    }


def capabilities(device, kind):
    """The codes of one kind of event that the device can send: a sorted list of numbers."""
    numbers = [number for number in TYPES if TYPES[number] == kind]
    if not numbers:
        raise ValueError("no kind of event is called %s" % kind)
    # KEY_MAX is 0x2ff: 96 bytes of bits
    bits = number_of(device.ask("EVIOCGBIT", 96, numbers[0]), device.target[1])
    return [code for code in range(768) if bits >> code & 1]


def read_events(device, most):
    """Up to `most` events that are there now, as a Batch. Raises DeviceError."""
    size = layout.size_of(EVENT, device.target[1])
    data = device.read(size * most) or b""
    events = []
    dropped = False
    for start in range(0, len(data) - size + 1, size):
        event = layout.unpack(EVENT, data[start : start + size], device.target[1])
        if event["type"] == _SYNC:
            dropped = dropped or event["code"] == _SYN_DROPPED
            continue
        events.append(_in_words(event))
    return Batch(events, dropped)


def number_of(bits, abi):
    """Bytes of a bit field as one number: the kernel fills whole words of its own order."""
    number = 0
    for index, byte in enumerate(bits):
        within = index % abi.word
        place = index - within + (within if abi.order == "<" else abi.word - 1 - within)
        number |= byte << 8 * place
    return number


def _in_words(event):
    return {
        "time_us": event["sec"] * 1_000_000 + event["usec"],
        "type": TYPES.get(event["type"], event["type"]),
        "code": event["code"],
        "value": event["value"],
    }
