"""agent/hmac_sha256.py: RFC 4231's vectors, CPython's hmac, and what a comparison tells."""

from binascii import hexlify, unhexlify

from interpreter import random_bytes
from support import skip

from agent.hmac_sha256 import equal, mac, prepare

# RFC 4231, section 4: (key, data, HMAC-SHA-256; case 5 gives only its first 128 bits).
VECTORS = (
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)


def test_the_vectors_of_rfc_4231():
    for key, data, wanted in VECTORS:
        found = hexlify(mac(prepare(key), (data,))).decode()
        assert found[: len(wanted)] == wanted


def test_parts_count_as_one():
    key = prepare(b"k")
    whole = mac(key, (b"abcdef",))
    assert mac(key, (b"ab", b"", memoryview(b"xcdefx")[1:-1])) == whole
    assert mac(key, (b"abcdex",)) != whole


def test_it_equals_cpythons_own():
    try:
        import hmac
    except ImportError:
        skip("this interpreter has no hmac to compare with")
    for size in list(range(140)) + [1000]:
        secret, data = random_bytes(size), random_bytes(2 * size)
        assert mac(prepare(secret), (data,)) == hmac.new(secret, data, "sha256").digest()


def test_equal_tells_every_difference():
    one = unhexlify("00112233445566778899aabbccddeeff")
    assert equal(one, bytes(one)) and equal(b"", b"")
    for index in range(len(one)):
        for bit in range(8):
            other = bytearray(one)
            other[index] ^= 1 << bit
            assert not equal(one, other)
    assert not equal(one, one[:-1]) and not equal(one[:-1], one) and not equal(b"", b"\0")


class Watched:
    """Bytes that count how many of them were looked at."""

    def __init__(self, data):
        self.data = data
        self.seen = 0

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        for byte in self.data:
            self.seen += 1
            yield byte


def test_a_comparison_looks_at_every_byte_whatever_they_hold():
    own = b"\x5a" * 16
    for wrong in (0, 1, 8, 16):
        guess = Watched(b"\0" * wrong + own[wrong:])
        equal(own, guess)
        assert guess.seen == 16


class Counted:
    """Bytes that count how many of them were looked at."""

    def __init__(self, data):
        self._data = data
        self.seen = 0

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        for byte in self._data:
            self.seen += 1
            yield byte


def test_a_comparison_looks_at_every_byte_wherever_the_first_difference_is():
    right = bytes(range(16))
    for at in list(range(16)) + [None]:
        wrong = bytearray(right)
        if at is not None:
            wrong[at] ^= 1
        one, other = Counted(right), Counted(bytes(wrong))
        assert equal(one, other) == (at is None)
        assert one.seen == other.seen == 16, at
