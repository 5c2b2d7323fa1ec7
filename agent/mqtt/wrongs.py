"""What may be wrong with the packets that every session reads: reason codes and words.

One rule: a row for each `raise wrong(...)` in this room, by its number. Loaded with the first, and
with the first text that is not ASCII.
"""

from agent.bad_message import BadMessage

_MALFORMED, _PROTOCOL_ERROR = 0x81, 0x82  # section 2.4 of the MQTT 5.0 standard
_RECEIVE_MAXIMUM_EXCEEDED, _TOPIC_ALIAS_INVALID = 0x93, 0x94

_ROWS = (
    (_MALFORMED, "text that is not UTF-8, or has the character U+0000"),
    (_MALFORMED, "a variable integer cut short, or too long"),
    (_MALFORMED, "properties that reach past the end of their packet"),
    (_MALFORMED, "unknown property %d"),
    (_PROTOCOL_ERROR, "property %d twice, or where it does not belong"),
    (_PROTOCOL_ERROR, "property %d must not be zero"),
    (_TOPIC_ALIAS_INVALID, "property %d, the topic alias, must not be zero"),
    (_MALFORMED, "a value that reaches past the end of its packet"),
    (_PROTOCOL_ERROR, "a flag that is neither 0 nor 1"),
    (_MALFORMED, "a length that is too long, or not in its shortest form"),
    (_MALFORMED, "a PUBLISH with QoS 3, or with DUP at QoS 0"),
    (_MALFORMED, "a PUBLISH shorter than its topic"),
    (_PROTOCOL_ERROR, "a PUBLISH without a topic, or without an identifier"),
    (_MALFORMED, "a PUBLISH to a topic with a wildcard"),
    (_RECEIVE_MAXIMUM_EXCEEDED, "%d messages under way, far more than Receive Maximum"),
    (_PROTOCOL_ERROR, "a PUBACK for a message of QoS 2"),
)


def make(number, detail):
    """The BadMessage of this row, with `detail` where its words ask for one."""
    reason, words = _ROWS[number]
    return BadMessage(words if detail is None else words % detail, reason)


def size_of(text):
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
