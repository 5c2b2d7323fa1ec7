"""Every property of MQTT 5 in every packet of a broker: where it may be, how often, and whole."""

from mqtt_peer import FEEDS, Peer, packet, text, two
from support import raises

from agent.bad_message import BadMessage
from agent.mqtt.fields import MALFORMED, PROTOCOL_ERROR

IMPLEMENTATIONS = FEEDS

# By identifier: a value, and the packets in which a broker may send it, as hexadecimal digits of
# their types (sections 2.2.2.2 and 3.2.2.3 to 3.14.2.2).
RULES = {
    0x01: (b"\1", "3"),
    0x02: (b"\0\0\0\5", "3"),
    0x03: (text("type"), "3"),
    0x08: (text("to"), "3"),
    0x09: (two(2) + b"\0\xff", "3"),
    0x0B: (b"\x81\1", "3"),
    0x11: (b"\0\0\0\5", "2"),
    0x12: (text("name"), "2"),
    0x13: (two(60), "2"),
    0x15: (text("method"), "2"),
    0x16: (two(1) + b"d", "2"),
    0x17: (b"\1", ""),
    0x18: (b"\0\0\0\5", ""),
    0x19: (b"\1", ""),
    0x1A: (text("info"), "2"),
    0x1C: (text("other"), "2e"),
    0x1F: (text("because"), "245679be"),
    0x21: (two(9), "2"),
    0x22: (two(9), "2"),
    0x23: (two(1), "3"),
    0x24: (b"\1", "2"),
    0x25: (b"\1", "2"),
    0x26: (text("name") + text("value"), "2345679be"),
    0x27: (b"\0\1\0\0", "2"),
    0x28: (b"\1", "2"),
    0x29: (b"\1", "2"),
    0x2A: (b"\1", "2"),
}
MANY = (0x0B, 0x26)  # may be there more than once
UNKNOWN = (0, 4, 7, 0x0A, 0x0C, 0x10, 0x14, 0x1B, 0x1D, 0x20, 0x2B, 0x7F)
# What stands before and after the properties of each packet.
PACKETS = {
    "2": (0x20, b"\0\0", b""),
    "3": (0x30, text("a"), b"payload"),
    "4": (0x40, two(1) + b"\0", b""),
    "5": (0x50, two(1) + b"\0", b""),
    "6": (0x62, two(1) + b"\0", b""),
    "7": (0x70, two(1) + b"\0", b""),
    "9": (0x90, two(1), b"\1"),
    "b": (0xB0, two(1), b"\0"),
    "e": (0xE0, b"\0", b""),
}


def said(kind, properties):
    """The packet of this type with these bytes as properties."""
    first, before, after = PACKETS[kind]
    return packet(first, before, bytes((len(properties),)), properties, after)


def make(feed, kind):
    """A peer that awaits such a packet."""
    peer = Peer(feed, connected=kind != "2", topic_alias_maximum=5, maximum_packet_bytes=256)
    if kind == "2":
        peer.open()
    return peer


def reason_for(feed, kind, properties):
    """The reason code of the refusal; None where there is none."""
    try:
        make(feed, kind).say(said(kind, properties))
    except BadMessage as error:
        return error.reason
    return None


def test_a_property_is_taken_where_it_may_be_and_refused_elsewhere(feed):
    for kind in PACKETS:
        for name, (value, allowed) in RULES.items():
            expected = None if kind in allowed else PROTOCOL_ERROR
            reason = reason_for(feed, kind, bytes((name,)) + value)
            assert reason == expected, (kind, name, reason)


def test_a_property_is_there_once_unless_it_may_be_there_often(feed):
    for kind in PACKETS:
        for name, (value, allowed) in RULES.items():
            if kind in allowed:
                expected = None if name in MANY else PROTOCOL_ERROR
                reason = reason_for(feed, kind, (bytes((name,)) + value) * 2)
                assert reason == expected, (kind, name, reason)


def test_a_property_that_is_cut_short_is_malformed_wherever_it_is(feed):
    for kind in PACKETS:
        for name, (value, _) in RULES.items():
            reason = reason_for(feed, kind, bytes((name,)) + value[:-1])
            assert reason == MALFORMED, (kind, name, reason)


def test_an_unknown_property_is_malformed_in_every_packet(feed):
    for kind in PACKETS:
        for name in UNKNOWN:
            assert reason_for(feed, kind, bytes((name, 0, 0))) == MALFORMED, (kind, name)
            assert reason_for(feed, kind, bytes((name | 0x80, 1, 0))) == MALFORMED, (kind, name)


def test_a_length_of_properties_beyond_its_packet_is_malformed(feed):
    for kind, (first, before, after) in PACKETS.items():
        for length in (b"\x7f", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\1", b"\x80\0"):
            peer = make(feed, kind)
            data = packet(first, before, length, after)
            assert raises(BadMessage, peer.say, data).reason == MALFORMED, (kind, length)
