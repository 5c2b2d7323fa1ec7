"""What an update costs on the wire, counted at the device's socket: MQTT, all of it, both ways.

From the offer to the event that says it is staged: description, listings, blobs, what is asked,
acknowledgements, the device's own events. The releases are this tree's, compiled.
"""

import os
import shutil
import zlib

import bsdiff4
import pytest
from benches.update import CASES
from conftest import ROOT
from faulty.wire import Wire
from provision import runtimes
from releases import building
from update_yard import PRODUCT, Slotted, Yard, wait_for_update

MOST_BLOBS, MOST_WIRE = 600, 6 * 1024  # of a change of one line


@pytest.fixture
def yard(broker, tmp_path, request):
    """A depot served on the broker."""
    made = Yard(tmp_path / "depot", broker, "w%d" % os.getpid())
    yield made
    made.close()


@pytest.fixture
def counted(broker, tmp_path, yard, caller5):
    """A device on release 1, behind a wire that counts; it tries nothing by itself."""
    files = building.collect(str(ROOT), compiled=True)
    yard.release(1, files)
    wire = Wire(broker.host, broker.port)
    runtime = runtimes.get("micropython-gil")
    device = Slotted(runtime, wire, tmp_path, yard, update={"policy": "ask"})
    yard.install(1, device.root)
    caller5.follow("limpet/%s/event/update" % device.name)
    device.start()
    caller5.wait_for_state(device, "online")
    yield device, wire, files
    device.stop()
    print(device.log.read_text(errors="replace")[-2000:])


def edited(folder, edit):
    """This tree, compiled, with what `edit(path)` gives done to its files."""
    for name in building.AGENT:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for full in folder.rglob("*.py"):
        change = edit(str(full.relative_to(folder)))
        if change:
            full.write_text(change(full.read_text(encoding="utf-8")), encoding="utf-8")
    return building.collect(str(folder), compiled=True)


def blobs_of(yard, sequence):
    """Trees of the listings of a release."""
    description, _ = yard.depot.description(PRODUCT, yard.channel, sequence)
    return {folder.tree for folder in description.folders}


def test_what_an_update_costs_on_the_wire(counted, yard, caller5, tmp_path):
    device, wire, before = counted
    rows = ["%-14s %9s %9s %9s %9s %9s %9s" % (
        "change", "wire", "blobs", "listings", "changed", "everything", "bsdiff4")]  # fmt: skip
    costs = {}
    for sequence, (case, edit) in enumerate(CASES, 2):
        files = edited(tmp_path / ("tree%d" % sequence), edit)
        data = yard.release(sequence, files, (1,))
        yard.server.given.clear()
        count = wire.total()
        yard.publish(data)
        wait_for_update(caller5, device, lambda words, at=sequence: (
            words["state"] == "staged" and words["other"]["sequence"] == at))  # fmt: skip
        cost = wire.total() - count
        listings = sum(yard.server.given.get(tree, 0) for tree in blobs_of(yard, sequence))
        blobs = sum(yard.server.given.values()) - listings
        costs[case] = (cost, blobs, len(data))
        changed = [path for path in files if files[path] != before.get(path)]
        whole = [len(zlib.compress(files[path][0], 9)) for path in changed]
        everything = sum(len(zlib.compress(files[path][0], 9)) for path in files)
        old = {path: before[path][0] if path in before else b"" for path in changed}
        patches = sum(len(bsdiff4.diff(old[path], files[path][0])) for path in changed)
        words = (case, cost, blobs, listings, sum(whole), everything, patches)
        rows.append("%-14s %9d %9d %9d %9d %9d %9d" % words)
    print("\n".join(rows))
    assert costs["one line"][1] <= MOST_BLOBS and costs["one line"][0] <= MOST_WIRE
    cost, blobs, description = costs["unchanged"]
    # Beside its description only: its topic, an acknowledgement, and three events of the device.
    assert blobs == 0 and cost - description <= 2500
