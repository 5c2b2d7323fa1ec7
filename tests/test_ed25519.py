"""agent/ed25519.py and sha512.py: RFC 8032's and Wycheproof's vectors, and one form only."""

import hashlib
from binascii import hexlify, unhexlify

from support import skip

from agent.ed25519 import run, verify
from agent.sha512 import digest, digest_in_python

L = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19


def is_valid(public, message, signature):
    return run(verify(unhexlify(public), unhexlify(message), unhexlify(signature)))


# RFC 8032, section 7.1: tests 1 to 3 and "SHA(abc)".
RFC = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b4"
        "6bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d"
        "8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6"
        "594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feeb"
        "bd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0"
        "303dca179c138ac17ad9bef1177331a704",
    ),
)

# Wycheproof, ed25519_test.json: the key of its first groups, and (message, signature) by test.
KEY = "7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa"
VALID = (
    (
        "",
        "d4fbdb52bfa726b44d1786a8c0d171c3e62ca83c9e5bbe63de0bb2483f8fd6cc1429ab72cafc41ab56af02ff8fcc43"
        "b99bfe4c7ae940f60f38ebaa9d311c4007",
    ),
    (
        "54657374",
        "7c38e026f29e14aabd059a0f2db8b0cd783040609a8be684db12f82a27774ab07a9155711ecfaf7f99f277bad0c6ae"
        "7e39d4eef676573336a5c51eb6f946b30d",
    ),
    (
        "313233343030",
        "657c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281c2bf0cf5b3a289976458a1be6277a5055"
        "545253b45b07dcc1abd96c8b989c00f301",
    ),
    (
        "ffffffffffffffffffffffffffffffff",
        "5dbd7360e55aa38e855d6ad48c34bd35b7871628508906861a7c4776765ed7d1e13d910faabd689ec8618b78295c8a"
        "b8f0e19c8b4b43eb8685778499e943ae04",
    ),
)
# Tests 55 to 62: an encoding of R that only a lenient comparison takes, S made to fit it.
LENIENT = (
    "657c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c289c2b"
    "e5241a345c7b5428054c74b7c382fa10d4a5f1e8f8b79a71d3fdea2254f1ff0e",
    "657c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281c2a"
    "63950c85cd6dc96364e768de50ff7732b538f8a0b1615d799190ab600849230e",
    "657c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281c0b"
    "543bd3da0a56a8c9c152f59c9fec12f31fa66434d48b817b30d90cb4efa8b501",
    "657c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281c6b"
    "8da07efd07a6dafb015ed6a32fe136319a972ffbc341f3a0beae97ccf8136505",
    "657c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281cab"
    "227aedf259f910f0f3a759a335062665217925d019173b88917eae294f75d40f",
    "0000000000000000000000000000000000000000000000000000000000000000"
    "e0b8e7770d51c7a36375d006c5bffd6af43ff54aaf47e4330dc118c71d61ec02",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "463a1908382e7eb7693acef9884f7cf931a215e0791876be22c631a59881fd0e",
    "9a83eb6dbfd54a31fc1d3c580fc7b2fae4630ca8f0edf803873e433673d7e3d4"
    "0e94254586cb6188c5386c3febed477cb9a6cb29e3979adc4cb27cf5278fb70a",
)


def little(number):
    return number.to_bytes(32, "little")


def test_the_vectors_of_rfc_8032():
    for public, message, signature in RFC:
        assert is_valid(public, message, signature), public
        assert not is_valid(public, message + "00", signature)


def test_wycheproofs_valid_signatures():
    for message, signature in VALID:
        assert is_valid(KEY, message, signature), message


def test_wycheproofs_special_values_of_r_and_s_are_refused():
    for r in (0, 1, L, P):
        for s in (0, 1, L - 1, L, P):
            assert not run(verify(unhexlify(KEY), b"?", little(r) + little(s))), (r, s)


def test_wycheproofs_wrong_encodings_of_r_are_refused():
    for signature in LENIENT:
        assert not is_valid(KEY, "313233343030", signature), signature


def test_s_has_one_form():
    message, signature = [unhexlify(text) for text in VALID[1]]
    s = int.from_bytes(signature[32:], "little")
    for more in (L, 2 * L, 4 * L, 8 * L, 2**253, 2**254, 2**255, P):  # Wycheproof's 63 to 70
        wrong = signature[:32] + little(s + more)
        assert not run(verify(unhexlify(KEY), message, wrong)), more


def test_every_length_but_the_right_one_is_refused():
    message, signature = [unhexlify(text) for text in VALID[1]]
    public = unhexlify(KEY)
    for size in range(64):
        assert not run(verify(public, message, signature[:size]))
    assert not run(verify(public, message, signature + b"\0"))
    assert not run(verify(public[:31], message, signature))
    assert not run(verify(public + b"\0", message, signature))


def test_a_changed_bit_anywhere_is_refused():
    message, signature = [unhexlify(text) for text in VALID[1]]
    public = unhexlify(KEY)
    for index in range(0, 512, 37):  # all of them take minutes where this interpreter is emulated
        wrong = bytearray(signature)
        wrong[index // 8] ^= 1 << (index % 8)
        assert not run(verify(public, message, bytes(wrong))), index
        assert not run(verify(bytes(wrong[:32]), message, signature)), index


# y of the points whose order divides 8 (the curve's torsion; order 8 has two of them and their
# negatives), and the two encodings of y at or over the field's prime that decode to such points.
SMALL = (
    0,
    1,
    P - 1,
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
    P,
    P + 1,
)


def test_keys_of_small_order_are_refused():
    # With such a key R = the neutral point and S = 0 would fit one message in eight or more.
    for y in SMALL:
        for sign in (0, 1):
            public = little(y | sign << 255)
            for number in range(9):
                message = bytes([number])
                assert not run(verify(public, message, little(1) + little(0))), (y, sign)


def test_it_takes_its_time_in_small_steps():
    public, message, signature = [unhexlify(text) for text in RFC[1]]
    assert len(list(verify(public, message, signature))) > 250


def test_sha512_has_the_digests_of_fips_180():
    # FIPS 180-4's examples, published by NIST beside it.
    for data, start in (
        (b"abc", "ddaf35a193617abacc417349ae204131"),
        (b"", "cf83e1357eefb8bdf1542850d66d8007"),
        (b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
         b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "8e959b75dae313da8cf4f72814fc143f"),
    ):  # fmt: skip
        for way in (digest, digest_in_python):
            found = run(way(data))
            assert len(found) == 64 and hexlify(found[:16]).decode() == start


def test_sha512_in_python_equals_the_native_one():
    if not hasattr(hashlib, "sha512"):
        skip("this interpreter has no sha512 to compare with")
    for size in range(300):
        data = bytes([(size * 7 + index) & 255 for index in range(size)])
        assert run(digest_in_python(data)) == hashlib.sha512(data).digest()
