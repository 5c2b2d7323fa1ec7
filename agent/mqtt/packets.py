"""Control packets of MQTT 5.0 and 3.1.1 in all their forms, as a broker may say them.

One rule: a function here turns the bytes of one body into values, or raises BadMessage; it
remembers nothing. Loaded at first use: what usually comes a session reads by itself, and what it
sends is made in wire.py. Section numbers are those of the MQTT 5.0 standard, which keeps 3.1.1's
order.
"""

from collections import namedtuple

from agent.bad_message import BadMessage
from agent.mqtt.fields import MALFORMED, PROTOCOL_ERROR
from agent.mqtt.properties import read_properties
from agent.mqtt.wire import encode_packet, encode_properties, encode_text

V311 = 4  # the protocol level of 3.1.1, section 3.1.2.2
V5 = 5

# Packet types, section 2.1.2.
CONNACK = 2
PUBLISH = 3
PUBACK = 4
PUBREC = 5
PUBREL = 6
PUBCOMP = 7
SUBACK = 9
UNSUBACK = 11
PINGRESP = 13
DISCONNECT = 14

# First bytes of the packets that a client sends.
FIRST_PUBLISH = 0x30
FIRST_PUBREC = 0x50
FIRST_PUBREL = 0x62
FIRST_PUBCOMP = 0x70

# An option of a subscription, section 3.8.3.1.
NO_LOCAL = 4

# Reason codes that decide what the client does next, section 2.4.
NORMAL = 0
UNSUPPORTED_VERSION = 0x84
CLIENT_ID_INVALID = 0x85
BAD_CREDENTIALS = 0x86
NOT_AUTHORIZED = 0x87
SERVER_UNAVAILABLE = 0x88
BANNED = 0x8A
BAD_AUTHENTICATION_METHOD = 0x8C
KEEP_ALIVE_TIMEOUT = 0x8D
SESSION_TAKEN_OVER = 0x8E
PACKET_ID_NOT_FOUND = 0x92

# MQTT 3.1.1's return codes of CONNACK (its section 3.2.2.3), as the same refusals of MQTT 5.
_RETURN_CODES = b"\x00\x84\x85\x88\x86\x87"

# The reason codes each packet may carry to a client: tables 3-1 and those of 3.4 to 3.14.
_ACK_REASONS = b"\x00\x10\x80\x83\x87\x90\x91\x97\x99"
_REASONS = {
    CONNACK: b"\x00\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8c\x90\x95\x97\x99\x9a\x9b\x9c"
    b"\x9d\x9f",
    PUBACK: _ACK_REASONS,
    PUBREC: _ACK_REASONS,
    PUBREL: b"\x00\x92",
    PUBCOMP: b"\x00\x92",
    SUBACK: b"\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2",
    UNSUBACK: b"\x00\x11\x80\x83\x87\x8f\x91",
    DISCONNECT: b"\x00\x80\x81\x82\x83\x87\x89\x8b\x8d\x8e\x8f\x90\x93\x94\x95\x96\x97\x98\x99"
    b"\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2",
}

# `payload` is bytes; `properties` None or a dict as `properties.read_properties` gives it.
Will = namedtuple("Will", ("topic", "payload", "qos", "retain", "properties"))


def encode_unsubscribe(version, packet_id, topic_filter, properties=None):
    """UNSUBSCRIBE from one filter, section 3.10; `properties` as for `wire.encode_subscribe`."""
    encoded = encode_properties(properties) if version == V5 else b""
    number = bytes((packet_id >> 8, packet_id & 255))
    return encode_packet(0xA2, number, encoded, encode_text(topic_filter))


def encode_disconnect(reason):
    """DISCONNECT of MQTT 5 for a `reason`, section 3.14."""
    return bytes((0xE0, 1, reason))


def _check_end(at, stop):
    if at < stop:
        raise BadMessage("a packet longer than its content", MALFORMED)
    if at > stop:
        raise BadMessage("a packet shorter than its content", MALFORMED)


def _reason(packet_type, view, at, stop):
    """The reason code at `view[at]`, one that this type may carry."""
    _check_end(min(at + 1, stop), at + 1)
    reason = view[at]
    if reason not in _REASONS[packet_type]:
        text = "reason code 0x%02x in packet type %d" % (reason, packet_type)
        raise BadMessage(text, PROTOCOL_ERROR)
    return reason


def _packet_id(view, start, stop):
    _check_end(min(start + 2, stop), start + 2)
    packet_id = view[start] << 8 | view[start + 1]
    if not packet_id:
        raise BadMessage("packet identifier 0", PROTOCOL_ERROR)  # MQTT-2.2.1-3
    return packet_id


def decode_connack(version, view, start, stop):
    """Whether the session is present, the reason code, and the properties: section 3.2.

    A refusal of 3.1.1 is given as MQTT 5's reason code.
    """
    _check_end(min(start + 2, stop), start + 2)
    flags = view[start]
    if flags > 1:
        raise BadMessage("reserved bits in CONNACK", MALFORMED)
    reason = view[start + 1]
    at = start + 2
    properties = None
    # A broker that knows only 3.1.1 refuses MQTT 5 in its own form, which has no properties.
    if version == V311 or (reason == 1 and stop == at):
        if reason >= len(_RETURN_CODES):
            raise BadMessage("unknown return code in CONNACK", PROTOCOL_ERROR)
        reason = _RETURN_CODES[reason]
    else:
        _reason(CONNACK, view, start + 1, stop)
        properties, at = read_properties(view, at, stop, CONNACK)
    _check_end(at, stop)
    if flags and reason:
        raise BadMessage("a refusal that says that the session is present", PROTOCOL_ERROR)
    return bool(flags), reason, properties


def decode_ack(version, packet_type, view, start, stop):
    """Identifier and reason code of PUBACK, PUBREC, PUBREL or PUBCOMP, sections 3.4 to 3.7."""
    packet_id = _packet_id(view, start, stop)
    at = start + 2
    reason = 0
    if version == V5 and at < stop:
        reason = _reason(packet_type, view, at, stop)
        at += 1
        if at < stop:
            at = read_properties(view, at, stop, packet_type)[1]
    _check_end(at, stop)
    return packet_id, reason


def decode_codes(version, packet_type, view, start, stop):
    """Identifier and reason code of SUBACK or UNSUBACK, sections 3.9 and 3.11.

    This client asks for one filter at a time, so there is one code; 3.1.1's UNSUBACK has none and
    stands for success.
    """
    packet_id = _packet_id(view, start, stop)
    at = start + 2
    if version == V5:
        at = read_properties(view, at, stop, packet_type)[1]
    reason = 0
    if version == V5 or packet_type != UNSUBACK:
        reason = _reason(packet_type, view, at, stop)
        at += 1
    _check_end(at, stop)
    return packet_id, reason


def decode_disconnect(view, start, stop):
    """Reason code and properties of a broker's DISCONNECT, section 3.14 (MQTT 5 only)."""
    if start == stop:
        return NORMAL, None
    reason = _reason(DISCONNECT, view, start, stop)
    at = start + 1
    properties = None
    if at < stop:
        properties, at = read_properties(view, at, stop, DISCONNECT)
    _check_end(at, stop)
    return reason, properties
