"""agent/commands/journal.py: what is known of each `once` request, and what may be forgotten."""

from support import STARTS, raises

from agent.commands.journal import (
    ANSWER,
    CUT,
    ENDED,
    INTENT,
    ROW_BYTES,
    RUNNING,
    SLACK_MS,
    Entry,
    Journal,
    Limits,
    Record,
    address_words,
    decode_record,
    encode_record,
    lifetime_ms,
    make_content,
    make_key,
    read_address_words,
)
from agent.commands.message import Address, Request
from agent.errors import Busy, IdReused

CONTENT = make_content("m", {})


def entry(number, forget_at=0, state=ENDED, size=10, place=(1, 0)):
    return Entry(make_key("", "id-%d" % number), CONTENT, forget_at, place, size, state)


def test_an_entry_is_found_changed_and_forgotten():
    journal = Journal(Limits(10, 1000))
    entries = [entry(n, n * 7, RUNNING, 10 + n, (n, 2**31 + n)) for n in range(10)]
    for one in entries:
        assert journal.find(one.key) is None
        journal.put(one)
    assert [journal.find(one.key) for one in entries] == entries
    assert sorted(journal.entries()) == sorted(entries) and len(journal) == 10
    journal.put(entry(3, 2**40, ENDED, 500))
    assert journal.find(entries[3].key) == entry(3, 2**40, ENDED, 500)
    assert journal.live_bytes == sum([one.size for one in entries]) - 13 + 500
    for one in entries[::2]:
        journal.forget(one.key)
        journal.forget(one.key)
    assert len(journal) == 5 and sorted(journal.entries())[0].key in [e.key for e in entries[1::2]]
    assert journal.live_bytes == 11 + 500 + 15 + 17 + 19


def test_a_row_takes_less_than_forty_bytes():
    assert ROW_BYTES < 40


def test_keys_differ_by_caller_and_id_and_contents_by_method_and_params():
    keys = {make_key(name, identity) for name in ("", "a", "b") for identity in ("", "a", "ab")}
    assert len(keys) == 9
    contents = [make_content("m", {"a": 1, "b": [2, {"c": None}]}), make_content("m", {"a": 2})]
    contents += [make_content("n", {"a": 2}), make_content("m", {}), CONTENT]
    assert len(set(contents)) == 4
    assert make_content("m", {"b": [2, {"c": None}], "a": 1}) == contents[0]


def test_the_same_id_with_other_content_is_refused():
    journal = Journal(Limits(10, 1000))
    one = entry(1)
    assert journal.judge(one.key, CONTENT) is None
    journal.put(one)
    assert journal.judge(one.key, CONTENT) == one
    raises(IdReused, journal.judge, one.key, make_content("m", {"x": 1}))


def test_only_what_is_over_is_forgotten_the_oldest_first_and_no_more_than_needed():
    for start in STARTS:
        journal = Journal(Limits(4, 1000))
        for number in range(4):
            journal.put(entry(number, start + (100 if number else 5000)))
        assert journal.make_room(10, start + 100) == [entry(1).key]
        journal.put(entry(4, start + 5000))
        assert journal.make_room(10, start + 100) == [entry(2).key]
        assert journal.make_room(10, start + 100) == []


def test_a_journal_full_of_young_entries_is_busy_and_forgets_nothing():
    journal = Journal(Limits(3, 1000))
    for number in range(3):
        journal.put(entry(number, 100))
    raises(Busy, journal.make_room, 10, 99)
    assert len(journal) == 3
    assert len(journal.make_room(10, 100)) == 1


def test_what_runs_is_never_forgotten():
    journal = Journal(Limits(2, 1000))
    journal.put(entry(1, 0, RUNNING))
    journal.put(entry(2, 0, CUT))
    assert journal.make_room(10, 100) == [entry(2).key]
    journal.put(entry(3, 0, RUNNING))
    raises(Busy, journal.make_room, 10, 10**9)


def test_bytes_are_bounded_as_well_as_entries():
    journal = Journal(Limits(100, 1000))
    for number in range(9):
        journal.put(entry(number, number, ENDED, 100))
    assert journal.make_room(100, 0) == []
    assert len(journal.make_room(300, 8)) == 2
    raises(Busy, journal.make_room, 1001, 100)
    raises(Busy, journal.make_room, 900, 5)
    assert len(journal) == 7


def test_rows_are_used_again_and_memory_stays_bounded():
    journal = Journal(Limits(5, 1000))
    for number in range(50):
        journal.make_room(10, number)
        journal.put(entry(number, number + 4))
    assert len(journal._rows) == 5 * ROW_BYTES
    kept = sorted([one.forget_at for one in journal.entries()])
    assert kept == [49, 50, 51, 52, 53]


def test_how_long_a_request_is_remembered():
    for start in STARTS:

        def life(ttl_ms, dead_ms, queue_ms, start=start):
            dead_at = None if dead_ms is None else start + dead_ms
            return lifetime_ms(
                Request(None, "m", {}, start + ttl_ms, dead_at, 0, None), start, queue_ms
            )

        # A ttl alone does not age in the broker's queue; a deadline or an expiry does.
        assert life(60000, None, 3600000) == 3660000 + SLACK_MS
        assert life(60000, 60000, 3600000) == 60000 + SLACK_MS
        # A copy from the queue may be taken until its expiry, even if it runs no longer than ttl.
        assert life(60000, 600000, 3600000) == 600000 + SLACK_MS
        assert life(60000, 10**12, 3600000) == 3660000 + SLACK_MS


def test_records_are_read_as_they_were_written():
    words = address_words(Address("id-1", "limpet/reply/x", b"\x00\xff", "ann"))
    gone = [make_key("", "old-%d" % n) for n in range(3)]
    for record in (
        Record(INTENT, make_key("k", "i"), CONTENT, 86400 + 604800, gone, words),
        Record(ANSWER, make_key("k", "i"), CONTENT, 0, [], {"result": {"text": "ü"}}),
    ):
        assert decode_record(encode_record(record)) == record
        brief = decode_record(encode_record(record), False)
        assert brief[:5] == record[:5] and brief.words is None
    for junk in (b"", b"x" * 20, b"x" * 26, b"\x01" * 400):
        raises(ValueError, decode_record, junk)


def test_an_address_survives_but_for_a_very_long_correlation():
    for address in (
        Address("id", "limpet/reply/x", None, ""),
        Address("id", None, b"", "ann"),
        Address("id", "t", bytes(range(128)), ""),
    ):
        assert read_address_words(address_words(address)) == address
    long = Address("id", "t", bytes(129), "")
    assert read_address_words(address_words(long)) == Address("id", "t", None, "")
