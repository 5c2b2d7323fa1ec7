"""What a release says, signed: read with bounds, in one form only, and verified in steps.

The one rule: the bytes that were signed are the bytes that are read. Everything is lines of ASCII;
what was read is written again, and must come out the same, so that no second reading exists.

A release has a description, which is signed, and a listing for each of its folders, which the
description names by its hash: a small change costs one listing, however many files there are.
Signatures stand behind the text, a line each. What is signed has a fixed size, so that with the
64 bytes before it the whole is one block of SHA-512: 15 bytes that tell what it is, and SHA-256.

Two roles sign: `root` a keyring, which names all keys; `release` a description. Pure.
"""

from binascii import hexlify, unhexlify
from collections import namedtuple
from hashlib import sha256

from agent.ed25519 import verify
from agent.errors import LimpetError

MAX_SIGNED_BYTES = 3584  # with its topic it fits the smallest usual packet of the link, 4096
MAX_LISTING_BYTES = 65536  # read line by line; no folder of ours has a tenth of it
MAX_FOLDERS = 32
MAX_FILES = 256  # in one folder: their names are in memory to tell twins
MAX_KEYS = 8  # of each role
MAX_SIGNATURES = 8  # each costs its check; only known keys are checked at all
MAX_NEEDS = 8
MAX_PATH = 120
MAX_DEPTH = 8
MAX_NUMBER = 2**31 - 1  # a small int wherever it matters, and a time until 2038 in seconds
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DELTAS = 8  # for one file
KEY_ID = 16  # hex digits, the first of the public key

RELEASE, KEYRING = "release", "keyring"
_TAGS = {RELEASE: b"limpet-release\0", KEYRING: b"limpet-keyring\0"}  # 15 bytes each
_HEADS = {RELEASE: "limpet-release 1", KEYRING: "limpet-keyring 1"}
LISTING_HEAD = "limpet-folder 1"
ALGORITHMS = ("ed25519",)  # what this device can check

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
WORD = _LOWER + "-"
VERSION = _LOWER + ".-+"
VALUE = _LOWER + ".-+_, "
_NAME_FIRST = _LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_NAME = _NAME_FIRST + ".-"
_HEX = "0123456789abcdef"
NEEDS = ("agent", "board", "mpy", "runtime", "space", "start")

# size and tree of the packed listing (tree.py), and where its files go: "." or a path
Folder = namedtuple("Folder", ("size", "tree", "path"))
Description = namedtuple(
    "Description",
    (
        "product",
        "channel",
        "version",
        "sequence",  # strictly rising within product and channel
        "floor",  # the least sequence that may ever be put in use after this one
        "expires",  # unix seconds
        "keyring",  # number of the keyring that its keys are in
        "needs",  # ((name, value), ...)
        "folders",
    ),
)
# threshold and keys (hex) of each role
Keyring = namedtuple("Keyring", ("product", "number", "expires", "root", "release"))
Role = namedtuple("Role", ("threshold", "keys"))
# name, size, hash (hex of SHA-256), mode; packed: ("r" or "z", size, tree), None for an empty
# file; deltas: ((size, tree, first 32 digits of the hash of what it is applied to), ...)
File = namedtuple("File", ("name", "size", "hash", "mode", "packed", "deltas"))
Signed = namedtuple("Signed", ("body", "signatures"))
Signature = namedtuple("Signature", ("algorithm", "key", "code"))


class BadRelease(LimpetError):
    """A release that is not one, or that nobody trusted here has signed; the message says why."""

    code = "bad-release"


class Lines:
    """The lines of a text, one at a time, each bounded and ended by a newline."""

    def __init__(self, data, limit):
        if len(data) > limit:
            raise BadRelease("%d bytes; at most %d" % (len(data), limit))
        # Not a list of it all, which would be the largest thing that an update holds at once.
        if not data or data[-1] != 10 or any(b < 32 and b != 10 or b > 126 for b in data):
            raise BadRelease("not lines of ASCII")
        self._lines = data[:-1].split(b"\n")
        self._at = 0

    def peek(self):
        """The first word of the next line, "" at the end of all."""
        if self._at >= len(self._lines):
            return ""
        return self._lines[self._at].split(b" ", 1)[0].decode() or " "  # an empty line is one

    def take(self, name, words):
        """The words of the next line behind its `name`, which must be so many."""
        if self._at >= len(self._lines):
            raise BadRelease("ends before %s" % name)
        found = self._lines[self._at].decode().split(" ", words)
        self._at += 1
        if found[0] != name or len(found) != words + 1:
            raise BadRelease("line %d: expected %s" % (self._at, name))
        return found[1:]

    def head(self, text):
        """The first line must be `text`."""
        if self._lines[0] != text.encode():
            raise BadRelease("does not begin with %s" % text)
        self._at = 1


def number(text, most=MAX_NUMBER):
    """A whole number in its one form."""
    if not text or len(text) > 10 or any([digit not in "0123456789" for digit in text]):
        raise BadRelease("not a number: %s" % text[:20])
    value = int(text)
    if str(value) != text or value > most:
        raise BadRelease("not a number up to %d: %s" % (most, text))
    return value


def _word(text, characters, most):
    if not 0 < len(text) <= most or any([one not in characters for one in text]):
        raise BadRelease("not a word for this place: %s" % text[:20])
    return text


def _hex(text, digits):
    if len(text) != digits or any([one not in _HEX for one in text]):
        raise BadRelease("not %d hex digits" % digits)
    return text


def check_path(path):
    """A path that is safe in a slot on every file system; returns it."""
    parts = path.split("/")
    if len(path) > MAX_PATH or len(parts) > MAX_DEPTH:
        raise BadRelease("too long or too deep a path")
    for part in parts:
        is_name = part and part[0] in _NAME_FIRST and part[-1] != "."
        if not is_name or any([one not in _NAME for one in part]):
            raise BadRelease("not a safe path: %s" % path[:40])
    return path


def split_signed(data):
    """The Signed in `data`: the text, and the signatures behind it. Nothing is verified."""
    if len(data) > MAX_SIGNED_BYTES:
        raise BadRelease("%d bytes; at most %d" % (len(data), MAX_SIGNED_BYTES))
    at = data.find(b"\nsign ")
    if at < 0:
        raise BadRelease("not signed")
    lines = Lines(data[at + 1 :], MAX_SIGNED_BYTES)
    signatures = []
    while lines.peek():
        words = lines.take("sign", 3)
        algorithm = _word(words[0], WORD, 16)
        if len(words[2]) > 1024 or len(words[2]) % 2 or not words[2]:
            raise BadRelease("not a signature")
        code = unhexlify(_hex(words[2], len(words[2])))
        signatures.append(Signature(algorithm, _hex(words[1], KEY_ID), code))
        if len(signatures) > MAX_SIGNATURES:
            raise BadRelease("more than %d signatures" % MAX_SIGNATURES)
    return Signed(data[: at + 1], signatures)


def sign_line(algorithm, key, code):
    """The line of one signature; `key` is the public key, in hex."""
    return b"sign %s %s %s\n" % (algorithm.encode(), key[:KEY_ID].encode(), hexlify(code))


def signed_text(kind, body):
    """What is signed: 47 bytes, whatever the size of the text."""
    return _TAGS[kind] + sha256(body).digest()


def verify_signed(kind, signed, role):
    """A generator: returns if enough keys of `role` have signed; raises BadRelease otherwise."""
    known = {key[:KEY_ID]: key for key in role.keys}
    text = signed_text(kind, signed.body)
    good = set()  # a key that signs twice counts once
    for signature in signed.signatures:
        key = known.get(signature.key)
        if key is None or key in good or signature.algorithm not in ALGORITHMS:
            continue
        is_right = yield from verify(unhexlify(key), text, signature.code)
        if not is_right:
            raise BadRelease("a wrong signature of key %s" % signature.key)
        good.add(key)
        if len(good) >= role.threshold:
            return
    words = (len(good), role.threshold)
    raise BadRelease("%d of the %d signatures that it needs, by keys known here" % words)


def parse_description(body):
    """The Description in the text that was signed. Raises BadRelease."""
    lines = Lines(body, MAX_SIGNED_BYTES)
    lines.head(_HEADS[RELEASE])
    values = [
        _word(lines.take("product", 1)[0], WORD, 32),
        _word(lines.take("channel", 1)[0], WORD, 32),
        _word(lines.take("version", 1)[0], VERSION, 32),
    ]
    values += [number(lines.take(n, 1)[0]) for n in ("sequence", "floor", "expires", "keyring")]
    needs, folders = [], []
    while lines.peek() == "needs":
        name, value = lines.take("needs", 2)
        if name not in NEEDS:  # what a device does not understand it does not have
            raise BadRelease("needs something unknown here: %s" % name[:20])
        needs.append((name, _word(value, VALUE, 80)))
    while lines.peek():
        size, tree, path = lines.take("folder", 3)
        path = path if path == "." else check_path(path)
        folders.append(Folder(_some(size), _hex(tree, 32), path))
    values += [tuple(needs), tuple(folders)]
    description = Description(*values)
    _check_order([need[0] for need in needs], MAX_NEEDS, "needs")
    _check_order([folder.path for folder in folders], MAX_FOLDERS, "folder")
    if not folders or description.floor > description.sequence:
        raise BadRelease("no folder, or a floor above its own sequence")
    if encode_description(description) != body:
        raise BadRelease("not in its one form")
    return description


def encode_description(description):
    """The text to sign."""
    lines = [_HEADS[RELEASE]]
    for name in ("product", "channel", "version", "sequence", "floor", "expires", "keyring"):
        lines.append("%s %s" % (name, getattr(description, name)))
    lines += ["needs %s %s" % need for need in description.needs]
    lines += ["folder %d %s %s" % tuple(folder) for folder in description.folders]
    return ("\n".join(lines) + "\n").encode()


def _check_order(names, most, what):
    """Sorted, none twice, none that differs by case alone: FAT takes such for one."""
    if len(names) > most:
        raise BadRelease("more than %d lines of %s" % (most, what))
    if names != sorted(names) or len({name.lower() for name in names}) != len(names):
        raise BadRelease("%s: out of order, or twice" % what)


def parse_keyring(body):
    """The Keyring in the text that was signed. Raises BadRelease."""
    lines = Lines(body, MAX_SIGNED_BYTES)
    lines.head(_HEADS[KEYRING])
    product = _word(lines.take("product", 1)[0], WORD, 32)
    order = number(lines.take("number", 1)[0])
    expires = number(lines.take("expires", 1)[0])
    roles = [_parse_role(lines, name) for name in ("root", "release")]
    keyring = Keyring(product, order, expires, *roles)
    if lines.peek() or encode_keyring(keyring) != body:
        raise BadRelease("not in its one form")
    return keyring


def _parse_role(lines, name):
    threshold = number(lines.take(name, 1)[0], MAX_KEYS)
    keys = []
    while lines.peek() == "key":
        algorithm, key = lines.take("key", 2)
        if algorithm not in ALGORITHMS:
            raise BadRelease("a key of a kind unknown here: %s" % algorithm[:20])
        keys.append(_hex(key, 64))
    _check_order([key[:KEY_ID] for key in keys], MAX_KEYS, "key")
    if not 0 < threshold <= len(keys):
        raise BadRelease("%s: %d of %d keys" % (name, threshold, len(keys)))
    return Role(threshold, tuple(keys))


def encode_keyring(keyring):
    """The text to sign."""
    lines = [_HEADS[KEYRING]]
    for name in ("product", "number", "expires"):
        lines.append("%s %s" % (name, getattr(keyring, name)))
    for name in ("root", "release"):
        role = getattr(keyring, name)
        lines.append("%s %d" % (name, role.threshold))
        lines += ["key %s %s" % (ALGORITHMS[0], key) for key in role.keys]
    return ("\n".join(lines) + "\n").encode()


def verify_next(keyring, data):
    """A generator: the Keyring in `data`, which enough keys of both it and `keyring` have signed.

    That is the chain of trust: number N + 1 by N, one by one.
    """
    signed = split_signed(data)
    found = parse_keyring(signed.body)
    if found.product != keyring.product or found.number != keyring.number + 1:
        raise BadRelease("keyring %d does not follow %d" % (found.number, keyring.number))
    yield from verify_signed(KEYRING, signed, keyring.root)
    yield from verify_signed(KEYRING, signed, found.root)
    return found


def parse_listing(read_line):
    """A generator of the Files of a listing; `read_line()` gives a line, b"" at the end.

    Nothing of it is held but the names; raises BadRelease before a bound is passed.
    """
    source = _ListingSource(read_line)
    if source.line != LISTING_HEAD:
        raise BadRelease("a listing does not begin with %s" % LISTING_HEAD)
    source.advance()
    names, last = set(), ""
    while source.line:
        entry = _parse_file(source)
        module = entry.name.lower().rsplit(".", 1)[0]
        is_code = entry.name[-3:] == ".py" or entry.name[-4:] == ".mpy"
        twin = module if is_code else entry.name.lower()  # x.py would hide x.mpy
        if entry.name <= last or twin in names or len(names) >= MAX_FILES:
            raise BadRelease("a listing: out of order, twice, or too many: %s" % entry.name)
        last = entry.name
        names.add(twin)
        yield entry


class _ListingSource:
    def __init__(self, read_line):
        self._read_line = read_line
        self._left = MAX_LISTING_BYTES
        self.advance()

    def advance(self):
        data = self._read_line()
        self._left -= len(data)
        if not data:
            self.line = ""
            return
        if self._left < 0 or len(data) > 300 or data[-1] != 10:
            raise BadRelease("a listing beyond its bounds")
        if any([byte < 32 or byte > 126 for byte in data[:-1]]) or len(data) < 2:
            raise BadRelease("a listing that is not lines of ASCII")
        self.line = data[:-1].decode()

    def words(self, count):
        found = self.line.split(" ")
        if len(found) != count:
            raise BadRelease("a listing: not a line for this place: %s" % self.line[:40])
        return found


def _some(text):
    size = number(text, MAX_FILE_BYTES)
    if not size:
        raise BadRelease("a blob of nothing")
    return size


def _parse_file(source):
    mode, size, digest, name = source.words(4)
    if mode not in ("644", "755") or "/" in name:
        raise BadRelease("a listing: a wrong mode or name: %s" % source.line[:40])
    size = number(size, MAX_FILE_BYTES)
    _hex(digest, 64)
    check_path(name)
    source.advance()
    packed, deltas = None, []
    if source.line[:2] in ("r ", "z "):
        form, packed_size, tree = source.words(3)
        packed = (form, _some(packed_size), _hex(tree, 32))
        if form == "r" and packed[1] != size:
            raise BadRelease("%s: two sizes" % name)
        source.advance()
    while source.line[:2] == "d ":
        _, delta_size, tree, old = source.words(4)
        deltas.append((_some(delta_size), _hex(tree, 32), _hex(old, 32)))
        source.advance()
        if len(deltas) > MAX_DELTAS:
            raise BadRelease("%s: more than %d deltas" % (name, MAX_DELTAS))
    if (packed is None) != (size == 0):
        raise BadRelease("%s: no way to get it" % name)
    return File(name, size, digest, mode, packed, tuple(deltas))


def encode_listing(files):
    """The text of a listing of Files, which are sorted by name."""
    lines = [LISTING_HEAD]
    for file in files:
        lines.append("%s %d %s %s" % (file.mode, file.size, file.hash, file.name))
        if file.packed:
            lines.append("%s %d %s" % file.packed)
        lines += ["d %d %s %s" % delta for delta in file.deltas]
    return ("\n".join(lines) + "\n").encode()
