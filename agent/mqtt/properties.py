"""The properties of MQTT 5: read, checked and written; loaded with the first that is not a number.

One rule: whatever a peer can send either reads as a value or raises BadMessage with the reason
code of section 2.4; nothing is kept in proportion to a number that the peer merely announces.
Section numbers are those of the MQTT 5.0 standard.
"""

from struct import pack

from agent.mqtt.wire import decode_text, encode_binary, encode_text, encode_variable, wrong

# User properties are the one thing a packet may hold many of; each costs ten times its bytes as
# Python objects, so this many are kept of a packet and the rest only checked.
USER_PROPERTIES_KEPT = 16

# What each property is, by its identifier (section 2.2.2.2, table 2-4). The low half is its form:
# 0 a flag, 1 two bytes, 2 four, 3 variable, 4 text, 5 binary, 6 a pair of text; the high half says
# where a broker may use it, as below. 0xFF: no such property.
_PROPERTIES = (
    b"\xff\x10\x12\x14\xff\xff\xff\xff\x14\x15\xff\x13"  # 1 Payload Format Indicator, 2 Message
    # Expiry Interval, 3 Content Type, 8 Response Topic, 9 Correlation Data, 11 Subscription Id
    b"\xff\xff\xff\xff\xff\x22\x24\x21\xff\x24\x25\x00\x02\x00\x24\xff"  # 17 Session Expiry, 18
    # Assigned Client Identifier, 19 Server Keep Alive, 21, 22 Authentication Method and Data, 23
    # Request Problem Information, 24 Will Delay, 25 Request and 26 Response Information
    b"\x34\xff\xff\x44\xff\x21\x21\x11\x20\x20\x56\x22\x20\x20\x20"  # 28 Server Reference, 31
    # Reason String, 33 Receive Maximum, 34 Topic Alias Maximum, 35 Topic Alias, 36 Maximum QoS,
    # 37 Retain Available, 38 User Property, 39 Maximum Packet Size, 40 to 42 what is available
)
_VARIABLE, _TEXT, _BINARY, _PAIR = 3, 4, 5, 6
# A bit for each packet type: a client's property, with which a broker is wrong; PUBLISH; CONNACK;
# CONNACK and DISCONNECT; these and all acknowledgements; these and PUBLISH.
_WHERE = (0, 0x8, 0x4, 0x4004, 0x4AF4, 0x4AFC)
_TOPIC_ALIAS = 35
_MANY = b"\x0b\x26"  # Subscription Identifier and User Property may come more than once
# Zero is a value that these may not have (sections 3.2.2.3.3, 3.2.2.3.6, 3.3.2.3.4, 3.3.2.3.8).
_NOT_ZERO = b"\x0b\x21\x23\x27"

# What is wrong with what came: rows of wrongs.py.
_VARIABLE_WRONG, _TOO_LONG, _UNKNOWN, _OUT_OF_PLACE, _ZERO, _ALIAS_ZERO = 1, 2, 3, 4, 5, 6
_VALUE_TOO_LONG, _FLAG_WRONG = 7, 8


def read_variable(view, at, stop):
    """A variable byte integer (section 1.5.5) in its shortest form, and where it ends."""
    value = shift = 0
    while at < stop and shift < 28:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if shift and not byte:
                break
            return value, at
        shift += 7
    raise wrong(_VARIABLE_WRONG)


def read_properties(view, at, stop, packet_type):
    """The properties at `view[at]` (section 2.2.2), and where they end.

    None where there are none, else a dict by identifier: USER_PROPERTY is a list of pairs of text,
    SUBSCRIPTION_ID a list of ints, any other one value.
    """
    length, at = read_variable(view, at, stop)
    if not length:
        return None, at
    end = at + length
    if end > stop:
        raise wrong(_TOO_LONG)
    found = {}
    while at < end:
        name, at = read_variable(view, at, end)
        form = _PROPERTIES[name] if name < len(_PROPERTIES) else 0xFF
        if form == 0xFF:
            raise wrong(_UNKNOWN, name)
        value, at = _read_value(view, at, end, form & 15)
        if not _WHERE[form >> 4] >> packet_type & 1 or name in found and name not in _MANY:
            raise wrong(_OUT_OF_PLACE, name)
        if not value and name in _NOT_ZERO:
            raise wrong(_ALIAS_ZERO if name == _TOPIC_ALIAS else _ZERO, name)
        if name in _MANY:
            kept = found.setdefault(name, [])
            if len(kept) < USER_PROPERTIES_KEPT:
                kept.append(value)
        else:
            found[name] = value
    return found, end


def _read_value(view, at, stop, form):
    if form == _VARIABLE:
        return read_variable(view, at, stop)
    start = at + 2
    if form < _VARIABLE:
        end = at + (1 << form)
    elif start > stop:
        end = start
    else:
        end = start + (view[at] << 8 | view[at + 1])
    if end > stop:
        raise wrong(_VALUE_TOO_LONG)
    if form < _VARIABLE:
        value = int.from_bytes(view[at:end], "big")
        if not form and value > 1:
            raise wrong(_FLAG_WRONG)
        return value, end
    if form == _BINARY:
        return bytes(view[start:end]), end
    value = decode_text(view, start, end)
    if form == _PAIR:
        other, end = _read_value(view, end, stop, _TEXT)
        return (value, other), end
    return value, end


def _encode_flag(value):
    return bytes((value & 1,))


def _encode_two(value):
    return pack(">H", value)


def _encode_four(value):
    return pack(">I", value)


def _encode_pair(pair):
    return encode_text(pair[0]) + encode_text(pair[1])


_WRITERS = (  # by the form of a property
    _encode_flag,
    _encode_two,
    _encode_four,
    encode_variable,
    encode_text,
    encode_binary,
    _encode_pair,
)


def encode(properties):
    """The properties with their length, from a dict that is not empty."""
    out = bytearray()
    for name in sorted(properties):  # the same bytes on every interpreter
        value = properties[name]
        write = _WRITERS[_PROPERTIES[name] & 15]
        for one in value if isinstance(value, list) else (value,):
            out.append(name)  # every identifier of the standard is below 128
            out.extend(write(one))
    return encode_variable(len(out)) + out
