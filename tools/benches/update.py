"""What a change of the agent costs a device to fetch, beside whole files and bsdiff4's patches.

Releases of this tree, compiled: one line of one module changed, one module, every module. Counted
are bytes of blobs that a device asks for, and of listings and description that come with them.
"""

import os
import shutil
import tempfile
import zlib

import bsdiff4
from releases import building
from releases.depot import Depot

from agent.update import release
from benches.records import Note, Row, Subject, Target

NAME = "update"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OURS = ("limpet",)
TARGETS = (Target("one line", "limpet", "blobs", "<=", 600),)
_SIGNATURE = len(release.sign_line("ed25519", "0" * 64, bytes(64)))


def _everything(text):
    return text + "\nREVISION = 7\n"


def _rename(text):
    return text.replace("self._stage", "self._phase").replace("_look_after", "_see_to")


CASES = (
    ("unchanged", lambda path: None),
    ("one line", lambda path: _everything if path == "agent/mqtt/backoff.py" else None),
    ("one module", lambda path: _rename if path == "agent/mqtt/link.py" else None),
    ("every module", lambda path: None if path.endswith("__main__.py") else _everything),
)


def run(options):
    """Build and count; yields records as frame.py says."""
    folder = tempfile.mkdtemp(prefix="limpet-bench-")
    try:
        yield from _measure(folder)
    finally:
        shutil.rmtree(folder)


def _measure(folder):
    depot = Depot(os.path.join(folder, "depot"))
    base = building.collect(ROOT, compiled=True)
    old = _release(depot, base, 1, ())
    whole = sum(len(data) for data, _ in base.values())
    yield Subject("limpet", "deltas on the release before, deflated, 1 KB window")
    yield Subject("changed files", "whole, as zlib packs them best")
    yield Subject("bsdiff4", "patches of the changed files, bzip2")
    yield Note("the release: %d files, %d bytes" % (len(base), whole))
    for number, (case, edit) in enumerate(CASES, 2):
        files = _edited(os.path.join(folder, "tree%d" % number), edit)
        new = _release(depot, files, number, (1,))
        yield from _rows(depot, case, old, new)


def _edited(folder, edit):
    """This tree, compiled, with what `edit(path)` gives done to its files."""
    for name in building.AGENT:
        shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name))
    for top, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(top, name)
            change = edit(os.path.relpath(full, folder)) if name.endswith(".py") else None
            if change:
                with open(full, encoding="utf-8") as file:
                    text = file.read()
                with open(full, "w", encoding="utf-8") as file:
                    file.write(change(text))
    return building.collect(folder, compiled=True)


def _release(depot, files, sequence, since):
    words = {
        "product": "limpet-agent",
        "channel": "stable",
        "version": "0.1.0",
        "sequence": sequence,
        "floor": 0,
        "expires": release.MAX_NUMBER,
        "keyring": 1,
        "needs": (("mpy", "6"), ("start", "1")),
    }
    building.build(depot, files, words, since)
    return depot.description("limpet-agent", "stable", sequence)


def _rows(depot, case, old, new):
    known = {folder.tree for folder in old[0].folders}
    before = dict(building.files_of(depot, old[0]))
    listings = sum(folder.size for folder in new[0].folders if folder.tree not in known)
    blobs = packed = patches = 0
    for path, file in building.files_of(depot, new[0]):
        was = before.get(path)
        if was and was.hash == file.hash:
            continue
        deltas = [size for size, _, base in file.deltas if was and base == was.hash[:32]]
        blobs += min([*deltas, file.packed[1]])
        data = depot.read("files", file.hash)
        packed += len(zlib.compress(data, 9))
        patches += len(bsdiff4.diff(depot.read("files", was.hash), data)) if was else len(data)
    description = len(new[1]) + _SIGNATURE
    for subject, metric, value in (
        ("limpet", "blobs", blobs),
        ("limpet", "listings", listings),
        ("limpet", "description", description),
        ("limpet", "in all", blobs + listings + description),
        ("changed files", "blobs", packed),
        ("bsdiff4", "blobs", patches),
    ):
        yield Row(NAME, case, subject, metric, value, "B")
