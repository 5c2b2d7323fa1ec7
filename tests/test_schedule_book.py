"""agent/schedule/book.py: what is kept of schedules, through power cuts and within its bounds."""

import json

from faulty.disk import Disk, PowerCut
from schedule_device import HOUR, NOON, Device
from support import raises

from agent.errors import TooLarge
from agent.schedule.book import MAX_RECORD_BYTES, Book
from agent.schedule.runner import MAX_ENTRIES
from agent.store import Store


def test_the_number_of_schedules_is_bounded_and_a_finished_one_gives_way():
    device = Device(0, NOON)
    for index in range(MAX_ENTRIES):
        device.add("name-%02d" % index, cron="%d * * * *" % (index % 60))
    assert "remove one" in raises(TooLarge, device.add, "more", every=60).message
    device.add("name-50", replace=True, at="2026-11-20T12:01Z")
    device.live(90)
    device.add("more", every=60)
    assert "name-50" not in device.runner.names() and len(device.runner.names()) == MAX_ENTRIES
    device.cut()
    assert len(device.runner.names()) == MAX_ENTRIES and device.problems == []


def test_a_schedule_too_large_for_its_page_is_refused():
    device = Device(0, NOON)
    params = {"text": "x" * MAX_RECORD_BYTES}
    assert "at most 2000" in raises(TooLarge, device.add, "a", every=60, params=params).message
    params = {"text": "x" * (MAX_RECORD_BYTES - 200)}
    for index in range(20):
        device.add("n%d" % index, every=60, params=params)
    assert "no room for it" in raises(TooLarge, device.add, "n20", every=60, params=params).message
    device.runner.remove("n3")
    device.add("n20", every=60, params=params)
    device.cut()
    assert len(device.runner.names()) == 20


def test_an_entry_of_another_agent_is_left_out_with_its_reason():
    device = Device(0, NOON)
    device.add("a", every=60)
    device.add("b", every=60)
    store = Store("data", device.disk)
    records = json.loads(store.read("schedule-0"))
    for record in records:
        if record["name"] == "a":
            record["spec"]["moon"] = "full"
    store.write("schedule-0", json.dumps(records).encode())
    device.cut()
    assert len(device.problems) == 1 and "schedule a is left out: moon" in device.problems[0]
    assert device.runner.names() == ["b"]


def test_a_page_that_is_no_json_is_told_and_never_written_over():
    device = Device(0, NOON)
    device.add("a", every=60)
    store = Store("data", device.disk)
    store.write("schedule-0", b"\xff{")
    device.cut()
    assert "schedule-0" in device.problems[0]
    device.add("b", every=60)
    assert Store("data", device.disk).read("schedule-0") == b"\xff{"
    device.cut()
    assert device.runner.names() == ["b"]


def test_of_two_records_of_a_name_the_newer_counts_whichever_page_it_is_in():
    store = Store("data", Disk())
    book = Book(store)
    sizes = (("x", 1900), ("y", 1900), ("a", 100), ("z", 1900), ("w", 1700))
    for name, size in sizes:
        book.write({"name": name, "text": "." * size})
    book.remove("x")
    book.write({"name": "a", "text": "+" * 1800})  # from the second page to the first
    again = Book(store)
    assert sorted([record["name"] for record in again.load()]) == ["a", "w", "y", "z"]
    assert again.read("a")["text"] == "+" * 1800


def change(device, done):
    """Change much; note in `done` what was acknowledged."""
    big = {"text": "x" * 1500}
    steps = (
        ("add a", lambda: device.add("a", every=60)),
        ("add b", lambda: device.add("b", every=60, params=big)),
        ("add c", lambda: device.add("c", every=60, params=big)),
        ("grow a", lambda: device.add("a", replace=True, every=70, params=big)),
        ("remove b", lambda: device.runner.remove("b")),
        ("shrink a", lambda: device.add("a", replace=True, every=80)),
        ("remove a", lambda: device.runner.remove("a")),
    )
    for name, step in steps:
        done.append(name)
        step()
    done.append("end")


AFTER = {  # what is kept once a step has been acknowledged
    "": {}, "add a": {"a": 60}, "add b": {"a": 60, "b": 60},
    "add c": {"a": 60, "b": 60, "c": 60}, "grow a": {"a": 70, "b": 60, "c": 60},
    "remove b": {"a": 70, "c": 60}, "shrink a": {"a": 80, "c": 60}, "remove a": {"c": 60},
}  # fmt: skip


def test_a_power_cut_at_every_operation_loses_no_acknowledged_change():
    whole = Device(0, NOON)
    change(whole, [])
    assert whole.disk.operations >= 20
    for luck in ("none", 20):
        for cut_at in range(whole.disk.operations):
            done = [""]
            device = Device(0, NOON, Disk(cut_at, luck))
            try:
                change(device, done)
            except PowerCut:
                pass
            device.cut()
            kept = {name: device.runner.record(name)[0]["every"] for name in device.runner.names()}
            assert device.problems == []
            assert kept in (AFTER[done[-2]], AFTER[done[-1]]), (luck, cut_at, done[-1], kept)


def test_a_power_cut_at_every_operation_loses_no_run_and_repeats_only_its_id():
    expected = ["a@2026-11-20T%d:00:00Z" % hour for hour in range(13, 18)]
    whole = Device(0, NOON)
    whole.add("a", cron="0 * * * *", missed="all", count=5)
    declared = whole.disk.operations
    whole.live(7 * HOUR)
    assert whole.ids() == expected and whole.disk.operations >= declared + 10
    for cut_at in range(declared, whole.disk.operations):
        device = Device(0, NOON)
        device.add("a", cron="0 * * * *", missed="all", count=5)
        device.disk.cut_at = cut_at
        try:
            device.live(7 * HOUR)
        except PowerCut:
            device.cut()
            device.live(5 * HOUR)
        ids = device.ids()
        assert sorted(set(ids)) == expected, (cut_at, ids)
        assert len(ids) <= 6  # the one that the cut fell upon comes again, for the journal
