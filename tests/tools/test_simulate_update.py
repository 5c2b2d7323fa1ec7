"""The simulation of updates finds what it is for: bugs planted on purpose."""

import limpet_start as starting
import pytest
from simulations import update
from update_life import Slots, Wrong

from agent.update import slots_esp32
from agent.update.fetch import Fetch


def test_nothing_is_found_in_what_is_shipped():
    assert update.every_point(lucks=("none", "torn", 1), scenes=("files forward",)) > 250
    for seed in range(100):
        update.run(seed)


class PointerBeforeFiles(Fetch):
    """The record is written while the files are on their way."""

    def run(self):
        slots = self._slots
        state = starting.change(slots.state, kind="trial", tries=3, other_digest="-")
        slots.state = starting.write_state(slots.files, slots.root, state)
        return (yield from super().run())


class NoSync(Fetch):
    """Contents are not synced before the record, as by a rename before the sync."""

    def run(self):
        self._files = Unsynced(self._files)
        return (yield from super().run())


class NoFolderSync(Fetch):
    """Names are not synced before the record."""

    def _folders(self):
        return []


class Unsynced:
    """Files whose sync does nothing."""

    def __init__(self, files):
        self._files = files

    def sync(self, file):
        """Nothing."""

    def __getattr__(self, name):
        return getattr(self._files, name)


class ConfirmedAtOnce(Slots):
    """Confirmed before it has proved anything."""

    def try_other(self, tries=3):
        super().try_other(tries)
        self.running = starting.other(self.state.good)
        self.confirm(0)


class IntoTheRunningSlot(Slots):
    """What may be started is written to."""

    def begin(self, identity, sequence):
        super().begin(identity, sequence)
        self.target = self.source


def uncounted(files, root):
    """A start that counts a trial only after it has run."""
    stored = starting.read_state(files, root)
    slot, state = starting.choose(files, root, stored)
    return slot, starting.change(state, tries=3)


def in_place(files, root, state):
    """One record only, written over."""
    state = starting.change(state, turn=state.turn + 2 - state.turn % 2)
    with files.open(root + "/state.0", "wb") as file:
        file.write(starting.encode_state(state))
        files.sync(file)
    return state


class ConfirmedAtOnceThere(slots_esp32.Slots):
    """The same on an ESP32: kept before it has proved anything."""

    def try_other(self, tries=3):
        super().try_other(tries)
        self.running = starting.other(self.state.good)
        self.confirm(0)


def test_bugs_planted_in_the_slots_of_an_esp32_are_found(monkeypatch):
    for parts, scene in (
        ({"make_fetch": PointerBeforeFiles}, "esp32 forward"),
        ({"make_slots": ConfirmedAtOnceThere}, "esp32 undone"),
    ):
        with pytest.raises(Wrong):
            update.every_point(scenes=(scene,), **parts)
    monkeypatch.setattr(starting, "prepare", uncounted)
    with pytest.raises(Wrong):
        update.every_point(scenes=("esp32 undone",))


@pytest.mark.parametrize(
    ("parts", "scene"),
    [
        ({"make_fetch": PointerBeforeFiles}, "files forward"),
        ({"make_fetch": NoSync}, "files forward"),
        ({"make_fetch": NoFolderSync}, "files forward"),
        ({"make_slots": ConfirmedAtOnce}, "files undone"),
        ({"make_slots": IntoTheRunningSlot}, "files forward"),
        ({"prepare": uncounted}, "files undone"),
    ],
)
def test_a_planted_bug_is_found(parts, scene):
    with pytest.raises(Wrong):
        update.every_point(scenes=(scene,), **parts)


def test_a_single_record_is_found(monkeypatch):
    monkeypatch.setattr(starting, "write_state", in_place)
    with pytest.raises(Wrong):
        update.every_point(scenes=("files forward",))


def renamed_before_the_sync(files, source, path):
    """A replacement whose content is not on the medium when its name is."""
    with files.open(source, "rb") as file, files.open(path + ".new", "wb") as out:
        out.write(file.read(100000))
    files.rename(path + ".new", path)
    files.sync_folder(path.rsplit("/", 1)[0])


def test_a_rename_before_the_sync_is_found(monkeypatch):
    monkeypatch.setattr(starting, "replace", renamed_before_the_sync)
    with pytest.raises(Wrong):
        update.every_point(scenes=("image forward",))
