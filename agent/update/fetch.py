"""A release fetched into the other slot, a piece at a time.

The one rule: nothing is believed but what hashes to what was signed, and what is on the medium
already is never asked for again: a file that is right in the target, a file in the running slot
with the same content under any name, the verified beginning of a blob. Nothing is held whole in
memory. A generator: it yields whenever it waits, and after each piece of work, so that whoever
drives it serves the link between any two; dropped anywhere, the next one goes on.
"""

import hashlib
from binascii import hexlify, unhexlify

import limpet_start as starting
from interpreter import inflate

from agent.errors import LimpetError
from agent.update import patch
from agent.update.release import BadRelease, parse_listing
from agent.update.slots_files import RELEASE, SlotError
from agent.update.tree import UNIT, Lie, Verifier, stream_bytes

MAX_LIES = 8  # pieces of one blob that were not what was promised: then the depot is given up
_BROKEN = (OSError, EOFError, ValueError, LimpetError, Lie)


class BadDepot(LimpetError):
    """What the depot sends is not what was signed."""

    code = "bad-depot"


class Pieces:
    """Reads what a fetched blob holds, verified again on the way."""

    def __init__(self, file, size, tree):
        self._file = file
        self._verifier = Verifier(size, unhexlify(tree))
        self._units = iter(())
        self._piece = b""
        self._at = 0

    def readinto(self, buffer):
        """How many bytes were put into `buffer`, 0 at the end. Raises Lie."""
        while self._at == len(self._piece):
            unit = next(self._units, None)
            if unit is None:
                data = self._file.read(512)
                if not data:
                    return 0
                self._units = self._verifier.feed(data)
            elif unit[1]:
                self._piece, self._at = unit[0], 0
        count = min(len(buffer), len(self._piece) - self._at)
        buffer[:count] = self._piece[self._at : self._at + count]
        self._at += count
        return count

    def read(self, count):
        """At most `count` bytes."""
        data = bytearray(count)
        return bytes(data[: self.readinto(data)])


class Fetch:
    """`source` has begin(blob, offset, size), take() -> bytes or None, and end().

    `fetched_bytes` counts what was asked for and verified, `copied` and `kept` files that were
    here already.
    """

    def __init__(self, slots, source, description, signed):
        self._slots = slots
        self._files = slots.files
        self._source = source
        self._description = description
        self._signed = signed
        self.fetched_bytes = self.copied = self.kept = self.patched = self.lies = 0
        self.folder = ""
        self._place = (0, 0, 1)  # folders that are done, files of the next, how many it has
        self._piece = 0  # how far the blob on its way is, 0 to 1

    @property
    def fraction(self):
        """How far it is, 0 to 1: each folder counts the same, and each file in it."""
        folders, files, count = self._place
        inner = (files + self._piece) / count
        return (folders + min(1, inner)) / len(self._description.folders)

    def run(self):
        """A generator: the digest of the manifest is what it returns; then the slot is verified.

        Raises BadRelease or BadDepot where trying again is of no use, OSError or SlotError where
        the medium refuses.
        """
        slots = self._slots
        for folder in (slots.target + "/.limpet", slots.part("")[:-1]):
            for name, kind in slots.entries(folder):
                if kind == "?":  # a link or a device: what is written would go elsewhere
                    self._files.remove(folder + "/" + name)
        self._store(RELEASE, self._signed)
        self._remove_folders("")
        for folder in self._description.folders:
            self.folder = folder.path
            yield from self._listing(folder)
            yield from self._fill(folder)
            self._place = (self._place[0] + 1, 0, 1)
        digest = yield from self._verify()
        slots.wipe_parts()
        return digest

    def _path(self, folder, name):
        inner = name if folder.path == "." else "%s/%s" % (folder.path, name)
        return "%s/%s" % (self._slots.target, inner)

    def _store(self, name, data):
        with self._files.open("%s/%s" % (self._slots.target, name), "wb") as file:
            file.write(data)
            self._files.sync(file)

    def _remove_folders(self, inner):
        """Remove folders that the release does not have, and whatever is neither file nor folder.

        The release's listings in .limpet stay if they are this release's.
        """
        slots = self._slots
        wanted = {folder.path for folder in self._description.folders}
        listings = {folder.tree for folder in self._description.folders}
        for name, kind in slots.entries(slots.target + "/" + inner if inner else slots.target):
            path = inner + "/" + name if inner else name
            full = slots.target + "/" + path
            if path == ".limpet":
                for old, _ in slots.entries(full):
                    if old not in listings and ".limpet/" + old != RELEASE:
                        self._files.remove(full + "/" + old)
            elif kind == "?":
                self._files.remove(full)
            elif kind == "d":
                if any([one == path or one.startswith(path + "/") for one in wanted]):
                    self._remove_folders(path)
                    continue
                slots.wipe(full)
                self._files.rmdir(full)
            elif (inner or ".") not in wanted:
                self._files.remove(full)

    def _listing(self, folder):
        """Have the packed listing of a folder in the slot."""
        name = ".limpet/" + folder.tree
        for slot in (self._slots.target, self._slots.source):
            try:
                data = self._read_blob("%s/%s" % (slot, name), folder.size, folder.tree)
            except (OSError, Lie):
                continue
            if slot != self._slots.target:
                self._store(name, data)
            return
        yield from self._blob(folder.tree, folder.size)
        part = self._slots.part(folder.tree)
        self._copy_blob(part, "%s/%s" % (self._slots.target, name))
        self._files.remove(part)

    def _read_blob(self, path, size, tree):
        """All of a small blob. Raises Lie unless it is whole."""
        with self._files.open(path, "rb") as file:
            data = file.read(stream_bytes(size) + 1)
        verifier = Verifier(size, unhexlify(tree))
        for _ in verifier.feed(data):
            pass
        if not verifier.done:
            raise Lie("not whole")
        return data

    def _copy_blob(self, path, target):
        with self._files.open(path, "rb") as file, self._files.open(target, "wb") as out:
            data = file.read(512)
            while data:
                out.write(data)
                data = file.read(512)
            self._files.sync(out)

    def _entries(self, folder):
        """The Files of a folder, as its listing in the slot names them."""
        path = "%s/.limpet/%s" % (self._slots.target, folder.tree)
        with self._files.open(path, "rb") as file:
            lines = _Lines(inflate(Pieces(file, folder.size, folder.tree)))
            try:
                yield from parse_listing(lines.readline)
            except (EOFError, ValueError, Lie) as error:
                raise BadRelease("a listing cannot be read: %s" % error)

    def _fill(self, folder):
        """Have every file of a folder, and nothing else there."""
        slots = self._slots
        place = slots.target if folder.path == "." else slots.target + "/" + folder.path
        slots.make_folder(place)
        wanted = {entry.name for entry in self._entries(folder)}
        for name, kind in slots.entries(place):
            if kind == "d":
                if name in wanted or name == "__pycache__":
                    slots.wipe(place + "/" + name)
                    self._files.rmdir(place + "/" + name)
            elif name not in wanted:
                self._files.remove(place + "/" + name)
        yield
        done = self._place[0]
        for entry in self._entries(folder):
            yield from self._have(self._path(folder, entry.name), entry)
            self._place = (done, self._place[1] + 1, len(wanted))
            self._piece = 0
            if entry.mode == "755":
                self._files.make_executable(self._path(folder, entry.name))

    def _have(self, path, entry):
        """Have one file, by whatever costs least."""
        try:
            if starting.file_digest(self._files, path) == entry.hash:
                self.kept += 1
                return
        except OSError:
            pass
        twin = self._slots.find(entry.hash)
        is_here = twin is not None or entry.size == 0
        if is_here and (yield from self._make(path, entry, _read_file(self._files, twin))):
            self.copied += 1
            return
        for size, tree, old in entry.deltas:
            base = self._slots.find(old)
            if base is not None:
                yield from self._blob(tree, size)
                is_made = yield from self._patch(path, entry, (size, tree), base)
                self._files.remove(self._slots.part(tree))
                if is_made:
                    self.patched += 1
                    return
        form, size, tree = entry.packed
        yield from self._blob(tree, size)
        part = self._slots.part(tree)
        with self._files.open(part, "rb") as file:
            pieces = Pieces(file, size, tree)
            reader = inflate(pieces) if form == "z" else pieces
            is_made = yield from self._make(path, entry, _chunks(reader, entry.size))
        self._files.remove(part)
        if not is_made:
            raise BadRelease("%s: what was signed does not fit together" % entry.name)

    def _patch(self, path, entry, blob, base):
        size, tree = blob
        part = self._slots.part(tree)
        with self._files.open(part, "rb") as file, self._files.open(base, "rb") as old:
            old_size = old.seek(0, 2)
            reader = inflate(Pieces(file, size, tree))
            chunks = patch.apply(reader.read, old, old_size, entry.size)
            return (yield from self._make(path, entry, chunks))

    def _make(self, path, entry, chunks):
        """Write a file; whether it became what it should."""
        total = hashlib.sha256()
        made = 0
        with self._files.open(path, "wb") as file:
            try:
                for chunk in chunks:
                    made += len(chunk)
                    if made > entry.size:
                        break
                    total.update(chunk)
                    self._write(file, chunk)
                    yield
            except _Medium as error:
                raise SlotError("%s cannot be written: %s" % (entry.name, error.args[0]))
            except _BROKEN:
                return False
            self._files.sync(file)
        return made == entry.size and hexlify(total.digest()).decode() == entry.hash

    def _write(self, file, data):
        try:
            file.write(data)
        except OSError as error:
            raise _Medium(error)

    def _blob(self, tree, size):
        """Have a blob as a part, all of its stream; what is there and right is not asked for."""
        path = self._slots.part(tree)
        verifier = Verifier(size, unhexlify(tree))
        is_there = self._take_up(path, verifier)
        if verifier.done:
            return
        lies = 0
        source = self._source
        with self._files.open(path, "r+b" if is_there else "wb") as file:
            file.seek(verifier.offset)
            source.begin(tree, verifier.offset, stream_bytes(size))
            try:
                while not verifier.done:
                    data = source.take()
                    if not data:
                        yield
                        continue
                    try:
                        self._take(verifier, data, file)
                    except Lie:
                        lies += 1
                        self.lies += 1
                        if lies > MAX_LIES:
                            raise BadDepot("%s is not what was signed" % tree)
                        verifier.forget()
                        source.begin(tree, verifier.offset, stream_bytes(size))
            finally:
                source.end()

    def _take(self, verifier, data, file):
        for unit, is_piece in verifier.feed(data):
            file.write(unit)
            if is_piece:
                self._piece = verifier.share
            # Each piece: after a power cut at most one is fetched again.
            self._files.sync(file)
            self.fetched_bytes += len(unit)

    def _take_up(self, path, verifier):
        """Verify what an earlier run left of a blob; whether there is anything."""
        try:
            with self._files.open(path, "rb") as file:
                data = file.read(UNIT)
                while data and not verifier.done:
                    for _ in verifier.feed(data):
                        pass
                    data = file.read(UNIT)
        except Lie:
            pass
        except OSError:
            return False
        verifier.forget()
        return True

    def _verify(self):
        """Read everything back from the medium, and name it in the manifest; its digest."""
        slots, files = self._slots, self._files
        manifest = slots.target + "/" + starting.MANIFEST
        signed = hexlify(hashlib.sha256(self._signed).digest()).decode()
        with files.open(manifest, "wb") as out:
            out.write(b"limpet-manifest 1 %d\n" % self._description.sequence)
            out.write(("%s %s\n" % (signed, RELEASE)).encode())
            for folder in self._description.folders:
                for entry in self._entries(folder):
                    path = self._path(folder, entry.name)
                    if self.kept:  # what an earlier run wrote may be only in memory still
                        with files.open(path, "r+b") as file:
                            files.sync(file)
                    if starting.file_digest(files, path) != entry.hash:
                        raise SlotError("%s is not on the medium as it was written" % entry.name)
                    inner = path[len(slots.target) + 1 :]
                    out.write(("%s %s\n" % (entry.hash, inner)).encode())
                    yield
            files.sync(out)
        for folder in self._folders():
            files.sync_folder(folder)
        digest = starting.file_digest(files, manifest)
        if not starting.is_whole(files, slots.target, digest):
            raise SlotError("the slot holds something else than was written to it")
        return digest

    def _folders(self):
        """Every folder with a name in it that the release needs, the root too."""
        slots = self._slots
        found = {slots.root, slots.target, slots.target + "/.limpet"}
        for folder in self._description.folders:
            path = slots.target
            for part in folder.path.split("/") if folder.path != "." else ():
                path += "/" + part
                found.add(path)
        return sorted(found)


class _Medium(Exception):
    """The medium refuses a write: nothing to do with what is written."""


class _Lines:
    """Lines of what `reader` reads."""

    def __init__(self, reader):
        self._reader = reader
        self._held = b""

    def readline(self):
        """The next line with its end; what there is at the end of all."""
        at = self._held.find(b"\n")
        while at < 0 and len(self._held) < 512:
            more = self._reader.read(256)
            if not more:
                at = len(self._held) - 1
                break
            self._held += more
            at = self._held.find(b"\n")
        line, self._held = self._held[: at + 1], self._held[at + 1 :]
        return line


def _read_file(files, path):
    if path is None:
        return
    with files.open(path, "rb") as file:
        data = file.read(512)
        while data:
            yield data
            data = file.read(512)


def _chunks(reader, size):
    left = size + 1  # one more, so that a longer one is noticed and not held
    while left > 0:
        data = reader.read(min(512, left))
        if not data:
            return
        left -= len(data)
        yield data
