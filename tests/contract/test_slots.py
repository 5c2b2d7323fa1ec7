"""What every kind of slots promises: one body for all of them."""

import sys

import limpet_esp32
import limpet_start as starting
from faulty import esp32_partitions
from faulty.medium import Medium
from support import raises, skip, temporary_folder
from update_life import NEW, OLD, ROOT, Memory, digest_of, install, run

from agent.update import slots_files
from agent.update.fetch import Fetch
from agent.update.slots_files import SlotError, Slots

try:
    from agent.update import slots_esp32
except ImportError:
    slots_esp32 = None  # limpetd is built without


class InMemory:
    """Slots on a medium in memory."""

    counts = 1

    def bare(self):
        """Let even what runs be written to."""

    def __enter__(self):
        self.files, self.root = Medium(), ROOT
        install(OLD, self.files, 1)
        return self

    def __exit__(self, *error):
        pass

    def boot(self):
        """One start: the Slots that it gives, and the slot that it starts."""
        slot, state = starting.prepare(self.files, self.root)
        return Slots(self.files, self.root, state, slot)


class OnDisk(InMemory):
    """Slots in a real folder."""

    def __enter__(self):
        self._folder = temporary_folder()
        self.root = self._folder.__enter__() + "/root"
        self.files = self._make_files()
        import os

        os.mkdir(self.root)
        os.mkdir(self.root + "/a")
        slots = Slots(self.files, self.root, starting.FIRST, "b")
        slots.make_folder(slots.target + "/.limpet")
        slots.make_folder(self.root + "/parts")
        memory = Memory()
        description, signed = memory.build(1, OLD)
        digest = run(Fetch(slots, memory, description, signed).run())
        state = starting.change(starting.FIRST, sequence=1, digest=digest)
        starting.write_state(self.files, self.root, state)
        return self

    def _make_files(self):
        return slots_files.Files()

    def __exit__(self, *error):
        self._folder.__exit__(*error)


class Esp32(OnDisk):
    """Slots whose main.py stands for the firmware, in a partition; a boot loader goes back."""

    counts = 2  # of the record for one start of a trial

    def __enter__(self):
        if slots_esp32 is None:
            skip("built without the slots of boards")
        self.partition = esp32_partitions.make()
        limpet_esp32.IMAGE = "main.py"
        self.partition.runs = "factory"  # as provisioned over the wire
        super().__enter__()
        self.partition.runs = "ota_0"
        return self

    def bare(self):
        """See above."""
        self.partition.runs = "factory"

    def _make_files(self):
        return slots_esp32.Files(limpet_esp32.Ota(self.partition))

    def boot(self):
        """Resets, until one stays with what it started."""
        while True:
            self.partition.reset()
            ota = limpet_esp32.Ota(self.partition)
            slot, state, is_other = limpet_esp32.settle(self.files, self.root, ota)
            if not is_other:
                return slots_esp32.Slots(ota, self.files, self.root, state, slot)


IMPLEMENTATIONS = [("memory", InMemory), ("files", OnDisk), ("esp32", Esp32)]


def fetch_two(slots, memory=None, files=NEW, sequence=2):
    """Have a release in the other slot, staged; its manifest's digest."""
    memory = memory or Memory()
    description, signed = memory.build(sequence, files)
    slots.begin(digest_of(signed), sequence)
    digest = run(Fetch(slots, memory, description, signed).run())
    slots.stage(digest)
    return digest


def test_what_is_staged_does_not_run_before_it_is_tried(kind):
    with kind() as place:
        fetch_two(place.boot())
        slots = place.boot()
        assert slots.running == "a" and slots.state.kind == "staged" and not slots.is_trial


def test_a_trial_counts_its_starts_and_goes_back_after_the_last(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other(2)
        for left in (1, 0):
            slots = place.boot()
            assert (
                slots.is_trial
                and slots.running == "b"
                and slots.state.tries == left * place.counts
            )
        slots = place.boot()
        assert slots.running == "a" and not slots.is_trial
        assert slots.state.failed == 2 and slots.state.reason == "not-confirmed"


def test_a_confirmed_release_is_good_and_the_one_before_is_in_reserve(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other()
        place.boot().confirm(0)
        slots = place.boot()
        assert slots.running == "b" and slots.state.good == "b" and slots.state.sequence == 2
        assert (slots.state.kind, slots.state.other) == ("previous", 1)
        slots.try_other()
        place.boot().confirm(0)
        assert place.boot().running == "a" and place.boot().state.sequence == 1


def test_a_floor_takes_the_release_before_out_of_reserve_for_good(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other()
        place.boot().confirm(2)
        slots = place.boot()
        assert slots.state.kind == "none" and slots.state.floor == 2
        raises(SlotError, slots.try_other)


def test_a_trial_that_gives_up_goes_back_with_its_reason(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other()
        place.boot().give_up("no-health")
        slots = place.boot()
        assert slots.running == "a" and slots.state.reason == "no-health"
        assert slots.state.failed == 2


def spoil(place, path, data=b"rot"):
    """Write over a file."""
    place.bare()
    with place.files.open("%s/%s" % (place.root, path), "wb") as file:
        file.write(data)
        place.files.sync(file)


def test_a_trial_that_is_not_whole_never_runs_and_is_not_marked_as_failed(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other()
        spoil(place, "b/main.py")
        slots = place.boot()
        assert slots.running == "a" and slots.state.failed == 0
        assert slots.state.reason == "not-whole" and slots.state.kind == "none"


def test_what_changed_between_verification_and_trial_is_not_tried(kind):
    with kind() as place:
        slots = place.boot()
        fetch_two(slots)
        spoil(place, "b/lib/a.py")
        raises(SlotError, slots.try_other)
        assert place.boot().running == "a"


def test_a_stranger_in_a_slot_makes_it_not_whole(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other()
        spoil(place, "b/lib/a.mpy")
        assert place.boot().running == "a"


def test_a_rotten_good_slot_gives_way_to_the_one_in_reserve_and_is_mended(kind):
    with kind() as place:
        fetch_two(place.boot())
        place.boot().try_other()
        place.boot().confirm(0)
        spoil(place, "b/main.py")
        slots = place.boot()
        assert slots.running == "a" and slots.state.good == "b"
        fetch_two(slots, None, NEW, 3)
        place.boot().try_other()
        assert place.boot().running == "b"


def test_with_nothing_whole_nothing_is_started_and_a_rescue_can_mend_it(kind):
    with kind() as place:
        spoil(place, "a/main.py")
        slots = place.boot()
        assert slots.running is None
        fetch_two(slots)
        slots.try_other()
        assert place.boot().running == "b"


def test_records_that_are_torn_leave_the_other_one(kind):
    with kind() as place:
        fetch_two(place.boot())
        turn = place.boot().state.turn
        spoil(place, "state.%d" % (turn % 2), b"limpet-state 9")
        assert place.boot().state.turn == turn - 1
        for index in (0, 1):
            spoil(place, "state.%d" % index, b"\xff" * 300)
        assert place.boot().running is None


def test_two_releases_at_once_are_one_after_the_other(kind):
    with kind() as place:
        slots = place.boot()
        memory = Memory()
        description, signed = memory.build(2, NEW)
        slots.begin(digest_of(signed), 2)
        steps = Fetch(slots, memory, description, signed).run()
        for _ in range(4):
            next(steps)
        fetch_two(slots, None, {"main.py": b"third"}, 3)
        slots.try_other()
        slots = place.boot()
        raises(SlotError, fetch_two, slots, None, NEW, 4)  # on trial, nothing is fetched
        with place.files.open(place.root + "/b/main.py", "rb") as file:
            assert file.read(100) == b"third"


def test_a_full_medium_is_an_error_and_the_release_in_use_stands(kind):
    if kind is not InMemory:
        return
    for at in range(100):
        with kind() as place:
            slots = place.boot()
            fill_at(place.files, at)
            try:
                fetch_two(slots)
            except (SlotError, OSError):
                pass
            place.files.full = place.files.fills_at = None
            slots = place.boot()
            assert slots.running == "a"
            if slots.state.kind != "staged":
                fetch_two(slots)
            slots.try_other()
            assert place.boot().running == "b"


def test_the_start_of_an_esp32_leads_to_its_slots_and_an_image_refused_there_is_given_up(kind):
    if kind is not Esp32:
        return
    ran = []
    usual, starting.run = starting.run, lambda *words: ran.append(words)
    sys.modules["esp32"] = Module()
    try:
        with kind() as place:
            partition = sys.modules["esp32"].Partition = place.partition
            limpet_esp32.start(place.root, ["--x"])
            starting.here = ran[0][:2] + (ran[0][3], ran[0][2], ran[0][5])
            slots = slots_files.here()
            assert slots.running == "a" and ran[0][4] == ["--x"]
            fetch_two(slots)
            slots.try_other(1)
            assert limpet_esp32.start(place.root, []) == starting.RESTART and len(ran) == 1
            partition.reset()
            assert partition.runs == "ota_1"
            partition.refuses = True
            partition.reset()  # it crashed before it could count
            assert partition.runs == "ota_0"
            limpet_esp32.start(place.root, [])
            state = ran[-1][3]
            assert ran[-1][2] == "a" and state.failed == 2 and state.reason == "not-confirmed"
    finally:
        starting.run, starting.here = usual, None
        del sys.modules["esp32"]


class Module:
    """Stands for the module esp32."""


def fill_at(medium, at):
    """Let the medium be full from its `at`th operation on."""
    medium.fills_at = medium.operations + at


def plant(place, path, target):
    """Make a symbolic link in ROOT that leads to `target`; skipped where there are none."""
    import os

    link = "%s/%s" % (place.root, path)
    if hasattr(os, "symlink"):
        os.symlink(target, link)
    elif not hasattr(os, "system") or os.system("ln -s '%s' '%s'" % (target, link)):
        skip("no symbolic links here")


def test_a_link_planted_in_a_slot_leads_nothing_out_of_it(kind):
    if kind is not OnDisk:
        return
    for path, target in (("b/lib", "folder"), ("b/main.py", "file"), ("b/.limpet", "folder")):
        with kind() as place, temporary_folder() as outside:
            slots = place.boot()
            slots.make_folder(place.root + "/b")
            slots.make_folder(place.root + "/b/x")
            spoil_outside(outside)
            plant(place, path, outside if target == "folder" else outside + "/a.py")
            fetch_two(slots)
            slots.try_other()
            assert place.boot().running == "b"
            with open(outside + "/a.py", "rb") as file:
                assert file.read(100) == b"mine"
            assert [name for name, _ in place.files.entries(outside)] == ["a.py"]


def test_a_link_planted_where_a_fetch_writes_is_not_followed(kind):
    if kind is not OnDisk:
        return
    memory = Memory()
    description, _ = memory.build(2, NEW)
    tree = description.folders[0].tree
    for path in ("b/.limpet/release", "b/.limpet/" + tree, "b/.limpet/manifest", "parts/" + tree):
        with kind() as place, temporary_folder() as outside:
            slots = place.boot()
            slots.make_folder(place.root + "/b/.limpet")
            spoil_outside(outside)
            plant(place, path, outside + "/a.py")
            fetch_two(slots)
            slots.try_other()
            assert place.boot().running == "b"
            with open(outside + "/a.py", "rb") as file:
                assert file.read(100) == b"mine"


def test_a_device_file_planted_in_a_slot_is_removed_and_never_opened(kind):
    if kind is not OnDisk:
        return
    import os

    for path in ("b/main.py", "b/lib/x", "b/.limpet/release", "b/lib/a.py"):
        with kind() as place:
            slots = place.boot()
            slots.make_folder(place.root + "/b/.limpet")
            slots.make_folder(place.root + "/b/lib")
            name = "%s/%s" % (place.root, path)
            if hasattr(os, "mkfifo"):
                os.mkfifo(name)
            elif not hasattr(os, "system") or os.system("mkfifo '%s'" % name):
                skip("no pipes here")
            fetch_two(slots)  # opened, a pipe would hold it up for ever
            slots.try_other()
            assert place.boot().running == "b"


def spoil_outside(folder):
    """A file that nobody may touch."""
    with open(folder + "/a.py", "wb") as file:
        file.write(b"mine")


def test_a_link_in_place_of_a_verified_file_is_not_started(kind):
    if kind is not OnDisk:
        return
    with kind() as place, temporary_folder() as outside:
        slots = place.boot()
        fetch_two(slots)
        with open(outside + "/a.py", "wb") as file:
            file.write(NEW["lib/a.py"])  # the same for now: its owner may change it at any time
        place.files.remove(place.root + "/b/lib/a.py")
        plant(place, "b/lib/a.py", outside + "/a.py")
        raises(SlotError, slots.try_other)
        assert place.boot().running == "a"
