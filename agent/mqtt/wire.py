"""The bytes of MQTT that every session needs: text, and the packets that it sends.

One rule: a function here remembers nothing; our own wrong values give ValueError, a peer's
BadMessage. What a session may well do without is in properties.py and packets.py, which load at
first use. Section numbers are those of the MQTT 5.0 standard.
"""

from struct import pack

from micropython import const

_V5 = const(5)

# Properties of CONNACK: Server Keep Alive, Receive Maximum and Topic Alias Maximum are of two
# bytes, Session Expiry Interval and Maximum Packet Size of four, and of one, 0 or 1, are Maximum
# QoS and what is available.
_SIZES = const(b"\x13\x21\x22\x11\x27\x24\x25\x28\x29\x2a")

_TEXT_WRONG = const(0)  # a row of wrongs.py


def wrong(number, detail=None):
    """The BadMessage for bytes that MQTT forbids."""
    from agent.mqtt import wrongs

    return wrongs.make(number, detail)


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
        text = "\0"
    if len(text) != stop - start:
        from agent.mqtt import wrongs

        if wrongs.size_of(text) != stop - start:
            text = "\0"
    if "\0" in text:
        raise wrong(_TEXT_WRONG)
    return text


def read_numbers(view, at, stop):
    """The properties of CONNACK at `view[at:stop]`: a dict by identifier, None if there are none.

    False where these are not merely a few numbers, each once, as they should be: then
    properties.py has to be asked.
    """
    if stop - at == 1 and not view[at]:
        return None
    found = {}
    if view[at] != stop - at - 1 or view[at] > 127:
        return False
    at += 1
    while at < stop:
        name = view[at]
        size = _SIZES.find(bytes((name,)))
        if size < 0 or name in found:
            return False
        end = at + (3 if size < 3 else 5 if size < 5 else 2)
        if end > stop:
            return False
        found[name] = value = int.from_bytes(view[at + 1 : end], "big")
        if value > 1 if size > 4 else not value:
            return False
        at = end
    return found


def encode_variable(value):
    """A variable byte integer, at most 268,435,455."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return out


def encode_binary(data):
    """`data` behind its length. Raises ValueError above 65,535 bytes."""
    if len(data) > 0xFFFF:
        raise ValueError("a field of MQTT holds 65535 bytes at most, not %d" % len(data))
    return pack(">H", len(data)) + data


def encode_text(text):
    """`text` as UTF-8 behind its length. Raises ValueError where MQTT has no form for it."""
    if "\0" in text:
        raise ValueError("MQTT has no text with U+0000: %r" % text)
    return encode_binary(text.encode())


def encode_properties(properties):
    """The properties with their length, from a dict by identifier, or None."""
    if not properties:
        return b"\0"
    from agent.mqtt import properties as all_properties

    return all_properties.encode(properties)


def encode_packet(first, *parts):
    """A packet of these parts behind its length."""
    body = b"".join(parts)
    return b"".join((bytes((first,)), encode_variable(len(body)), body))


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


def encode_subscribe(version, packet_id, topic_filter, options, properties=None):
    """SUBSCRIBE to one filter, section 3.8. `options` is the byte of section 3.8.3.1.

    `properties` is a dict by identifier or None, not sent on MQTT 3.1.1.
    """
    head = pack(">H", packet_id)
    if version != _V5:
        options &= 3
    else:
        head += encode_properties(properties)
    return encode_packet(0x82, head, encode_text(topic_filter), bytes((options,)))
