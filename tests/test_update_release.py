"""What is signed: read in one form, with bounds, and believed only with the right keys."""

from support import raises
from update_corpus import vector
from update_life import Memory, digest_of, run

from agent.ed25519 import run as verify_now
from agent.update import release
from agent.update.release import BadRelease

BODY = release.split_signed(vector("release")).body


def ring(name):
    """A Keyring of the corpus."""
    return release.parse_keyring(release.split_signed(vector(name)).body)


def believe(data, keyring):
    """The Description in signed bytes. Raises BadRelease."""
    signed = release.split_signed(data)
    description = release.parse_description(signed.body)
    verify_now(release.verify_signed(release.RELEASE, signed, keyring.release))
    return description


def test_a_release_signed_by_the_release_key_is_believed():
    assert believe(vector("release"), ring("ring1")).sequence == 7


def test_a_release_by_a_wrong_key_is_refused():
    assert (
        "0 of the 1"
        in raises(BadRelease, believe, vector("release_by_next"), ring("ring1")).message
    )


def test_a_root_key_signs_no_release():
    raises(BadRelease, believe, vector("release_by_root"), ring("ring1"))


def test_a_revoked_key_signs_nothing_any_more():
    raises(BadRelease, believe, vector("release"), ring("ring2"))
    assert believe(vector("release_by_next"), ring("ring2")).sequence == 7


def test_one_signature_twice_counts_once():
    both = vector("release_by_both")
    assert believe(both, ring("ring3")).sequence == 7
    lines = [line for line in both.split(b"\n") if line[:5] == b"sign "]
    twice = release.split_signed(both).body + lines[0] + b"\n" + lines[0] + b"\n"
    assert "1 of the 2" in raises(BadRelease, believe, twice, ring("ring3")).message


def test_an_unsigned_release_is_refused():
    raises(BadRelease, believe, BODY, ring("ring1"))


def test_a_wrong_signature_ends_it_whatever_else_is_there():
    data = bytearray(vector("release_by_both"))
    at = data.find(b"sign ") + 40
    data[at] = data[at] ^ 1 if data[at] in b"02468ace" else data[at] ^ 2
    raises(BadRelease, believe, bytes(data), ring("ring3"))


def test_every_flipped_bit_of_a_release_is_refused():
    data = vector("release")
    keyring = ring("ring1")
    real = 0
    for position in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            signed = release.split_signed(bytes(flipped))
            release.parse_description(signed.body)
        except BadRelease:
            continue
        # What is still readable costs a signature's check: one in 64 is really made.
        real += 1
        assert signed.body != BODY or signed.signatures != release.split_signed(data).signatures
        if real % 64 == 1:
            raises(BadRelease, believe, bytes(flipped), keyring)
    assert real > 500


def test_a_release_truncated_at_every_byte_is_refused():
    data = vector("release")
    for size in range(len(data) - 1):
        raises(BadRelease, believe_form, data[:size])


def believe_form(data):
    """Read without believing; a signature must be of full size."""
    signed = release.split_signed(data)
    release.parse_description(signed.body)
    if any([len(one.code) != 64 for one in signed.signatures]) or data[-1:] != b"\n":
        raise BadRelease("short")


def test_a_padded_release_is_refused():
    for pad in (b"\n", b" ", b"\0", b"sign", b"sign ed25519\n", b"x" * 4000):
        raises(BadRelease, believe, vector("release") + pad, ring("ring1"))


def test_a_keyring_follows_when_both_say_so():
    assert verify_now(release.verify_next(ring("ring1"), vector("ring2"))).number == 2
    assert verify_now(release.verify_next(ring("ring2"), vector("ring3"))).number == 3


def test_a_keyring_without_enough_old_roots_is_refused():
    for name in ("ring2_one_root", "ring2_new_only"):
        raises(BadRelease, verify_now, release.verify_next(ring("ring1"), vector(name)))


def test_keyrings_follow_one_by_one_and_never_go_back():
    raises(BadRelease, verify_now, release.verify_next(ring("ring1"), vector("ring3")))
    raises(BadRelease, verify_now, release.verify_next(ring("ring2"), vector("ring1")))


def test_a_keyring_is_no_release_and_a_release_no_keyring():
    raises(BadRelease, believe, vector("ring1"), ring("ring1"))
    raises(BadRelease, verify_now, release.verify_next(ring("ring1"), vector("release")))
    assert release.signed_text(release.RELEASE, BODY) != release.signed_text(release.KEYRING, BODY)


def test_what_is_signed_is_one_block_of_sha_512():
    assert 64 + len(release.signed_text(release.RELEASE, BODY)) + 1 + 16 == 128


def with_line(old, new):
    """The description with a line changed."""
    assert old in BODY
    return BODY.replace(old, new)


def test_numbers_have_one_form_and_a_bound():
    for wrong in (
        b"07",
        b"+7",
        b"-7",
        b"7 ",
        b"",
        b"7.0",
        b"0x7",
        b"2147483648",
        b"9" * 20000,
        b"1e3",
    ):
        raises(
            BadRelease, release.parse_description, with_line(b"sequence 7", b"sequence " + wrong)
        )


def test_lines_out_of_order_twice_or_unknown_are_refused():
    for wrong in (
        with_line(b"sequence 7\nfloor 0\n", b"floor 0\nsequence 7\n"),
        with_line(b"sequence 7\n", b"sequence 7\nsequence 7\n"),
        with_line(b"sequence 7\n", b"sequence 7\nmore 1\n"),
        with_line(b"keyring 1\n", b"keyring 1\nneeds magic 1\n"),
        with_line(b"keyring 1\n", b"keyring 1\nneeds start 1\nneeds agent 1\n"),
        with_line(b"floor 0", b"floor 8"),
        BODY.replace(b"\n", b"\r\n"),
        BODY + b"\n",
        BODY[:-1],
        BODY + BODY.split(b"\n")[-2] + b"\n",
        BODY.split(b"folder")[0],
        b"",
    ):
        raises(BadRelease, release.parse_description, wrong)


UNSAFE = (
    "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "", ".", "..", ".limpet/manifest", "a/.b",
    "a\\b", "a\0b", "a b", "a\nb", "x" * 300, "a/" * 9 + "b", "caf\xe9", "a.", "a./b", "~x", "-x",
    "C:x", "a:b", "con|x", "state*", "\u0430gent",
)  # fmt: skip


def test_unsafe_paths_are_refused():
    for path in UNSAFE:
        raises(BadRelease, release.check_path, path)
    for path in ("agent", "agent/mqtt/link.py", "__main__.py", "a/b-c_d.1.mpy", "A"):
        assert release.check_path(path) == path


def listing_of(*lines):
    """The Files of a listing with these lines."""
    text = ("\n".join((release.LISTING_HEAD,) + lines) + "\n").encode()
    held = [line + b"\n" for line in text.split(b"\n")[:-1]]
    return list(release.parse_listing(lambda: held.pop(0) if held else b""))


HASH, TREE = "ab" * 32, "cd" * 16


def entry(name, mode="644", size=5):
    """The lines of one file."""
    return ("%s %s %s %s" % (mode, size, HASH, name), "r %s %s" % (size, TREE))


def test_a_listing_reads_what_was_written():
    files = [
        release.File("a.py", 5, HASH, "644", ("z", 4, TREE), ((3, TREE, "ef" * 16),)),
        release.File("b", 0, HASH, "755", None, ()),
    ]
    text = release.encode_listing(files)
    held = [line + b"\n" for line in text.split(b"\n")[:-1]]
    assert list(release.parse_listing(lambda: held.pop(0) if held else b"")) == files


def test_listings_with_twins_links_devices_or_paths_are_refused():
    for lines in (
        entry("a") + entry("a"),
        entry("b") + entry("a"),
        entry("A.py") + entry("a.py"),
        entry("a.mpy") + entry("a.py"),
        entry("a/b"),
        entry("../a"),
        entry(".a"),
        entry("a", "777"),
        entry("a", "120000"),
        entry("a", "020666"),
        entry("a", size=-1),
        entry("a", size="99999999999"),
        entry("a")[:1],
        ("644 5 %s a" % HASH, "r 6 %s" % TREE),
        ("644 5 %s a" % HASH[:-1], "r 5 %s" % TREE),
        ("644 5 %s a" % HASH, "q 5 %s" % TREE),
        ("644 5 %s a" % HASH, "z 0 %s" % TREE),
        entry("a") + ("d 0 %s %s" % (TREE, TREE),),
        entry("a") + ("d 1 %s %s" % (TREE, TREE),) * 9,
        ("x" * 400,),
        ("",),
    ):
        raises(BadRelease, listing_of, *lines)


def test_a_listing_without_end_is_refused_and_not_held():
    lines = [0]

    def read_line():
        lines[0] += 1
        name = "f%06d" % (lines[0] // 2)
        if lines[0] == 1:
            return release.LISTING_HEAD.encode() + b"\n"
        return (entry(name)[lines[0] % 2] + "\n").encode()

    raises(BadRelease, list, release.parse_listing(read_line))
    assert lines[0] < 2 * release.MAX_FILES + 10


def test_more_than_the_bound_of_anything_is_refused():
    raises(BadRelease, release.split_signed, b"x" * (release.MAX_SIGNED_BYTES + 1))
    sign = vector("release").split(b"\n")[-2] + b"\n"
    raises(BadRelease, release.split_signed, BODY + sign * 20)
    folder = BODY.split(b"\n")[-2]
    many = BODY + b"".join([folder.replace(b" .", b" a%03d" % n) + b"\n" for n in range(40)])
    raises(BadRelease, release.parse_description, many)


def test_a_release_may_be_built_and_read_again():
    description, data = Memory().build(9, {"lib/a.py": b"x" * 5000, "main.py": b"", "z": b"1"})
    found = release.parse_description(release.split_signed(data).body)
    assert found == description and run(iter(())) is None and len(digest_of(b"")) == 64
