"""Two folders of files, and what is in which.

The one rule: what may be started is never written to, and one record on the medium says what may
be: its write is the only moment at which anything changes. Everything that a record speaks of is
on the medium before it. No rename is needed, so littlefs, FAT and POSIX are alike.

The records, and what a start does with them, are `limpet_start`'s, which is no part of a slot.
Owner: the main thread, or the task that fetches.
"""

import os
import time

import limpet_start as starting
from interpreter import sync_folder

from agent.errors import LimpetError, Unavailable

RELEASE = ".limpet/release"  # in a slot: the signed description, as it came
PARTS = "parts"  # in the root: what is being fetched
TRIES = 3  # starts that a trial gets
_ASKED_S = 10  # for an executable to say that it starts here


class SlotError(LimpetError):
    """The slots cannot be used so; the message says why."""

    code = "slots"


class Files(starting.Files):
    """The real files, with what an update needs."""

    def sync_folder(self, path):
        """As it has it; where there is os.sync, that."""
        sync_folder(path)

    def mkdir(self, path):
        """Make a folder."""
        os.mkdir(path)

    def remove(self, path):
        """Remove a file, or a symbolic link, not what it points to."""
        os.remove(path)

    def rmdir(self, path):
        """Remove an empty folder."""
        os.rmdir(path)

    def ask(self, path, words):
        """How an executable ends when it is started with `words`; it has some seconds for it.

        The one call here that waits: just before a restart, and a broker is patient for longer.
        """
        from agent import system_calls

        calls = system_calls.load()
        pid = calls.spawn([path] + list(words), None, None, None, [])
        for _ in range(_ASKED_S * 20):
            status = calls.wait(pid)
            if status is not None:
                return status
            time.sleep(0.05)
        calls.kill(-pid, 9)
        return None

    def make_executable(self, path):
        """For a file of mode 755."""
        if hasattr(os, "chmod"):
            os.chmod(path, 0o755)
        elif hasattr(os, "system") and "'" not in path:
            os.system("chmod 755 '%s'" % path)
        else:
            starting.Files.make_executable(self, path)


class Slots:
    """`state` is a limpet_start.State; `running` the slot that this agent was started from."""

    def __init__(self, files, root, state, running):
        self.files = files
        self.root = root
        self.state = state
        self.running = running
        good = state.good if running is None else running
        self.target = root + "/" + starting.other(good)
        self.source = root + "/" + good

    @property
    def is_trial(self):
        """Whether what runs is on trial."""
        return self.state.kind == "trial" and self.running not in (None, self.state.good)

    def _write(self, **values):
        try:
            state = starting.change(self.state, **values)
            self.state = starting.write_state(self.files, self.root, state)
        except OSError as error:
            raise SlotError("the state cannot be stored: %s" % error)

    def begin(self, identity, sequence):
        """The other slot is for the release `identity` from here on; what it has of it stays."""
        state = self.state
        if self.is_trial or state.kind == "trial":
            raise SlotError("a release is on trial")
        if self.running not in (None, state.good):
            # The good slot is broken, and this one was started in its place: so it is good now.
            good = (self.running, state.other, state.other_digest)
            self._write(good=good[0], sequence=good[1], digest=good[2], kind="none")
            state = self.state
        words = (state.kind, state.other, state.other_digest)
        if words != ("fetching", sequence, identity):
            self._write(kind="fetching", other=sequence, other_digest=identity, reason="-")
            self.wipe_parts()
        for path in ("", "/.limpet"):
            self.make_folder(self.target + path)
        self.make_folder(self.root + "/" + PARTS)

    def make_folder(self, path):
        """Make a folder that may be there, and those between it and the root."""
        made = self.root
        for part in path[len(self.root) + 1 :].split("/"):
            kinds = dict(self.files.entries(made))
            made += "/" + part
            if kinds.get(part) in ("f", "?"):  # a link planted there would lead out of the slot
                self.files.remove(made)
            if kinds.get(part) != "d":
                self.files.mkdir(made)

    def wipe(self, folder):
        """Remove all that is in a folder."""
        for name, kind in self.entries(folder):
            path = folder + "/" + name
            if kind == "d":
                self.wipe(path)
                self.files.rmdir(path)
            else:
                self.files.remove(path)

    def wipe_parts(self):
        """Remove what was fetched and is not needed any more."""
        self.wipe(self.root + "/" + PARTS)

    def entries(self, folder):
        """As Files.entries, nothing where there is no such folder."""
        try:
            return list(self.files.entries(folder))
        except OSError:
            return []

    def part(self, name):
        """Path of what is being fetched under that name."""
        return "%s/%s/%s" % (self.root, PARTS, name)

    def find(self, digest):
        """Path of the file in the running slot whose digest begins so, None if there is none."""
        try:
            with self.files.open(self.source + "/" + starting.MANIFEST, "rb") as file:
                file.readline()
                line = file.readline()
                while line:
                    if line.startswith(digest.encode()):
                        return self.source + "/" + line.decode().strip().split(" ", 1)[1]
                    line = file.readline()
        except OSError:
            pass
        return None

    def stage(self, digest):
        """All of the release is in the other slot, verified and synced; its manifest's digest."""
        self._write(kind="staged", other_digest=digest)

    def try_other(self, tries=TRIES):
        """The next start tries what is staged, or the release before this one."""
        if self.state.kind not in ("staged", "previous"):
            raise SlotError("nothing is there to be tried")
        if not starting.is_whole(self.files, self.target, self.state.other_digest):
            self._write(kind="none", reason="not-whole")
            raise SlotError("what is there is not whole")
        try:
            self.files.remove(self.root + "/" + starting.REASON)
        except OSError:
            pass
        self._write(kind="trial", tries=tries, reason="-")

    def confirm(self, floor):
        """What runs on trial has proved itself: the release before it stays in reserve."""
        if not self.is_trial:
            raise SlotError("nothing is on trial")
        state = self.state
        floor = max(floor, state.floor)
        self._write(
            good=starting.other(state.good),
            sequence=state.other,
            digest=state.other_digest,
            kind="previous" if state.sequence >= floor else "none",
            other=state.sequence,
            other_digest=state.digest,
            tries=0,
            floor=floor,
            failed=0 if state.other >= state.failed else state.failed,
            reason="-",
        )

    def give_up(self, reason):
        """What runs on trial goes back at the next start; a word says why."""
        if self.is_trial:
            self._write(tries=0, reason=reason)

    def fail(self, sequence, reason):
        """A release that cannot be had in full: not to be tried again."""
        self._write(kind="none", failed=sequence, reason=reason)

    def mark_back(self):
        """What runs is not to be put in use again by itself: its owner goes back from it."""
        if self.state.kind != "previous":
            raise SlotError("the release before this one is not there any more")
        self._write(failed=self.state.sequence)

    def clear(self):
        """Nothing is in use any more; what is the least that may be, stays."""
        first = starting.change(starting.FIRST, turn=self.state.turn, floor=self.state.floor)
        self._write(**{name: first[at] for at, name in enumerate(starting.NAMES)})

    def why(self):
        """Why a release went back or could not be had, None if none did."""
        word = self.state.reason
        if word == "-":
            return None
        try:
            with self.files.open(self.root + "/" + starting.REASON, "rb") as file:
                return "%s: %s" % (word, file.read(400).decode())
        except (OSError, UnicodeError):
            return word


def here():
    """The Slots that this agent was started from. Raises Unavailable."""
    if starting.here is None:
        raise Unavailable("this agent was not started from a slot: limpet_start.py does that")
    _, root, state, running, image = starting.here
    if image is None:
        return Slots(Files(), root, state, running)
    if not isinstance(image, str):
        from agent.update import slots_esp32

        return slots_esp32.Slots(image, slots_esp32.Files(image), root, state, running)
    from agent.update import slots_image

    return slots_image.Slots(Files(), root, state, running)
