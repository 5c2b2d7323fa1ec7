"""A release fetched over what lies, cuts off, or refuses: never another content, never more."""

import limpet_start as starting
from faulty.medium import Medium
from interpreter import inflate
from support import raises
from update_corpus import WORDS, vector
from update_life import (
    NEW,
    OLD,
    ROOT,
    Life,
    Memory,
    digest_of,
    install,
    make_stream,
    run,
    stored,
)

from agent.bad_message import BadMessage
from agent.update import patch, release, tree
from agent.update.fetch import MAX_LIES, BadDepot, Fetch, Pieces
from agent.update.slots_files import Slots


def device():
    """Slots with the old release in use, and a depot."""
    medium = Medium()
    install(OLD, medium, 1)
    slot, state = starting.prepare(medium, ROOT)
    return Slots(medium, ROOT, state, slot), Memory()


def fetching(slots, memory, files, deltas=None, sequence=2):
    """A Fetch of these files."""
    description, signed = memory.build(sequence, files, 0, deltas)
    slots.begin(digest_of(signed), sequence)
    return Fetch(slots, memory, description, signed)


def content(slots, path):
    """A file of the target slot."""
    with slots.files.open(slots.target + "/" + path, "rb") as file:
        return file.read(1000000)


def test_a_blob_of_any_size_comes_through_byte_by_byte_or_at_once():
    unit, fan = tree.UNIT, tree.FAN
    pattern = bytes(range(251)) * 60
    try:
        for tree.UNIT, tree.FAN, sizes in (
            (unit, fan, (1, 2047, 2048, 2049, 15000)),
            (32, 2, range(1, 700, 31)),  # up to five lists above a piece
        ):
            for size in sizes:
                comes_through(pattern[:size])
    finally:
        tree.UNIT, tree.FAN = unit, fan


def comes_through(blob):
    """Take a blob's stream in steps of several sizes."""
    root, stream = make_stream(blob)
    assert len(stream) == tree.stream_bytes(len(blob))
    for step in (len(stream), 777, 1):
        found = bytearray()
        verifier = tree.Verifier(len(blob), root)
        for at in range(0, len(stream), step):
            for unit, is_piece in verifier.feed(stream[at : at + step]):
                if is_piece:
                    found += unit
        assert verifier.done and found == blob and verifier.offset == len(stream)


def test_every_piece_that_is_not_the_promised_one_is_refused():
    blob = bytes(range(256)) * 40
    root, stream = make_stream(blob)
    for at in range(0, len(stream), 61):
        wrong = bytearray(stream)
        wrong[at] ^= 4
        verifier = tree.Verifier(len(blob), root)
        raises(tree.Lie, list, verifier.feed(wrong))
        assert verifier.offset <= at  # nothing of it was given out
    raises(tree.Lie, list, tree.Verifier(len(blob), root).feed(stream + b"x"))


def test_what_is_here_by_its_hash_is_copied_and_what_is_in_place_is_kept():
    slots, memory = device()
    moved = {"main.py": b"new", "deep/er/b.py": OLD["lib/b.py"], "lib/a.py": OLD["lib/a.py"]}
    fetch = fetching(slots, memory, moved)
    run(fetch.run())
    assert fetch.copied == 2 and content(slots, "deep/er/b.py") == b"same"
    again = fetching(slots, memory, moved)
    run(again.run())
    assert again.kept == 3 and again.fetched_bytes == 0


def test_an_interruption_anywhere_costs_at_most_the_piece_it_hit():
    slots, memory = device()
    big = {"big": b"".join([b"%04x" % n for n in range(10000)])}
    whole = fetching(slots, memory, big)
    run(whole.run())
    slots.wipe(slots.target)
    total = 0
    for _ in range(200):
        fetch = fetching(slots, memory, big)
        steps = fetch.run()
        memory._step = 700
        before = memory.given_bytes
        try:
            while memory.given_bytes - before < 3500:
                next(steps)
        except StopIteration:
            total += fetch.fetched_bytes
            break
        total += fetch.fetched_bytes
        steps.close()
    assert content(slots, "big") == big["big"]
    assert total == whole.fetched_bytes  # what was verified is never verified again


def test_a_depot_that_lies_about_each_piece_is_given_up_and_nothing_of_it_stays():
    slots, memory = device()
    fetch = fetching(slots, memory, NEW)
    memory.lie = lambda data: bytes([byte ^ 1 for byte in data])
    raises(BadDepot, run, fetch.run())
    assert fetch.lies == MAX_LIES + 1 and fetch.fetched_bytes == 0
    assert starting.prepare(slots.files, ROOT)[0] == "a"


def test_a_depot_that_lies_now_and_then_is_asked_again():
    slots, memory = device()
    fetch = fetching(slots, memory, NEW)
    told = [0]

    def lie(data):
        told[0] += 1
        return data if told[0] % 3 else b"\0" * len(data)

    memory.lie = lie
    run(fetch.run())
    assert fetch.lies and content(slots, "lib/a.py") == NEW["lib/a.py"]


def test_endless_data_is_a_lie():
    slots, memory = device()
    fetch = fetching(slots, memory, NEW)
    memory.lie = lambda data: data + b"more" * 1000
    raises(BadDepot, run, fetch.run())


def test_files_of_one_release_under_the_listing_of_another_do_not_fit():
    slots, memory = device()
    description, signed = memory.build(2, NEW)
    _, other = memory.build(3, {"main.py": b"evil", "lib/a.py": b"c" * 2900})
    for name in memory.blobs:
        if memory.blobs[name] == b"b" * 2900 or b"new main" in memory.blobs[name]:
            memory.blobs[name] = b"evil" + memory.blobs[name][4:]
    slots.begin(digest_of(signed), 2)
    raises(BadDepot, run, Fetch(slots, memory, description, signed).run())
    assert other != signed


def with_delta(old, new, delta):
    """Slots whose lib/a.py is `old`, and a Fetch of `new` by a delta."""
    medium = Medium()
    install({"lib/a.py": old}, medium, 1)
    slot, state = starting.prepare(medium, ROOT)
    slots, memory = Slots(medium, ROOT, state, slot), Memory()
    row = memory.add(delta) + (digest_of(WORDS["old"].encode())[:32],)
    return slots, fetching(slots, memory, {"lib/a.py": new}, {"a.py": (row,)})


def test_a_delta_makes_the_new_file_of_the_old_one():
    slots, fetch = with_delta(vector("old"), vector("new"), bytes.fromhex(WORDS["delta"]))
    run(fetch.run())
    assert fetch.patched == 1 and content(slots, "lib/a.py") == vector("new")
    assert fetch.fetched_bytes < 700


def test_a_patch_flipped_truncated_or_padded_anywhere_makes_the_right_file_or_none():
    good = bytes.fromhex(WORDS["delta"])
    wrong = [good[:at] for at in range(0, len(good), 7)] + [good + b"\0", good + good]
    for at in range(0, len(good), 3):
        wrong.append(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
    for delta in wrong:
        slots, fetch = with_delta(vector("old"), vector("new"), delta or b"\0")
        run(fetch.run())  # by the patch where it still fits, by the whole file else
        assert content(slots, "lib/a.py") == vector("new")


def test_a_delta_of_another_precursor_is_not_asked_for():
    slots, fetch = with_delta(b"something else", vector("new"), bytes.fromhex(WORDS["delta"]))
    run(fetch.run())
    assert fetch.patched == 0 and content(slots, "lib/a.py") == vector("new")


def test_a_delta_that_makes_something_else_gives_way_to_the_whole_file():
    for wrong in (stored(b"\x05\x00\x00hello"), stored(b"\xff" * 50), b"\x07"):
        slots, fetch = with_delta(vector("old"), vector("new"), wrong)
        run(fetch.run())
        assert fetch.patched == 0 and content(slots, "lib/a.py") == vector("new")


def patched(data, old=b"0123456789", size=5):
    """What a patch makes."""
    medium = Medium()
    with medium.open("r/old", "wb") as file:
        file.write(old)
    place = [0]

    def read(count):
        found = data[place[0] : place[0] + count]
        place[0] += len(found)
        return found

    with medium.open("r/old", "rb") as file:
        return b"".join([bytes(one) for one in patch.apply(read, file, len(old), size)])


def test_a_patch_reads_nothing_outside_the_old_file_and_writes_nothing_beyond_the_size():
    assert patched(b"\x03\x02\x00\0\0\0ab") == b"012ab"
    assert patched(b"\x01\x00\x06\0\x01\x03\x00\0abc") == b"04abc"
    for wrong in (
        b"\x0b\x00\x00" + b"\0" * 11,
        b"\x00\x06\x00abcdef",
        b"\x02\x00\x01\0\0\x01\x00\x00\0",
        b"\x00\x01\x80\x80\x80\x80\x80\x01a",
        b"\x00\x05\x00ab",
        b"\x02\x00\x7f\0\0\x01\x00\x00\0",
        b"",
    ):
        raises(BadMessage, patched, wrong)


class Source:
    """Bytes to inflate."""

    def __init__(self, data):
        self._data = data

    def readinto(self, buffer):
        """As of a file."""
        found = self._data[: len(buffer)]
        self._data = self._data[len(found) :]
        buffer[: len(found)] = found
        return len(found)


def test_packed_files_are_read_alike_on_every_interpreter():
    reader = inflate(Source(bytes.fromhex(WORDS["packed"])))
    found = b""
    data = reader.read(100)
    while data:
        found += data
        data = reader.read(100)
    assert found == vector("new")


def test_a_bomb_is_noticed_at_the_size_that_was_signed_for():
    slots, memory = device()
    blob = bytes.fromhex(WORDS["zeros"])
    size, name = memory.add(blob)
    listing = release.encode_listing(
        [release.File("a", 100, digest_of(bytes(100)), "644", ("z", size, name), ())]
    )
    folder = release.Folder(*(memory.add(stored(listing)) + (".",)))
    description = release.Description("agent", "stable", "1", 2, 0, 2**31 - 1, 1, (), (folder,))
    slots.begin("00", 2)
    raises(release.BadRelease, run, Fetch(slots, memory, description, b"x").run())
    assert len(content(slots, "a")) <= 100 + 512


def test_a_stream_that_ends_early_or_is_none_makes_no_file():
    for blob in (bytes.fromhex(WORDS["packed"])[:-20], b"\x07\x00", b"no stream"):
        slots, memory = device()
        size, name = memory.add(blob)
        row = release.File("a", 100, digest_of(bytes(100)), "644", ("z", size, name), ())
        folder = release.Folder(*(memory.add(stored(release.encode_listing([row]))) + (".",)))
        description = release.Description("a", "stable", "1", 2, 0, 2**31 - 1, 1, (), (folder,))
        slots.begin("00", 2)
        raises(release.BadRelease, run, Fetch(slots, memory, description, b"x").run())


def test_left_overs_in_the_target_are_gone_compiled_ones_too():
    slots, memory = device()
    fetch = fetching(slots, memory, NEW)
    for path in ("/lib", "/lib/__pycache__", "/old", "/old/er"):
        slots.make_folder(slots.target + path)
    for path in ("/main.mpy", "/lib/__pycache__/a.pyc", "/lib/a.mpy", "/old/er/x", "/.limpet/x"):
        with slots.files.open(slots.target + path, "wb") as file:
            file.write(b"left over")
    digest = run(fetch.run())
    assert starting.is_whole(slots.files, slots.target, digest)
    names = set(starting.strangers(slots.files, slots.target, ""))
    assert names == set(NEW)
    assert [row for row in slots.files.entries(slots.target + "/lib") if row[1] == "d"] == []


def test_pieces_are_verified_again_when_they_are_read():
    medium = Medium()
    blob = bytes(5000)
    root, stream = make_stream(blob)
    with medium.open("r/part", "wb") as file:
        file.write(stream[:3000] + b"\1" + stream[3001:])
    with medium.open("r/part", "rb") as file:
        pieces = Pieces(file, 5000, "".join(["%02x" % byte for byte in root]))
        assert raises(tree.Lie, read_all, pieces)


def read_all(pieces):
    """Read to the end."""
    while pieces.read(512):
        pass


def test_a_cut_during_the_recovery_from_a_cut_leaves_a_device_that_starts_and_updates():
    most = 40  # operations of the medium, of which an update has more
    for first in range(3, most, 6):
        for second in range(0, 12, 2):  # from the start on that follows the first
            for luck in ("none", "torn"):
                life = Life((first, second), luck)
                life.live(life.update_to(2, life.offer(2, NEW)))
                assert life.boots >= 3
