"""The data types of MQTT: integers, text, binary, and the properties of MQTT 5.

One rule: whatever a peer can send either reads as a value or raises BadMessage with the reason
code of MQTT 5 section 2.4; nothing is kept in proportion to a number that the peer merely
announces. Section numbers are those of the MQTT 5.0 standard. Knows nothing of packets as a whole.
"""

from agent.errors import BadMessage

# Reason codes, section 2.4: what this side says of the other's bytes.
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
RECEIVE_MAXIMUM_EXCEEDED = 0x93
TOPIC_ALIAS_INVALID = 0x94
PACKET_TOO_LARGE = 0x95

# Property identifiers, section 2.2.2.2, of those that this client reads or writes. On a small
# device each name costs some 40 bytes.
PAYLOAD_FORMAT = 1
MESSAGE_EXPIRY = 2
CONTENT_TYPE = 3
RESPONSE_TOPIC = 8
CORRELATION_DATA = 9
SUBSCRIPTION_ID = 11
SESSION_EXPIRY = 17
ASSIGNED_CLIENT_ID = 18
SERVER_KEEP_ALIVE = 19
WILL_DELAY = 24
REASON_STRING = 31
RECEIVE_MAXIMUM = 33
TOPIC_ALIAS_MAXIMUM = 34
TOPIC_ALIAS = 35
MAXIMUM_QOS = 36
RETAIN_AVAILABLE = 37
USER_PROPERTY = 38
MAXIMUM_PACKET_SIZE = 39

# User properties are the one thing a packet may hold many of; each costs ten times its bytes as
# Python objects, so this many are kept of a packet and the rest only checked.
USER_PROPERTIES_KEPT = 16

# What each property is (0 a flag, 1 two bytes, 2 four, 3 variable, 4 text, 5 binary, 6 a pair of
# text), from bit 16 on, and where a broker may use it: a bit for each packet type (section
# 2.2.2.2, table 2-4), 0xAF4 being CONNACK and all acknowledgements, 0x4000 DISCONNECT. No bit: a
# client's property, with which a broker is wrong.
_PROPERTIES = {
    1: 0x00008,  # Payload Format Indicator
    2: 0x20008,  # Message Expiry Interval
    3: 0x40008,  # Content Type
    8: 0x40008,  # Response Topic
    9: 0x50008,  # Correlation Data
    11: 0x30008,  # Subscription Identifier
    17: 0x20004,  # Session Expiry Interval
    18: 0x40004,  # Assigned Client Identifier
    19: 0x10004,  # Server Keep Alive
    21: 0x40004,  # Authentication Method
    22: 0x50004,  # Authentication Data
    23: 0x00000,  # Request Problem Information
    24: 0x20000,  # Will Delay Interval
    25: 0x00000,  # Request Response Information
    26: 0x40004,  # Response Information
    28: 0x44004,  # Server Reference
    31: 0x44AF4,  # Reason String
    33: 0x10004,  # Receive Maximum
    34: 0x10004,  # Topic Alias Maximum
    35: 0x10008,  # Topic Alias
    36: 0x00004,  # Maximum QoS
    37: 0x00004,  # Retain Available
    38: 0x64AFC,  # User Property
    39: 0x20004,  # Maximum Packet Size
    40: 0x00004,  # Wildcard Subscription Available
    41: 0x00004,  # Subscription Identifiers Available
    42: 0x00004,  # Shared Subscription Available
}

# Zero is a value that these may not have (sections 3.2.2.3.3, 3.2.2.3.6, 3.3.2.3.4, 3.3.2.3.8).
_NOT_ZERO = {
    RECEIVE_MAXIMUM: PROTOCOL_ERROR,
    MAXIMUM_PACKET_SIZE: PROTOCOL_ERROR,
    SUBSCRIPTION_ID: PROTOCOL_ERROR,
    TOPIC_ALIAS: TOPIC_ALIAS_INVALID,
}


def is_topic(name):
    """Whether a message may be published to the text `name` (section 4.7)."""
    if not name or "+" in name or "#" in name or "\0" in name:
        return False
    return len(name) < 0x4000 or len(name.encode()) < 0x10000  # a character is at most 4 bytes


def decode_text(view, start, stop):
    """The UTF-8 text in `view[start:stop]` (section 1.5.4). Raises BadMessage."""
    try:
        text = str(view[start:stop], "utf-8")
    except UnicodeError:
        raise BadMessage("text that is not UTF-8", MALFORMED)
    if "\0" in text:
        raise BadMessage("text with the character U+0000", MALFORMED)
    if len(text) != stop - start and _size(text) != stop - start:
        raise BadMessage("text that is not well-formed UTF-8", MALFORMED)
    return text


def _size(text):
    """Bytes of `text` in its shortest form; 0 if it holds what UTF-8 has no form for.

    MicroPython's own decoder lets overlong forms and surrogates through.
    """
    size = 0
    for character in text:
        code = ord(character)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            return 0
        size += 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
    return size


class Cursor:
    """Reads values one after the other out of `view[position:stop]`.

    Every method raises BadMessage where the value would reach past the end.
    """

    def __init__(self, view, position, stop):
        self.view = view
        self.position = position
        self.stop = stop

    def skip(self, count):
        """Go on by `count` bytes; returns where they start."""
        start = self.position
        if start + count > self.stop:
            raise BadMessage("a value that reaches past the end of its packet", MALFORMED)
        self.position = start + count
        return start

    def byte(self):
        return self.view[self.skip(1)]

    def two(self):
        start = self.skip(2)
        return self.view[start] << 8 | self.view[start + 1]

    def four(self):
        high = self.two()
        return high << 16 | self.two()

    def variable(self):
        """A variable byte integer (section 1.5.5), in the shortest form only."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                if shift and not byte:
                    raise BadMessage("an integer not in its shortest form", MALFORMED)
                return value
        raise BadMessage("a variable integer of more than four bytes", MALFORMED)

    def binary(self):
        count = self.two()
        start = self.skip(count)
        return bytes(self.view[start : start + count])

    def text(self):
        count = self.two()
        start = self.skip(count)
        return decode_text(self.view, start, start + count)

    def pair(self):
        name = self.text()
        return name, self.text()

    def flag(self):
        value = self.byte()
        if value > 1:
            raise BadMessage("a flag that is neither 0 nor 1", PROTOCOL_ERROR)
        return value


_READERS = (
    Cursor.flag,
    Cursor.two,
    Cursor.four,
    Cursor.variable,
    Cursor.text,
    Cursor.binary,
    Cursor.pair,
)


def decode_properties(cursor, packet_type):
    """The properties at the cursor (section 2.2.2): a dict by identifier, None when empty.

    USER_PROPERTY is a list of pairs of text, SUBSCRIPTION_ID a list of ints, any other one value.
    """
    length = cursor.variable()
    if not length:
        return None
    end = cursor.position + length
    if end > cursor.stop:
        raise BadMessage("properties that reach past the end of their packet", MALFORMED)
    inner = Cursor(cursor.view, cursor.position, end)
    cursor.position = end
    found = {}
    while inner.position < end:
        _decode_property(inner, packet_type, found)
    return found


def _decode_property(cursor, packet_type, found):
    name = cursor.variable()
    known = _PROPERTIES.get(name)
    if known is None:
        raise BadMessage("unknown property %d" % name, MALFORMED)
    value = _READERS[known >> 16](cursor)
    if not known >> packet_type & 1:  # what is cut short is malformed before it is out of place
        raise BadMessage("property %d in packet type %d" % (name, packet_type), PROTOCOL_ERROR)
    if not value and name in _NOT_ZERO:
        raise BadMessage("property %d must not be zero" % name, _NOT_ZERO[name])
    if name in (USER_PROPERTY, SUBSCRIPTION_ID):
        kept = found.setdefault(name, [])
        if len(kept) < USER_PROPERTIES_KEPT:
            kept.append(value)
    elif name in found:
        raise BadMessage("property %d twice" % name, PROTOCOL_ERROR)
    else:
        found[name] = value


def encode_two(value):
    return bytes((value >> 8, value & 255))


def encode_four(value):
    return bytes((value >> 24, value >> 16 & 255, value >> 8 & 255, value & 255))


def encode_variable(value):
    """A variable byte integer, at most 268,435,455."""
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 127
        out.append(byte | (128 if value else 0))
        if not value:
            return out


def encode_binary(data):
    """`data` behind its length. Raises ValueError above 65,535 bytes."""
    if len(data) > 0xFFFF:
        raise ValueError("a field of MQTT holds 65535 bytes at most, not %d" % len(data))
    return encode_two(len(data)) + data


def encode_text(text):
    """`text` as UTF-8 behind its length. Raises ValueError where MQTT has no form for it."""
    if "\0" in text:
        raise ValueError("MQTT has no text with U+0000: %r" % text)
    return encode_binary(text.encode())


def _encode_pair(pair):
    return encode_text(pair[0]) + encode_text(pair[1])


def _encode_flag(value):
    return bytes((value & 1,))


_WRITERS = (
    _encode_flag,
    encode_two,
    encode_four,
    encode_variable,
    encode_text,
    encode_binary,
    _encode_pair,
)


def encode_properties(properties):
    """The properties with their length, from a dict as `decode_properties` gives it, or None."""
    if not properties:
        return b"\0"
    out = bytearray()
    for name in sorted(properties):  # the same bytes on every interpreter
        value = properties[name]
        write = _WRITERS[_PROPERTIES[name] >> 16]
        for one in value if isinstance(value, list) else (value,):
            out.append(name)  # every identifier of the standard is below 128
            out.extend(write(one))
    return encode_variable(len(out)) + out
