"""The line before a payload that says who made it: read, check, make.

    L1 KEY FORM MARK SEQ CODE
    ...the body, to the end...

FORM is `live` (MARK is the device's nonce of this boot, SEQ rises), `left` (MARK is a counter that
rises over boots, SEQ is 0) or `many` (as `left`; for calls to groups). CODE is in hex: the first
16 bytes of an HMAC-SHA256, or for `many` an Ed25519 signature over a SHA-256 of the same text.
What CODE covers is direction, target, topic and reply topic, the line as far as CODE, and the
body, byte by byte. The one rule: nothing behind the line is looked at before CODE was found right.

Pure: bytes in, records out; which keys there are is not known here.
"""

import hashlib
from binascii import hexlify, unhexlify
from collections import namedtuple

from agent.errors import LimpetError
from agent.hmac_sha256 import equal, mac

START = b"L1 "
LIVE, LEFT, MANY = "live", "left", "many"
DOWN, UP = "down", "up"  # to a device, from a device

MAC_BYTES = 16  # HMAC-SHA256 cut to half, as RFC 2104 section 5 allows: 2^128 guesses
SIGNATURE_BYTES = 64
MAX_KEY_NAME = 32
MAX_DIGITS = 16  # of a number: microseconds since 1970 fit for 300 years
MAX_LINE = 256
NAME_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

# key     name of the key, text
# form    LIVE, LEFT or MANY
# mark    the nonce of a LIVE one, else None
# number  SEQ of a LIVE one, else the counter; above 0, at most MAX_DIGITS digits
# code    bytes
# head    the line as far as CODE, without the space before it: bytes
# body    bytes
Seal = namedtuple("Seal", ("key", "form", "mark", "number", "code", "head", "body"))

# Where a payload goes: direction, target (a device's id, `all`, `group/NAME`), topic, and the
# MQTT 5 response topic or None.
Scope = namedtuple("Scope", ("direction", "target", "topic", "reply"))


class BadSeal(LimpetError):
    """A payload whose seal is not right. Nobody is answered: nothing in it can be believed.

    The message is a word or two for the audit, the same for all payloads with that fault.
    """

    code = "bad-seal"


def is_sealed(payload):
    """True if `payload` begins as a sealed one does."""
    return payload[:3] == START


def read_seal(payload):
    """The Seal of `payload`, bytes, whose CODE nobody has checked yet. Raises BadSeal."""
    end = payload.find(b"\n", 0, MAX_LINE)
    words = payload[:end].split(b" ") if end > 0 else ()
    if len(words) != 6 or words[0] != b"L1":
        raise BadSeal("malformed")
    _, key, form, mark, seq, code = words
    form = _FORMS.get(form)
    number = seq
    if form != LIVE:
        number, mark = mark, None
    if (
        form is None
        or not _is_name(key)
        or not _is_number(number)
        or not (_is_name(mark) if form == LIVE else seq == b"0")
        or len(code) != 2 * (SIGNATURE_BYTES if form == MANY else MAC_BYTES)
    ):
        raise BadSeal("malformed")
    mark = None if mark is None else mark.decode()
    number = int(number)
    head = payload[: end - len(code) - 1]
    return Seal(key.decode(), form, mark, number, _bytes_of(code), head, payload[end + 1 :])


_FORMS = {b"live": LIVE, b"left": LEFT, b"many": MANY}


def _is_name(word):
    return 0 < len(word) <= MAX_KEY_NAME and not word.strip(NAME_CHARACTERS)


def _is_number(word):
    return word.isdigit() and len(word) <= MAX_DIGITS and word[0] != 48  # no 0 in front


def _bytes_of(code):
    try:
        data = unhexlify(code)
    except ValueError:
        data = b""
    if hexlify(data) != code:  # capital digits would be another form of the same seal
        raise BadSeal("malformed")
    return data


def is_right(seal, prepared, scope):
    """Whether the key `prepared` (by hmac_sha256) made `seal`, of the form LIVE or LEFT."""
    code = mac(prepared, _covered(scope, seal.head, seal.body))[:MAC_BYTES]
    return equal(code, seal.code)


def signed_text(scope, head, body):
    """What the signature of a MANY seal is over: 40 bytes, so that SHA-512 has one block to do."""
    whole = hashlib.sha256()
    for part in _covered(scope, head, body):
        whole.update(part)
    return b"L1 many\0" + whole.digest()


def _covered(scope, head, body):
    """The parts that CODE is over: no two payloads and scopes have the same parts together."""
    words = (scope.direction, scope.target, scope.topic, scope.reply or "")
    prefix = ("L1\0%s\0%s\0%s\0%s\0" % words).encode()
    if prefix.count(b"\0") != 5:
        raise BadSeal("malformed")  # a topic with a zero in it could pass for another topic
    return prefix, head, b"\n", body


def make_head(key, form, mark, number):
    """The line as far as CODE."""
    if form == LIVE:
        return ("L1 %s live %s %d" % (key, mark, number)).encode()
    return ("L1 %s %s %d 0" % (key, form, number)).encode()


def make_line(prepared, scope, head, body):
    """The whole line, line feed and all, that seals `body`."""
    code = mac(prepared, _covered(scope, head, body))[:MAC_BYTES]
    return head + b" " + hexlify(code) + b"\n"
