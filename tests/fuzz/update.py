"""Mutated releases, keyrings, listings, patches and streams: refused, or what they were.

    python tests/fuzz/update.py COUNT [SEED]

The one rule: whatever comes in, nothing is raised but the documented error, and nothing is read
out but what was signed: with the signature check left out, a description that is read is written
again as the very bytes; with it, for one input in SAMPLE, only the original passes. A patch makes
at most the bytes that were declared, and a stream gives only what it was made of.
"""

import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
if __name__ == "__main__":
    ROOT = HERE + "/../.."
    sys.path[0:0] = [ROOT, HERE + "/.."]
    sys.path += [ROOT + "/compat", ROOT + "/firmware"]

from interpreter import inflate  # noqa: E402 - found through the path set above
from mqtt import Random  # noqa: E402 - this folder's
from update_corpus import WORDS, vector  # noqa: E402
from update_life import make_stream  # noqa: E402

from agent.bad_message import BadMessage  # noqa: E402
from agent.ed25519 import run as verify_now  # noqa: E402
from agent.update import patch, release, tree  # noqa: E402

SAMPLE = 5000  # one input in so many has its signatures really checked
RING = release.parse_keyring(release.split_signed(vector("ring1")).body)
RELEASE = vector("release_by_both")
RICH = release.encode_description(
    release.Description(
        "agent", "stable", "1.0-rc1", 70, 12, 1_900_000_000, 3,
        (("agent", "0.1.0"), ("mpy", "6")),
        (release.Folder(900, "ab" * 16, "agent"), release.Folder(80, "cd" * 16, "agent/mqtt")),
    )
)  # fmt: skip
LISTING = release.encode_listing(
    [
        release.File(
            "a.py", 5, "ab" * 32, "644", ("z", 4, "cd" * 16), ((3, "ef" * 16, "01" * 16),)
        ),
        release.File("b", 0, "12" * 32, "755", None, ()),
        release.File("c.mpy", 9000, "34" * 32, "644", ("r", 9000, "56" * 16), ()),
    ]
)
OLD, NEW = vector("old"), vector("new")
DELTA = bytes.fromhex(WORDS["delta"])
BLOB = bytes(range(251)) * 30
ROOT_HASH, STREAM = make_stream(BLOB)


TOKENS = (b"0", b"-1", b"99999999999", b"\n", b" ", b"../", b"/", b"folder ", b"needs ", b"sign ",
          b"key ", b"\0", b"\xff", b"d 1 ", b"z ", b"644 ", b"limpet-folder 1\n")  # fmt: skip


def mutate(random, data):
    """One to four changes: a bit, a byte, a token, a piece cut out, doubled or moved."""
    data = bytearray(data)
    for _ in range(1 + random.below(4)):
        at = random.below(len(data) + 1)
        kind = random.below(6)
        size = random.below(1 + min(40, len(data) - at))
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random.below(8)
        elif kind == 1 and at < len(data):
            data[at] = random.below(256)
        elif kind == 2:
            data[at:at] = TOKENS[random.below(len(TOKENS))]
        elif kind == 3:
            data = data[:at] + data[at + size :]
        elif kind == 4:
            data[at:at] = bytes(data[at : at + size])
        else:
            data = data[:at]
    return bytes(data)


class Bytes:
    """Bytes as a file."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def read(self, count):
        """As of a file."""
        found = self.data[self.at : self.at + count]
        self.at += len(found)
        return found

    def seek(self, at):
        """As of a file."""
        self.at = at

    def readinto(self, buffer):
        """As of a file."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def try_description(data, is_real):
    """True if it was refused."""
    try:
        signed = release.split_signed(data)
        release.parse_description(signed.body)
        if is_real:
            verify_now(release.verify_signed(release.RELEASE, signed, RING.release))
            expect(signed.body == release.split_signed(RELEASE).body, "another release passed")
    except release.BadRelease:
        return True
    expect(
        release.encode_description(release.parse_description(signed.body)) == signed.body, "form"
    )
    return False


def try_body(data, is_real):
    """A description with everything in it."""
    try:
        found = release.parse_description(data)
    except release.BadRelease:
        return True
    expect(release.encode_description(found) == data, "another form passed")
    return False


def try_keyring(data, is_real):
    """A keyring that is to follow."""
    try:
        signed = release.split_signed(data)
        found = release.parse_keyring(signed.body)
        if is_real:
            verify_now(release.verify_next(RING, data))
            expect(signed.body == release.split_signed(vector("ring2")).body, "another keyring")
    except release.BadRelease:
        return True
    expect(release.encode_keyring(found) == signed.body, "another form passed")
    return False


def try_listing(data, is_real):
    """A listing."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    try:
        found = list(release.parse_listing(lambda: lines.pop(0) if lines else b""))
    except release.BadRelease:
        return True
    expect(release.encode_listing(found) == data, "another form passed")
    return False


def try_patch(data, is_real):
    """A patch, packed."""
    made = bytearray()
    try:
        reader = inflate(Bytes(data))
        for chunk in patch.apply(reader.read, Bytes(OLD), len(OLD), len(NEW)):
            made += chunk
            expect(len(made) <= len(NEW), "more than was declared")
    except (BadMessage, OSError, EOFError, ValueError):
        return True
    return bytes(made) != NEW  # its hash tells; it never leaves its bounds


def try_stream(data, is_real):
    """A blob's stream."""
    found = bytearray()
    verifier = tree.Verifier(len(BLOB), ROOT_HASH)
    try:
        for unit, is_piece in verifier.feed(data):
            if is_piece:
                found += unit
    except tree.Lie:
        expect(BLOB[: len(found)] == found, "something else came through")
        return True
    expect(BLOB[: len(found)] == found, "something else came through")
    return not verifier.done


def expect(holds, text):
    """Raise unless it holds."""
    if not holds:
        raise AssertionError(text)


KINDS = (
    (RELEASE, try_description),
    (RICH, try_body),
    (vector("ring2"), try_keyring),
    (LISTING, try_listing),
    (DELTA, try_patch),
    (STREAM, try_stream),
)


def run(count, seed):
    """Try `count` inputs; how many were refused. Raises what is the finding."""
    random = Random(seed)
    refused = 0
    for number in range(count):
        original, attempt = KINDS[number % len(KINDS)]
        data = mutate(random, original)
        try:
            refused += bool(attempt(data, number % SAMPLE < len(KINDS)))
        except Exception as error:  # noqa: BLE001 - any but the documented is the finding
            print("seed %d, input %d, %r: %r" % (seed, number, data, error))
            raise
    return refused


if __name__ == "__main__":
    _count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    _seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print("seed %d: %d inputs, %d refused" % (_seed, _count, run(_count, _seed)))
