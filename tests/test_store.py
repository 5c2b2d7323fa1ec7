"""agent/store.py: a value that was acknowledged is there after a power cut at any operation."""

import os

from faulty.disk import Disk, PowerCut
from support import raises, skip, temporary_folder

from agent.store import (
    MAX_VALUE_BYTES,
    InUse,
    Store,
    StoreError,
    lock_folder,
    make_folder,
)

LUCKS = ("none", "all", 0, 1, 15, 16, 20)


def test_a_value_is_read_back_by_another_store():
    with temporary_folder() as folder:
        Store(folder).write("boot", b"one")
        assert Store(folder).read("boot") == b"one"
        store = Store(folder)
        for value in (b"two", b"", b"three" * 100):
            store.write("boot", value)
            assert store.read("boot") == value
        assert Store(folder).read("boot") == b"three" * 100


def test_an_absent_value_is_none():
    with temporary_folder() as folder:
        assert Store(folder).read("boot") is None
    assert Store(folder).read("boot") is None


def write_until_cut(disk, values):
    """Write the values; returns the index of the last one acknowledged, -1 for none."""
    acknowledged = -1
    store = Store("data", disk)
    try:
        for index, value in enumerate(values):
            store.write("v", value)
            acknowledged = index
    except PowerCut:
        pass
    return acknowledged


def test_a_power_cut_at_every_operation_loses_nothing_acknowledged():
    values = [b"value-%d" % n * (n + 1) for n in range(5)]
    for luck in LUCKS:
        whole = Disk(None, luck)
        write_until_cut(whole, values)
        assert whole.operations > 2 * len(values)
        for cut_at in range(whole.operations + 1):
            disk = Disk(cut_at, luck)
            last = write_until_cut(disk, values)
            disk.cut()
            found = Store("data", disk).read("v")
            allowed = [values[last] if last >= 0 else None]
            if last + 1 < len(values):
                allowed.append(values[last + 1])
            assert found in allowed, (luck, cut_at, last, found)


def test_a_second_power_cut_during_the_recovery_loses_nothing_either():
    values = [b"first", b"second", b"third"]
    for luck in LUCKS:
        for first in range(12):
            for second in range(8):
                disk = Disk(first, luck)
                last = write_until_cut(disk, values)
                disk.cut()
                base = Store("data", disk).read("v")
                disk.cut_at = disk.operations + second
                again = write_until_cut(disk, [b"fourth", b"fifth"])
                disk.cut()
                found = Store("data", disk).read("v")
                allowed = ([base, b"fourth"], [b"fourth", b"fifth"], [b"fifth"])[again + 1]
                assert found in allowed, (luck, first, second, last, found)


def test_a_killed_run_leaves_names_that_the_next_one_syncs():
    # Killed between write and folder sync: the file is seen by the next run, and not on the
    # medium.
    disk = Disk(2)
    assert write_until_cut(disk, [b"first"]) == -1
    disk.cut_at = None
    assert Store("data", disk).read("v") == b"first"
    assert write_until_cut(disk, [b"second", b"third"]) == 1
    disk.cut()
    assert Store("data", disk).read("v") == b"third"


def test_a_full_disk_is_an_error_and_the_value_before_stands():
    disk = Disk()
    store = Store("data", disk)
    store.write("v", b"kept")
    disk.full = True
    error = raises(StoreError, store.write, "v", b"lost")
    assert "cannot be written" in error.message
    assert store.read("v") == b"kept"
    disk.full = False
    store.write("v", b"next")
    assert Store("data", disk).read("v") == b"next"


def test_every_flipped_bit_is_noticed():
    disk = Disk()
    store = Store("data", disk)
    store.write("v", b"old")
    store.write("v", b"new")
    record = disk.read("data/v.1", 1000)
    for position in range(len(record) * 8):
        torn = bytearray(record)
        torn[position // 8] ^= 1 << position % 8
        disk._seen["data/v.1"] = bytes(torn)
        assert Store("data", disk).read("v") == b"old", position


def test_a_value_that_is_not_whole_is_told_from_one_never_written():
    disk = Disk()
    store = Store("data", disk)
    assert not store.is_damaged("v")
    store.write("v", b"kept")
    assert not store.is_damaged("v")
    disk._seen["data/v.0"] = disk._seen["data/v.0"][:-1]
    assert Store("data", disk).is_damaged("v")


def test_bad_names_and_large_values_are_refused():
    with temporary_folder() as folder:
        store = Store(folder)
        for name in ("", "../x", "a/b", "A", "x.y", "\0"):
            raises(StoreError, store.write, name, b"")
        raises(StoreError, store.write, "x", bytes(MAX_VALUE_BYTES + 1))
        store.write("x", bytes(MAX_VALUE_BYTES))
        assert Store(folder).read("x") == bytes(MAX_VALUE_BYTES)


def test_folders_are_made_where_they_are_missing():
    with temporary_folder() as folder:
        make_folder(folder + "/a/b/c/")
        Store(folder + "/a/b/c").write("x", b"there")
        make_folder(folder + "/a/b/c")
        assert Store(folder + "/a/b/c").read("x") == b"there"
        with open(folder + "/file", "wb"):
            pass
        assert "cannot be made" in raises(StoreError, make_folder, folder + "/file/x").message


def test_what_is_no_file_is_refused_and_not_waited_for():
    with temporary_folder() as folder:
        os.mkdir(folder + "/boot.0")
        assert "boot.0: cannot be read" in raises(StoreError, Store(folder).read, "boot").message
        raises(StoreError, Store(folder).write, "boot", b"x")
        if hasattr(os, "mkfifo"):  # opening one waits for its other end, for ever
            os.mkfifo(folder + "/keys.1")
            assert "not a file" in raises(StoreError, Store(folder).read, "keys").message


def test_a_data_folder_that_is_a_file_is_named():
    with temporary_folder() as folder:
        with open(folder + "/data", "w") as file:
            file.write("x")
        error = raises(StoreError, make_folder, folder + "/data")
        assert "data: cannot be made" in error.message and "no folder" in error.message
        raises(StoreError, make_folder, folder + "/data/inner")


def test_a_folder_has_one_agent_at_a_time():
    with temporary_folder() as folder:
        lock = lock_folder(folder)
        if lock is None:
            skip("this runtime has no flock")
        error = raises(InUse, lock_folder, folder)
        assert folder in error.message
        lock.close()
        lock_folder(folder).close()
    assert lock_folder(folder) is None  # no folder, no lock: the store will say what is wrong
