"""JSON as RFC 8259 has it, on an interpreter whose parser is easier to please.

MicroPython's parser takes commas and colons for white space: `{"a":1,,}` passes it, `["a",1 2]`
too; 1.25 does not miss a closing bracket at the end; and all make invalid UTF-8 of an escaped
surrogate pair. The one rule: what one runtime refuses, all refuse. Our own builds have a strict
parser (firmware/linux/patches), as CPython has; elsewhere a strict one in Python would cost more
than the whole rest of a request. So the interpreter parses, the separators are counted
against the values that came out, and the brackets against each other; only where a count is off
(also because a string holds a separator) is the text gone through in Python, which says where it
is wrong. What still passes on MicroPython changes no value: separators in the right number but in
each other's places, a closing bracket of the wrong kind, `01`, an unknown escape, a raw control
character.

Pure: bytes in, a dict out, or BadJson.
"""

import json

from agent.errors import BadJson

MAX_DEPTH = 16  # of nested containers: the counting recurses, and a worker's stack is small


def _accepts(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _refuse_constant(name):
    raise ValueError("%s is no JSON" % name)


_LENIENT = _accepts("[1,,2]")
_MISSES_END = _accepts('{"a":1')


def _loads_strictly(data):
    # CPython's parser in turn takes NaN and Infinity, unless told otherwise.
    return json.loads(data, parse_constant=_refuse_constant)


_loads = _loads_strictly if _accepts("NaN") else json.loads


def parse_object(data):
    """The object that `data`, UTF-8 bytes, holds. Raises BadJson with what is wrong."""
    if data.find(b"\\u") >= 0 or data.find(b"\xed") >= 0:
        data = join_surrogates(data)
    try:
        value = _loads(data)
    except UnicodeError:
        raise BadJson("not UTF-8")
    except ValueError as error:
        raise BadJson("not JSON: %s" % (explain(data) or error))
    except (MemoryError, RuntimeError):  # RuntimeError: recursion, on either runtime
        raise BadJson("nested too deep, or too large")
    if not isinstance(value, dict):
        raise BadJson("expected an object")
    if not _LENIENT:
        # What opens fewer containers than may be nested is not nested deeper.
        if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
            _structure(value, 1)
        return value
    # Most requests have no separator inside a string, so that the count alone settles it.
    if _structure(value, 1) != data.count(b",") + data.count(b":") or (
        _MISSES_END and _is_unbalanced(data)
    ):
        wrong = explain(data)
        if wrong:
            raise BadJson("not JSON: %s" % wrong)
    return value


UNWRITABLE = (TypeError, ValueError, RuntimeError, MemoryError)  # what json.dumps may raise


def copy(value, most_bytes):
    """`value` as JSON gives it back, so that it can be written later whatever becomes of it.

    MicroPython writes the repr of what is no JSON, so only reading it back tells. Raises
    ValueError, also where its text has more than so many bytes.
    """
    try:
        text = json.dumps(value)
        found = parse_object(('{"value":%s}' % text).encode())["value"]
    except UNWRITABLE + (BadJson,) as error:
        raise ValueError("it cannot be written as JSON: %s" % error)
    if len(text.encode()) > most_bytes:
        raise ValueError("%d bytes of JSON, at most %d" % (len(text.encode()), most_bytes))
    return found


def _has_surrogate(data):
    """Whether the bytes of a lone surrogate are in `data`: no UTF-8, but both runtimes take it."""
    at = data.find(b"\xed")
    while at >= 0:
        if data[at + 1 : at + 2] >= b"\xa0":
            return True
        at = data.find(b"\xed", at + 1)
    return False


def _is_unbalanced(data):
    count = data.count
    return count(b"{") != count(b"}") or count(b"[") != count(b"]")


_CONTAINERS = (dict, list)


def _structure(value, depth):
    """How many commas and colons stand between the parts of a container, at all its depths."""
    if depth > MAX_DEPTH:
        raise BadJson("nested deeper than %d" % MAX_DEPTH)
    count = len(value) - 1 if value else 0
    if isinstance(value, dict):
        count += len(value)
        for name in value:
            if not isinstance(name, str):
                raise BadJson("not JSON: a name that is no string")
        value = value.values()
    for item in value:
        if isinstance(item, _CONTAINERS):
            count += _structure(item, depth + 1)
    return count


_SURROGATES = (b"ud8", b"ud9", b"uda", b"udb", b"udc", b"udd", b"ude", b"udf")


def join_surrogates(data):
    """`data` with each escaped surrogate pair written as the character it stands for.

    RFC 8259, section 7. A surrogate without its other half is no character, and cannot be written
    as UTF-8: it raises BadJson, as its raw bytes do.
    """
    if _has_surrogate(data):
        raise BadJson("not UTF-8")
    out = bytearray()
    at = 0
    while True:
        escape = data.find(b"\\", at)
        if escape < 0:
            return bytes(out) + data[at:]
        out.extend(data[at:escape])
        character = _surrogate_pair(data[escape : escape + 12])
        if character is None and data[escape + 1 : escape + 4].lower() in _SURROGATES:
            raise BadJson("not JSON: at byte %d: half a surrogate pair" % escape)
        at = escape + (12 if character else 2)
        out.extend(character or data[escape:at])


def _surrogate_pair(text):
    """The UTF-8 of `\\uD83D\\uDE00`, None where `text` is no such pair."""
    if len(text) < 12 or text[:2] != b"\\u" or text[6:8] != b"\\u":
        return None
    try:
        high, low = int(text[2:6], 16), int(text[8:12], 16)
    except ValueError:
        return None
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return None
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).encode()


_SPACE = b" \t\n\r"
_ESCAPES = b'"\\/bfnrtu'
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"


def explain(data):
    """Where and why `data` is not JSON, in words; None where it is."""
    try:
        _Checker(data).check()
    except _Wrong as wrong:
        return str(wrong)
    return None


class _Wrong(Exception):
    pass


class _Checker:
    """Goes through the text once, with a stack of the containers it is in."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def check(self):
        closers = []  # of the containers around this place
        while True:
            opened = self._value()
            if opened:
                closers.append(b"}" if opened == b"{" else b"]")
                if len(closers) > MAX_DEPTH:
                    self._refuse("nesting of at most %d" % MAX_DEPTH)
                if self._skip(closers[-1]):
                    closers.pop()
                else:
                    self._name_of_member(closers)
                    continue
            while closers and not self._skip(b","):
                self._expect(closers.pop(), "a comma or the closing bracket")
            if not closers:
                break
            self._name_of_member(closers)
        if self._peek():
            self._refuse("the end")

    def _name_of_member(self, closers):
        if closers[-1] == b"}":
            self._peek()
            self._string("a name in double quotes")
            self._expect(b":", "a colon")

    def _value(self):
        """Pass one scalar, or the opening of a container, which is returned."""
        first = self._peek()
        if first in (b"{", b"["):
            self.at += 1
            return first
        if first == b'"':
            self._string("a string")
        elif first and first in b"-0123456789":
            self._number()
        else:
            self._word()
        return None

    def _word(self):
        for word in (b"true", b"false", b"null"):
            if self.data[self.at : self.at + len(word)] == word:
                self.at += len(word)
                return
        self._refuse("a value")

    def _string(self, wanted):
        if self._here() != b'"':
            self._refuse(wanted)
        self.at += 1
        while self._here() != b'"':
            here = self._here()
            if not here or here < b" ":
                self._refuse("a closing quote, and no control character before it")
            self.at += 1
            if here == b"\\":
                self._escape()
        self.at += 1

    def _escape(self):
        kind = self._here()
        if not kind or kind not in _ESCAPES:
            self._refuse("an escape of JSON")
        self.at += 1
        if kind == b"u":
            for _ in range(4):
                self._one_of(_HEX, "four hexadecimal digits")

    def _number(self):
        self._skip(b"-")
        if self._here() == b"0":
            self.at += 1
        else:
            self._digits()
        if self._here() == b".":
            self.at += 1
            self._digits()
        if self._here() in (b"e", b"E"):
            self.at += 1
            if self._here() in (b"+", b"-"):
                self.at += 1
            self._digits()

    def _digits(self):
        self._one_of(_DIGITS, "a digit")
        while self._here() and self._here() in _DIGITS:
            self.at += 1

    def _one_of(self, characters, wanted):
        if not self._here() or self._here() not in characters:
            self._refuse(wanted)
        self.at += 1

    def _here(self):
        return self.data[self.at : self.at + 1]

    def _peek(self):
        while self._here() and self._here() in _SPACE:
            self.at += 1
        return self._here()

    def _skip(self, mark):
        if self._peek() != mark:
            return False
        self.at += 1
        return True

    def _expect(self, mark, wanted):
        if not self._skip(mark):
            self._refuse(wanted)

    def _refuse(self, wanted):
        shown = repr(self._here())[1:] if self._here() else "the end"
        raise _Wrong("at byte %d: expected %s, got %s" % (self.at, wanted, shown))
