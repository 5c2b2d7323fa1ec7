"""agent/records.py: what was appended is there, in order, after a cut at any operation."""

from faulty.disk import Disk, PowerCut
from support import raises, temporary_folder

from agent.records import MAX_RECORD_BYTES, Records
from agent.store import StoreError

LUCKS = ("none", "all", "zeros", 0, 1, 5, 6, 7, 30)
SMALL = 100  # bytes of a segment: a few records


def make(disk, segment_bytes=SMALL):
    return Records("data", "log", disk, segment_bytes)


def recovered(disk, segment_bytes=SMALL):
    """Another run's Records, and what it finds."""
    records = make(disk, segment_bytes)
    found = []
    records.recover(lambda place, payload: found.append(payload))
    return records, found


def payload(number):
    return b"record-%d-" % number * (number % 4 + 1)


def append_until_cut(disk, batches):
    """Recover and append `batches`; returns what was there, and how many were acknowledged."""
    acknowledged = 0
    found = []
    try:
        records, found = recovered(disk)
        for batch in batches:
            records.append(batch)
            acknowledged += len(batch)
    except PowerCut:
        pass
    return found, acknowledged


def is_kept(found, sent, acknowledged, pending):
    """Whether `found` is what was acknowledged, and then some of those pending, in order."""
    rest = found[acknowledged:]
    allowed = sent[acknowledged : acknowledged + pending]
    return found[:acknowledged] == sent[:acknowledged] and is_some_of(rest, allowed)


def is_some_of(rest, allowed):
    at = 0
    for item in rest:
        while at < len(allowed) and allowed[at] != item:
            at += 1
        if at == len(allowed):
            return False
        at += 1
    return True


def test_records_come_back_in_order_from_real_files():
    with temporary_folder() as folder:
        records = Records(folder, "log", None, SMALL)
        records.recover(None)
        sent = [payload(n) for n in range(20)]
        places = []
        for number in range(0, 20, 4):
            places += records.append(sent[number : number + 4])
        found = []
        again = Records(folder, "log", None, SMALL)
        again.recover(lambda place, data: found.append((place, data)))
        assert [place for place, _ in found] == places
        assert [data for _, data in found] == sent
        assert len(again.segments) > 5 and again.size_bytes == records.written_bytes
        assert [again.read(place) for place in places] == sent
        assert (again.torn_bytes, again.damaged_bytes) == (0, 0)


def test_a_clean_tail_is_written_on_and_a_torn_one_is_left_alone():
    disk = Disk()
    make_and_append(disk, [b"one"])
    records, found = recovered(disk)
    records.append([b"two"])
    assert records.segments == [1] and found == [b"one"]
    disk._seen["data/log-00000001.log"] += b"\x09"
    records, found = recovered(disk)
    assert found == [b"one", b"two"] and records.torn_bytes == 1
    records.append([b"three"])
    assert records.segments == [1, 2] and recovered(disk)[1] == [b"one", b"two", b"three"]


def make_and_append(disk, payloads):
    records = recovered(disk)[0]
    return records, records.append(payloads)


def test_a_power_cut_at_every_operation_loses_nothing_acknowledged():
    batches = [[payload(n), payload(n + 1)] if n % 2 else [payload(n)] for n in range(9)]
    sent = [item for batch in batches for item in batch]
    for luck in LUCKS:
        whole = Disk(None, luck)
        append_until_cut(whole, batches)
        assert whole.operations > 2 * len(batches)
        for cut_at in range(whole.operations + 1):
            disk = Disk(cut_at, luck)
            acknowledged = append_until_cut(disk, batches)[1]
            disk.cut()
            found = recovered(disk)[1]
            assert is_kept(found, sent, acknowledged, 2), (luck, cut_at, acknowledged, found)


def test_a_second_cut_during_the_recovery_or_after_it_loses_nothing_either():
    first = [[payload(n)] for n in range(5)]
    second = [[payload(n)] for n in range(5, 9)]
    for luck in LUCKS:
        for cut_at in range(14):
            for again_at in range(10):
                disk = Disk(cut_at, luck)
                append_until_cut(disk, first)
                disk.cut()
                base = recovered(disk)[1]
                disk.cut()
                disk.cut_at = disk.operations + again_at
                seen, acknowledged = append_until_cut(disk, second)
                disk.cut()
                found = recovered(disk)[1]
                assert seen in ([], base), (luck, cut_at, again_at)
                sent = base + [item for batch in second for item in batch]
                assert is_kept(found, sent, len(base) + acknowledged, 1), (luck, cut_at, again_at)


def test_what_a_killed_run_left_unsynced_is_on_the_medium_once_it_was_recovered():
    for cut_at in range(8):
        disk = Disk(cut_at)
        append_until_cut(disk, [[b"first"], [b"second"]])
        disk.cut_at = None
        seen = recovered(disk)[1]
        disk.cut()
        assert recovered(disk)[1] == seen, cut_at


def test_a_removed_segment_stays_away_and_takes_no_other_with_it():
    batches = [[payload(n)] for n in range(12)]
    for luck in LUCKS:
        for after in range(6):
            disk = Disk(None, luck)
            append_until_cut(disk, batches)
            records, found = recovered(disk)
            count = len(records.segments)
            disk.cut_at = disk.operations + after
            dropped = 0
            try:
                while len(records.segments) > 2:
                    records.drop_oldest()
                    dropped += 1
            except PowerCut:
                pass
            disk.cut()
            again, rest = recovered(disk)
            assert rest == found[len(found) - len(rest) :], (luck, after)
            assert len(again.segments) in (count - dropped, count - dropped - 1)


def test_a_flipped_bit_costs_its_own_record_and_is_counted():
    disk = Disk()
    sent = [b"one", b"two", b"three"]
    places = make_and_append(disk, sent)[1]
    path = "data/log-00000001.log"
    whole = disk._seen[path]
    for index in range(3):
        torn = bytearray(whole)
        torn[places[index][1] + 7] ^= 16
        disk._seen[path] = bytes(torn)
        records, found = recovered(disk)
        assert found == [item for item in sent if item != sent[index]]
        skipped = records.torn_bytes if index == 2 else records.damaged_bytes
        assert skipped == 6 + len(sent[index])
        assert records.read(places[index]) is None
    for position in range(len(whole) * 8):
        torn = bytearray(whole)
        torn[position // 8] ^= 1 << position % 8
        disk._seen[path] = bytes(torn)
        assert is_some_of(recovered(disk)[1], sent), position


def test_a_record_of_another_place_or_segment_is_none():
    disk = Disk()
    make_and_append(disk, [b"one", b"one"])
    path = "data/log-00000001.log"
    one = disk._seen[path][:9]
    disk._seen[path] += one
    assert recovered(disk)[1] == [b"one", b"one"]
    disk._seen["data/log-00000002.log"] = one
    assert recovered(disk)[1] == [b"one", b"one"]


def test_a_full_disk_is_an_error_leaves_few_files_and_loses_nothing():
    disk = Disk()
    records = make_and_append(disk, [b"kept"])[0]
    disk.full = True
    for _ in range(5):
        error = raises(StoreError, records.append, [b"lost" * 20])
        assert "cannot be written" in error.message
    assert len(disk.names("data")) <= 2
    disk.full = False
    records.append([b"next"])
    assert recovered(disk)[1] == [b"kept", b"next"]


def test_a_disk_that_cannot_be_written_is_an_error():
    disk = Disk()
    make_and_append(disk, [b"kept"])
    disk.read_only = True
    records = make(disk)
    found = []
    raises(StoreError, records.recover, lambda place, data: found.append(data))
    assert found == [b"kept"]
    raises(StoreError, records.append, [b"lost"])
    with temporary_folder() as folder:
        raises(StoreError, Records(folder + "/absent", "log").recover, None)


def test_a_batch_costs_one_sync_and_a_new_segment_two():
    disk = Disk()
    records = recovered(disk)[0]
    assert disk.syncs == 0
    records.append([b"a"])
    assert disk.syncs == records.syncs == 2
    records.append([b"b", b"c", b"d"])
    assert disk.syncs == records.syncs == 3


def test_records_too_large_or_empty_are_refused():
    disk = Disk()
    records = recovered(disk)[0]
    raises(StoreError, records.append, [b""])
    raises(StoreError, records.append, [bytes(MAX_RECORD_BYTES + 1)])
    records.append([bytes(MAX_RECORD_BYTES)])
    records.append([b"next"])
    assert recovered(disk)[1] == [bytes(MAX_RECORD_BYTES), b"next"]


def test_other_files_in_the_folder_are_left_alone():
    disk = Disk()
    for name in ("boot.0", "log-.log", "log-1x.log", "logs-00000001.log", "log-00000001.lo"):
        disk.write("data/" + name, b"other")
    make_and_append(disk, [b"mine"])
    assert recovered(disk)[1] == [b"mine"]


def test_a_file_whose_number_is_not_ours_is_left_alone():
    disk = Disk()
    make(disk).append([b"one"])
    for name in ("4294967297", "0000000000000001", "1", "2147483648"):
        disk.write("data/log-%s.log" % name, b"x" * 40)
    disk.sync_folder("data")
    records, found = recovered(disk)
    assert found == [b"one"] and records.segments == [1]
    records.append([b"two"])
    assert recovered(disk)[1] == [b"one", b"two"]
