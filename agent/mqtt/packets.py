"""Control packets of MQTT 5.0 and 3.1.1, as a client writes and reads them.

One rule: a function here turns values into one packet's bytes or the bytes of one body into
values; it remembers nothing. Section numbers are those of the MQTT 5.0 standard, which keeps
3.1.1's order. A broker's bytes give a record or BadMessage; our own wrong values give ValueError.

PUBLISH is read in inbox.py, next to what it is checked against.
"""

from collections import namedtuple
from struct import pack

from agent.errors import BadMessage
from agent.mqtt.fields import (
    MALFORMED,
    PROTOCOL_ERROR,
    Cursor,
    decode_properties,
    encode_binary,
    encode_properties,
    encode_text,
    encode_two,
    encode_variable,
)

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
FIRST_PUBACK = 0x40
FIRST_PUBREC = 0x50
FIRST_PUBREL = 0x62
FIRST_PUBCOMP = 0x70
DUP = 8
RETAIN = 1

PINGREQ = b"\xc0\x00"

# Reason codes that decide what the client does next, section 2.4.
NORMAL = 0
DISCONNECT_WITH_WILL = 0x04
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
_RETURN_CODES = {
    0: 0,
    1: UNSUPPORTED_VERSION,
    2: CLIENT_ID_INVALID,
    3: SERVER_UNAVAILABLE,
    4: BAD_CREDENTIALS,
    5: NOT_AUTHORIZED,
}

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

# `payload` is bytes; `properties` None or a dict as `fields.decode_properties` gives it.
Will = namedtuple("Will", ("topic", "payload", "qos", "retain", "properties"))
Connack = namedtuple("Connack", ("session_present", "reason", "properties"))
Ack = namedtuple("Ack", ("packet_id", "reason", "properties"))
GrantedCodes = namedtuple("GrantedCodes", ("packet_id", "codes", "properties"))


def _packet(first, *parts):
    body = b"".join(parts)
    return b"".join((bytes((first,)), encode_variable(len(body)), body))


def encode_connect(version, client_id, username, password, keep_alive_s, clean, will, properties):
    """CONNECT, section 3.1; `password` is bytes, `will` a Will or None, the rest as named."""
    flags = 2 if clean else 0
    parts = [encode_text(client_id)]
    if will:
        flags |= 4 | will.qos << 3 | (32 if will.retain else 0)
        if version == V5:
            parts.append(encode_properties(will.properties))
        parts.append(encode_text(will.topic))
        parts.append(encode_binary(will.payload))
    if username is not None:
        flags |= 128
        parts.append(encode_text(username))
    if password is not None:
        flags |= 64
        parts.append(encode_binary(password))
    head = b"\0\4MQTT" + bytes((version, flags)) + encode_two(keep_alive_s)
    if version == V5:
        head = head + encode_properties(properties)
    return _packet(0x10, head, *parts)


def encode_publish(first, topic, packet_id, properties, payload):
    """PUBLISH, section 3.3, from the first byte (type, DUP, QoS, RETAIN) on.

    `topic` is UTF-8 bytes, `packet_id` 0 at QoS 0, `properties` the encoded ones (empty on 3.1.1).
    """
    count = len(topic)
    length = 2 + count + len(properties) + len(payload)
    if packet_id:
        length += 2
        properties = pack(">H", packet_id) + properties
    if length < 128:
        head = pack(">BBH", first, length, count)
    elif length < 16384:
        head = pack(">BBBH", first, length & 127 | 128, length >> 7, count)
    else:
        head = bytes((first,)) + encode_variable(length) + pack(">H", count)
    return b"".join((head, topic, properties, payload))


def encode_ack(first, packet_id, reason=0):
    """PUBACK, PUBREC, PUBREL or PUBCOMP, sections 3.4 to 3.7; a `reason` is for MQTT 5 only."""
    if reason:
        return pack(">BBHB", first, 3, packet_id, reason)
    return pack(">BBH", first, 2, packet_id)


def encode_subscribe(version, packet_id, topic_filter, options):
    """SUBSCRIBE to one filter, section 3.8. `options` is the byte of section 3.8.3.1."""
    properties = b"\0" if version == V5 else b""
    body = encode_text(topic_filter) + bytes((options if version == V5 else options & 3,))
    return _packet(0x82, encode_two(packet_id), properties, body)


def encode_unsubscribe(version, packet_id, topic_filter):
    """UNSUBSCRIBE from one filter, section 3.10."""
    properties = b"\0" if version == V5 else b""
    return _packet(0xA2, encode_two(packet_id), properties, encode_text(topic_filter))


def encode_disconnect(version, reason=NORMAL):
    """DISCONNECT, section 3.14; 3.1.1 has no reason to give."""
    if version == V5 and reason:
        return bytes((0xE0, 1, reason))
    return b"\xe0\x00"


def _check_reason(packet_type, reason):
    if reason not in _REASONS[packet_type]:
        text = "reason code 0x%02x in packet type %d" % (reason, packet_type)
        raise BadMessage(text, PROTOCOL_ERROR)
    return reason


def _end(cursor):
    if cursor.position != cursor.stop:
        raise BadMessage("a packet longer than its content", MALFORMED)


def _packet_id(cursor):
    packet_id = cursor.two()
    if not packet_id:
        raise BadMessage("packet identifier 0", PROTOCOL_ERROR)  # MQTT-2.2.1-3
    return packet_id


def decode_connack(version, view, start, stop):
    """A Connack, section 3.2; a refusal of 3.1.1 is given as MQTT 5's reason code."""
    cursor = Cursor(view, start, stop)
    flags = cursor.byte()
    if flags > 1:
        raise BadMessage("reserved bits in CONNACK", MALFORMED)
    reason = cursor.byte()
    properties = None
    # A broker that knows only 3.1.1 refuses MQTT 5 in its own form, which has no properties.
    if version == V311 or (reason == 1 and stop - start == 2):
        reason = _RETURN_CODES.get(reason)
        if reason is None:
            raise BadMessage("unknown return code in CONNACK", PROTOCOL_ERROR)
    else:
        _check_reason(CONNACK, reason)
        properties = decode_properties(cursor, CONNACK)
    _end(cursor)
    if flags and reason:
        raise BadMessage("a refusal that says that the session is present", PROTOCOL_ERROR)
    return Connack(bool(flags), reason, properties)


def decode_ack(version, packet_type, view, start, stop):
    """An Ack from the body of PUBACK, PUBREC, PUBREL or PUBCOMP, sections 3.4 to 3.7."""
    cursor = Cursor(view, start, stop)
    packet_id = _packet_id(cursor)
    reason = 0
    properties = None
    if version == V5 and cursor.position < stop:
        reason = _check_reason(packet_type, cursor.byte())
        if cursor.position < stop:
            properties = decode_properties(cursor, packet_type)
    _end(cursor)
    return Ack(packet_id, reason, properties)


def decode_codes(version, packet_type, view, start, stop):
    """A GrantedCodes from the body of SUBACK or UNSUBACK, sections 3.9 and 3.11.

    This client asks for one filter at a time, so there is one code; 3.1.1's UNSUBACK has none and
    stands for success.
    """
    cursor = Cursor(view, start, stop)
    packet_id = _packet_id(cursor)
    properties = decode_properties(cursor, packet_type) if version == V5 else None
    if version == V311 and packet_type == UNSUBACK:
        codes = (0,)
    else:
        codes = (_check_reason(packet_type, cursor.byte()),)
    _end(cursor)
    return GrantedCodes(packet_id, codes, properties)


def decode_disconnect(view, start, stop):
    """Reason code and properties of a broker's DISCONNECT, section 3.14 (MQTT 5 only)."""
    cursor = Cursor(view, start, stop)
    if start == stop:
        return NORMAL, None
    reason = _check_reason(DISCONNECT, cursor.byte())
    properties = decode_properties(cursor, DISCONNECT) if cursor.position < stop else None
    _end(cursor)
    return reason, properties
