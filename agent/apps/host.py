"""Runs the apps of the device's owner, and outlives them.

The one rule: whatever an app does, the agent goes on and says what it was: an app that cannot be
loaded, whose runs by schedule fail `MOST_FAILURES` times in a row, or that takes the process down
again and again, is stopped, with the reason and the traceback; its commands are unknown then.

Where apps lie, and what they may use, comes with the constructor; nothing here knows MQTT or an
update. Owner: the main thread.
"""

import json

from interpreter import format_exception
from loading import forget, load

from agent.apps import App
from agent.apps.manifest import FILE, MAX_BYTES, check_name, parse_manifest
from agent.apps.trust import SETTLE_MS, Trust
from agent.commands.job import FAULTS
from agent.errors import BadConfig, BadParams, LimpetError

STORED = "apps"
MOST_APPS = 16  # each costs its code, at least 2 KiB of a 32-bit device
MOST_FAILURES = 5
MAX_TRACEBACK = 2000  # characters kept: the innermost frames

UP, STOPPED, FAILED, WAITING = "up", "stopped", "failed", "waiting"


class AppFailed(LimpetError):
    """The app could not be started; `data` holds the traceback."""

    code = "app-failed"


class _Entry:
    """One app, as it lies in `folder`."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.manifest = None
        self.app = None
        self.state = WAITING
        self.reason = None
        self.traceback = None
        self.failures = 0  # runs by schedule that failed in a row

    def words(self):
        """What is told of it, JSON-able."""
        words = {"name": self.name, "state": self.state}
        if self.manifest:
            for name in ("version", "about", "required"):
                words[name] = self.manifest[name]
        if self.reason:
            words["reason"] = self.reason
        return words


class Host:
    """The apps of a device.

    `places()` gives {name: folder} of what is there; `board` is what they are joined to:
        add(name, app): make its commands and schedules known. Raises LimpetError.
        remove(name): make them unknown, and ask its runs to end.
        hands(name): the Hands of an app of that name.
        report(name, words): tell whoever watches.
    """

    def __init__(self, store, places, board):
        self._store = store
        self._places = places
        self._board = board
        self._entries = {}
        self._stopped = []  # names that a caller stopped: they stay so
        self._trust = Trust({})
        self._settle_at = None
        self.surplus = []  # names of apps that are there and beyond MOST_APPS
        self.due = None  # uptime in ms to call `step` at, or None

    def begin(self, now, changed=()):
        """Take in what is there, and start what may start; `changed` are names whose code is
        another than before, and blameless. Raises StoreError."""
        data = self._store.read(STORED)
        record = json.loads(data) if data else {}
        self._stopped = record.get("stopped", [])
        self._trust = Trust(record)
        self._trust.settled(changed)
        self.look()
        self._start_next(now)

    def look(self):
        """Take in apps that came, and forget those that went and do not run."""
        places = self._places()
        for name in list(self._entries):
            if name not in places and self._entries[name].state != UP:
                del self._entries[name]
        for name in sorted(places):
            entry = self._entries.get(name)
            if entry is None:
                if len(self._entries) < MOST_APPS:
                    self._entries[name] = self._make_entry(name, places[name])
            elif entry.state != UP:
                entry.folder = places[name]
        self.surplus = sorted([name for name in places if name not in self._entries])

    def _make_entry(self, name, folder):
        entry = _Entry(name, folder)
        if name in self._stopped:
            entry.state = STOPPED
        return entry

    def step(self, now):
        """Let those that settled count as good, and start the next; when `due` has come."""
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            self._trust.settled(list(self._trust.starting))
            self._keep()
        self._start_next(now)

    def _start_next(self, now):
        waiting = sorted([e.name for e in self._entries.values() if e.state == WAITING])
        names = self._trust.next(waiting, now)
        if names:
            self._trust.starting = list(names)
            self._settle_at = now + SETTLE_MS
            try:
                self._keep()
            except LimpetError as error:
                # Not one of them has a name on the medium: then a deadly one could not be told.
                for name in names:
                    self._fail(self._entries[name], "it cannot be noted: %s" % error.message)
                names = ()
            for name in names:
                self._try(self._entries[name])
        left_out = self._trust.left_out()
        for name in left_out:
            entry = self._entries.get(name)
            if entry and entry.state == WAITING and entry.reason is None:
                entry.reason = "the agent died with it again and again: it waits for an hour"
                self._board.report(name, entry.words())
        self._plan(left_out)

    def _plan(self, left_out):
        due = self._settle_at
        for at in left_out.values():
            due = at if due is None else min(due, at)
        self.due = due

    def _keep(self):
        words = self._trust.words()
        words["stopped"] = self._stopped
        self._store.write(STORED, json.dumps(words).encode())

    def _try(self, entry):
        """Start an app; what is wrong with it is told and ends nothing."""
        try:
            self._bring_up(entry)
        except LimpetError as error:
            self._fail(entry, error.message)
        except FAULTS as error:  # its fault is not the agent's
            self._fail(entry, "%s: %s" % (type(error).__name__, error), format_exception(error))

    def _bring_up(self, entry):
        entry.reason = entry.traceback = None
        entry.failures = 0
        entry.manifest = _read_manifest(entry)
        module = load(entry.folder, entry.name)
        app = getattr(module, "app", None)
        if not isinstance(app, App):
            forget(entry.name)
            raise BadConfig("%s has no `app = App()`" % entry.name)
        entry.app = app
        try:
            app.start(self._board.hands(entry.name))
            self._board.add(entry.name, app)
        except BaseException:
            self._put_down(entry)
            raise
        entry.state = UP

    def _put_down(self, entry):
        app, entry.app = entry.app, None
        self._board.remove(entry.name)
        try:
            app.stop()
        except FAULTS as error:  # it is stopped, whatever it says to it
            entry.reason = "%s: %s" % (type(error).__name__, error)
        forget(entry.name)

    def _fail(self, entry, reason, traceback=None):
        entry.state = FAILED
        entry.reason = reason
        entry.traceback = traceback[-MAX_TRACEBACK:] if traceback else None
        words = entry.words()
        if entry.traceback:
            words["traceback"] = entry.traceback
        self._board.report(entry.name, words)

    def start(self, name):
        """Start an app on a caller's word; it starts with the agent from now on.

        Raises BadParams, StoreError, or AppFailed with what is wrong with it.
        """
        self.look()
        entry = self.find(name)
        if entry.state == UP:
            return entry
        if name in self._stopped:
            self._stopped.remove(name)
        self._trust.settled([name])
        self._keep()
        self._try(entry)
        if entry.state != UP:
            raise AppFailed("%s: %s" % (name, entry.reason), {"traceback": entry.traceback})
        return entry

    def stop(self, name):
        """Stop an app on a caller's word; it stays so. Raises BadParams or StoreError."""
        entry = self.find(name)
        if name not in self._stopped:
            self._stopped.append(name)
        self._trust.settled([name])
        self._keep()
        self._halt(entry)
        return entry

    def _halt(self, entry):
        if entry.state == UP:
            self._put_down(entry)
        entry.state = STOPPED

    def replace(self, name):
        """Run what lies there now in place of what ran. Raises as `start` does."""
        entry = self._entries.get(name)
        if entry is not None:
            self._halt(entry)
        return self.start(name)

    def drop(self, name):
        """Stop an app whose folder goes away, and forget it."""
        if name in self._entries:
            self._halt(self._entries.pop(name))

    def state_of(self, name):
        """(state, what is wrong with it or None) of an app."""
        entry = self._entries.get(name)
        if entry is None:
            return FAILED, "it is not there"
        return entry.state, _ask(entry.app.ail) if entry.state == UP else entry.reason

    def veto(self, name=None):
        """The reason of an app, or of the first that has one, against a restart now, or None."""
        for other in sorted(self._entries):
            entry = self._entries[other]
            if entry.state == UP and name in (None, other):
                reason = _ask(entry.app.object_to_restart)
                if reason:
                    return "app %s: %s" % (other, reason)
        return None

    def ended(self, name, error):
        """A run by schedule of an app has ended; `error` is None, or what it raised."""
        entry = self._entries.get(name)
        if entry is None or entry.state != UP:
            return
        if error is None:
            entry.failures = 0
            return
        entry.failures += 1
        if entry.failures >= MOST_FAILURES:
            self._put_down(entry)
            reason = "%d runs in a row failed, the last: %s" % (entry.failures, error.message)
            self._fail(entry, reason, (error.data or {}).get("traceback"))

    def find(self, name):
        """The entry of that name. Raises BadParams."""
        entry = self._entries.get(name)
        if entry is None:
            raise BadParams("name: no app is called %s; app.list names all" % name)
        return entry

    def all(self):
        """Each entry, by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def ail(self):
        """What keeps the device from being well, a sentence for each app; [] if all are."""
        found = []
        for entry in self._entries.values():
            reason = None
            if entry.state == UP:
                reason = _ask(entry.app.ail)
            elif entry.manifest is None or entry.manifest["required"]:
                reason = entry.reason or entry.state
            if reason and entry.state != STOPPED:
                found.append("%s: %s" % (entry.name, reason))
        return sorted(found)


def _ask(call):
    try:
        return call()
    except FAULTS as error:  # a check that raises is an answer too
        return "%s: %s" % (type(error).__name__, error)


def _read_manifest(entry):
    try:
        with open("%s/%s" % (entry.folder, FILE), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadConfig("%s/%s: %s" % (entry.name, FILE, error))
    found = parse_manifest(data)
    if found["name"] != entry.name:
        raise BadConfig("%s/%s: it names %s" % (entry.name, FILE, found["name"]))
    return found


def places_in(folder):
    """{name: folder} of the apps that lie in `folder`, each a folder of its own with app.json."""
    import os

    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            check_name(name)
            os.stat("%s/%s/%s" % (folder, name, FILE))
        except (BadConfig, OSError):
            continue
        found[name] = "%s/%s" % (folder, name)
    return found
