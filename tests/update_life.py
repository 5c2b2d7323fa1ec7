"""The life of a device through an update, on a medium whose power can be cut.

Real: the start, the slots, the fetching. Simulated: the medium, the depot (in memory, a small
release), the health. The invariant, checked at every boot: what is started is one of the releases,
whole. Works on every interpreter.
"""

import hashlib
from binascii import hexlify

import limpet_start as starting
from faulty.medium import Medium, PowerCut

from agent.errors import LimpetError
from agent.update import release, tree
from agent.update.fetch import Fetch
from agent.update.slots_files import Slots

ROOT = "r"


class Wrong(Exception):
    """The invariant does not hold; the message tells what was seen."""


def digest_of(data):
    """SHA-256 in hex."""
    return hexlify(hashlib.sha256(data).digest()).decode()


def make_stream(blob, level=None):
    """(hash, stream) of a blob, as a depot keeps it."""
    level = tree.height(len(blob)) if level is None else level
    if level == 0:
        return tree.piece_hash(blob), blob
    step = tree.UNIT * tree.FAN ** (level - 1)
    nodes = [make_stream(blob[at : at + step], level - 1) for at in range(0, len(blob), step)]
    hashes = b"".join([node[0] for node in nodes])
    return tree.piece_hash(hashes), hashes + b"".join([node[1] for node in nodes])


def stored(data):
    """Raw deflate that stores: what every interpreter can make."""
    out = b""
    for at in range(0, len(data), 60000):
        piece = data[at : at + 60000]
        size = len(piece)
        is_last = 1 if at + 60000 >= len(data) else 0
        out += bytes([is_last, size & 255, size >> 8, ~size & 255, ~size >> 8 & 255]) + piece
    return out


class Memory:
    """A depot in memory, and a source for a Fetch: gives `step` bytes at a time."""

    def __init__(self, step=1500):
        self.blobs = {}
        self.asked = []
        self.given_bytes = 0
        self._step = step
        self._name = None
        self._at = 0
        self.lie = None  # called with the bytes, gives others

    def add(self, blob):
        """Keep a blob; (size, tree)."""
        root, stream = make_stream(blob)
        name = hexlify(root).decode()
        self.blobs[name] = stream
        return len(blob), name

    def begin(self, name, offset, size):
        """As Depot.begin."""
        self._name, self._at = name, offset
        self.asked.append((name, offset))

    def take(self):
        """As Depot.take."""
        data = self.blobs[self._name][self._at : self._at + self._step]
        self._at += len(data)
        self.given_bytes += len(data)
        return self.lie(data) if self.lie else data

    def end(self):
        """As Depot.end."""

    def build(self, sequence, files, floor=0, deltas=None, product="agent"):
        """A release of `files` ({path: bytes}): (Description, its bytes with a signature)."""
        folders = {}
        for path in files:
            folder, name = path.rsplit("/", 1) if "/" in path else (".", path)
            folders.setdefault(folder, []).append(name)
        rows = []
        for folder in sorted(folders):
            entries = []
            for name in sorted(folders[folder]):
                data = files[name if folder == "." else folder + "/" + name]
                packed = ("r",) + self.add(data) if data else None
                found = (deltas or {}).get(name, ())
                entries.append(
                    release.File(name, len(data), digest_of(data), "644", packed, tuple(found))
                )
            size, name = self.add(stored(release.encode_listing(entries)))
            rows.append(release.Folder(size, name, folder))
        description = release.Description(
            product, "stable", "1", sequence, floor, 2**31 - 1, 1, (), tuple(rows)
        )
        body = release.encode_description(description)
        return description, body + b"sign ed25519 0123456789abcdef 00\n"


OLD = {"main.py": b"old main", "lib/a.py": b"a" * 3000, "lib/b.py": b"same", "lib/c.py": b"gone"}
NEW = {"main.py": b"new main", "lib/a.py": b"b" * 2900, "lib/b.py": b"same", "new/d.py": b"fresh"}
NEXT = {"main.py": b"third"}


def install(files, medium, sequence):
    """Put a release into slot a, as a factory would."""
    memory = Memory()
    description, signed = memory.build(sequence, files)
    slots = Slots(medium, ROOT, starting.FIRST, "b")
    slots.target = ROOT + "/a"
    medium.mkdir(ROOT + "/a")
    medium.mkdir(ROOT + "/a/.limpet")
    medium.mkdir(ROOT + "/parts")
    digest = run(Fetch(slots, memory, description, signed).run())
    state = starting.change(starting.FIRST, sequence=sequence, digest=digest)
    starting.write_state(medium, ROOT, state)
    medium.sync_folder(ROOT)


def run(steps):
    """Drive a generator to its end; what it returns."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


class Life:
    """`heal(slots)` is how a release on trial behaves: True, it proves itself."""

    first = OLD  # the release that it comes with
    make_medium = Medium

    def __init__(self, cuts=(), luck="none", make_slots=Slots, make_fetch=Fetch, prepare=None):
        self.medium = self.make_medium(None, luck)
        install(self.first, self.medium, 1)
        self.memory = Memory()
        self.releases = {1: self.first}
        self.good = {}  # release: whether it is healthy
        self.boots = 0
        self._make_slots = make_slots
        self._make_fetch = make_fetch
        self._prepare = prepare or starting.prepare
        self.medium.operations = 0
        self._cuts = list(cuts)
        self._next_cut()

    def _next_cut(self):
        self.medium.cut_at = self.medium.operations + self._cuts.pop(0) if self._cuts else None

    def offer(self, sequence, files, is_good=True, floor=0):
        """A release is there to be had; (Description, bytes)."""
        self.releases[sequence] = files
        self.good[sequence] = is_good
        return self.memory.build(sequence, files, floor)

    def live(self, act, boots=30):
        """Boot and act until `act(slots, sequence)` says that all is done: it returns True."""
        for _ in range(boots):
            try:
                if self._boot(act):
                    return
            except PowerCut:
                self.medium.cut()
                self._next_cut()
        raise Wrong("it never came to its end")

    def _boot(self, act):
        self.boots += 1
        self._check_record()
        slot, state = self._starts()
        if slot is None:
            raise Wrong("it does not start: %r" % (state,))
        sequence = self.identify(slot)
        slots = self._make_slots(self.medium, ROOT, state, slot)
        if slots.is_trial:
            if self.good.get(sequence, True):
                slots.confirm(0)
            return False
        try:
            return act(slots, sequence)
        except LimpetError:
            return False  # as the agent: it tries again later

    def _check_record(self):
        """What the record speaks of is on the medium, whatever happened."""
        state = starting.read_state(self.medium, ROOT)
        spare = "%s/%s" % (ROOT, starting.other(state.good))
        is_promised = state.kind in ("staged", "trial", "previous")
        if is_promised and not starting.is_whole(self.medium, spare, state.other_digest):
            raise Wrong("the record promises what is not there: %r" % (state,))

    def _starts(self):
        """What `prepare` says: the slot to start, and the State."""
        return self._prepare(self.medium, ROOT)

    def identify(self, slot):
        """The release in a slot. Raises Wrong unless it is one, whole."""
        found = {}
        for path in starting.strangers(self.medium, ROOT + "/" + slot, ""):
            with self.medium.open("%s/%s/%s" % (ROOT, slot, path), "rb") as file:
                found[path] = file.read(100000)
        for sequence in self.releases:
            if self.releases[sequence] == found:
                return sequence
        raise Wrong("what starts is no release: %r" % sorted(found))

    def update_to(self, sequence, offered):
        """What an agent does about a release; for `live`."""

        def act(slots, running):
            if running == sequence:
                return True
            state = slots.state
            if sequence <= state.failed:
                return True  # it failed here
            if (state.kind, state.other) != ("staged", sequence):
                description, signed = offered
                slots.begin(digest_of(signed), sequence)
                digest = run(self._make_fetch(slots, self.memory, description, signed).run())
                slots.stage(digest)
            slots.try_other()
            return False

        return act

    def go_back(self):
        """Back to the release before, as its owner asks; for `live`."""
        asked = []

        def act(slots, running):
            if running == 1:
                return True
            if slots.state.kind != "previous" and not asked:
                raise Wrong("nothing to go back to")
            asked.append(1)
            if slots.state.kind == "previous":
                slots.mark_back()
                slots.try_other()
            return False

        return act


class ImageLife(Life):
    """The same of an executable that is replaced; it lies beside the slots."""

    first = {starting.IMAGE: b"first image " * 400}

    def __init__(self, cuts=(), luck="none", **parts):
        super().__init__((), luck, **parts)
        starting.replace(self.medium, "r/a/" + starting.IMAGE, PLACE)
        self.medium.operations = 0
        self._cuts = list(cuts)
        self._next_cut()

    def _starts(self):
        with self.medium.open(PLACE, "rb") as file:
            running = {starting.IMAGE: file.read(100000)}
        if running not in self.releases.values():
            raise Wrong("the executable is none, or not whole")
        slot, state, is_replaced = starting.settle_image(self.medium, ROOT, PLACE)
        if is_replaced:
            slot, state, is_replaced = starting.settle_image(self.medium, ROOT, PLACE)
            if is_replaced:
                raise Wrong("it replaces for ever")
        with self.medium.open(PLACE, "rb") as file:
            running = {starting.IMAGE: file.read(100000)}
        if slot and running != self.releases[self.identify(slot)]:
            raise Wrong("what runs is not what the record says")
        return slot, state


PLACE = "r/limpetd"
