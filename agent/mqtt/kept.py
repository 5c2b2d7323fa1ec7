"""What a keeper notes in its log: entries of a few bytes, several of them in one record.

One rule: an entry says what has become of one packet identifier, and the order of entries is the
order of events; a record holds all of one turn or nothing of it. Pure: bytes and values.
"""

from collections import namedtuple
from struct import calcsize, pack, unpack_from

from agent.mqtt.exactly_once import DONE, GIVEN, LOST, RELEASED, TAKEN

MESSAGE = 1  # a message was accepted; the other kinds are those of exactly_once.py

# Bits of a message's rule: it may be dropped for a newer one; it stands here for the second time,
# because the segment of its first was needed; it may be dropped, for others of its kind first.
DROPPABLE = 1
MOVED = 2
BULK = 4

_MESSAGE_HEAD = ">BHBBHHH"
_HEADS = {
    MESSAGE: _MESSAGE_HEAD,
    RELEASED: ">BH",
    DONE: ">BHIH",
    TAKEN: ">BH",
    GIVEN: ">BH",
    LOST: ">BH",
}
HEAD_BYTES = calcsize(_MESSAGE_HEAD)

# `first` is the first byte of its PUBLISH, `rule` the bits above, `topic`, `properties` (encoded,
# or empty) and `payload` are bytes.
Kept = namedtuple("Kept", ("packet_id", "first", "rule", "topic", "properties", "payload"))


def encode_message(kept):
    """The entry of a Kept; each of its last three holds 65,535 bytes at most."""
    head = pack(
        _MESSAGE_HEAD,
        MESSAGE,
        kept.packet_id,
        kept.first,
        kept.rule,
        len(kept.topic),
        len(kept.properties),
        len(kept.payload),
    )
    return b"".join((head, kept.topic, kept.properties, kept.payload))


def encode_done(packet_id, segment, size):
    """A message that stood in `segment` with `size` bytes lives no longer."""
    return pack(">BHIH", DONE, packet_id, segment, size)


def encode_mark(kind, packet_id):
    """RELEASED, TAKEN, GIVEN or LOST."""
    return pack(">BH", kind, packet_id)


def read_entry(data, at):
    """The entry at `data[at]` as the values of its head, and where the next one starts.

    Raises ValueError where there is none.
    """
    form = _HEADS.get(data[at])
    if form is None or at + calcsize(form) > len(data):
        raise ValueError("no entry at %d" % at)
    head = unpack_from(form, data, at)
    stop = at + calcsize(form)
    if head[0] == MESSAGE:
        stop += head[4] + head[5] + head[6]
        if stop > len(data):
            raise ValueError("a message cut short at %d" % at)
    return head, stop


def read_message(data, at):
    """The Kept whose entry stands at `data[at]`."""
    _, packet_id, first, rule, topic, properties, payload = unpack_from(_MESSAGE_HEAD, data, at)
    start = at + HEAD_BYTES
    middle = start + topic
    last = middle + properties
    return Kept(
        packet_id,
        first,
        rule,
        data[start:middle],
        data[middle:last],
        data[last : last + payload],
    )
