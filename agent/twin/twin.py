"""Settings that were wanted from afar, on the medium, and the trial that dangerous ones are on.

One record holds all of it: what differs from the configuration file, the trial under way with what
was before it, and what the last desired document was answered. The one rule: a step is one write
of that record, on the medium before anything acts on it; so a power cut leaves the step before or
the step after, and settings on trial are never without what leads back from them.

A trial's time cannot be measured while the power is off. So it begins anew at a start, and the
second start within it goes back: a change that makes the device restart counts against itself.
Where a start cannot be written down, settings on trial are not used.

`now` is in ms and never wraps. Knows no MQTT. Owner: the main thread.
"""

import json

from agent.errors import LimpetError
from agent.twin import settings

NAME = "twin"
# Two sets of settings and an answer are in one record, of at most 16 KiB (store.MAX_VALUE_BYTES).
MAX_SETTINGS_BYTES = 6144
MOST_STARTS = 1  # within a trial

CALLER, ONLINE = "caller", "online"  # who confirms


class Conflict(LimpetError):
    """The settings are not those that the change was made for; `data` has the revision."""

    code = "conflict"


class OnTrial(LimpetError):
    """Settings are on trial: they have to be confirmed or reverted before others come."""

    code = "on-trial"


class NoTrial(LimpetError):
    """Nothing is on trial, or another change is; or it cannot be confirmed from here yet."""

    code = "no-trial"


class BadSetting(LimpetError):
    """A setting that cannot be changed so; the message begins with its path."""

    code = "bad-setting"


class Twin:
    """`file` is the checked configuration; `check(values)` returns values as the file's are, or
    raises BadConfig; `probe(values)` raises it where a change would name what is not there.

    `wanted` are the settings that hold after the next start, `running` those in force now;
    `trial` is None or a dict; `notice` what the log should say of the start.
    """

    def __init__(self, store, file, fields, check, probe):
        self._store = store
        self._probe = probe
        self._file = file
        self._fields = fields
        self._check = check
        self.revision = 0
        self.touched = False  # whether anything was ever wanted from afar
        self._changes = {}  # what differs from the file
        self.trial = None
        self.deadline = None  # of the trial, in ms
        self.outcome = None  # how the last trial ended
        self.desired = {"counter": 0, "digest": None, "answer": None}
        self.wanted = file
        self.running = file
        self.notice = None

    def load(self, now):
        """Read the record, and decide what the settings of this start are."""
        try:
            value = self._store.read(NAME)
            if value is None:
                if self._store.is_damaged(NAME):
                    self.notice = "the record of the settings is damaged: the file's are used"
                return
            self._read(json.loads(value))
            if self.trial is not None:
                self._begin_again(now)
            self.wanted = self.running = self._effective(self._changes)
        except (LimpetError, ValueError, KeyError, TypeError) as error:
            # The next change starts from the file: these would have it refused for what is theirs.
            self._changes = {}
            self.trial = self.deadline = None
            self.wanted = self.running = self._file
            self.notice = "settings from afar are not used: %s" % error

    def _read(self, words):
        self.touched = True
        self.revision = words["revision"]
        self._changes = words["changes"]
        self.trial = words["trial"]
        self.outcome = words["outcome"]
        self.desired = words["desired"]

    def _begin_again(self, now):
        """A start within a trial: go on with it once, with its time anew; or go back."""
        trial = dict(self.trial)
        reason = "the device started %d times within the trial" % (trial["starts"] + 1)
        if trial["starts"] < MOST_STARTS:
            trial["starts"] += 0 if trial["waits"] else 1
            trial["waits"] = False
            try:
                self._write(trial=trial)
                self.deadline = now + trial["within_s"] * 1000
                return
            except LimpetError as error:
                reason = "the start could not be written down: %s" % error.message
        self.notice = "settings on trial are gone back from: %s" % reason
        self._go_back(reason)

    def _effective(self, changes):
        return self._check(settings.merged(self._file, changes))

    def _write(self, **members):
        """Put the record with other `members` on the medium, then take them over."""
        words = {
            "revision": self.revision,
            "changes": self._changes,
            "trial": self.trial,
            "outcome": self.outcome,
            "desired": self.desired,
        }
        words.update(members)
        self._store.write(NAME, json.dumps(words).encode())
        self._read(words)

    def replace(self, changes, options, now, identity, desired=None):
        """Have all of `changes`, and nothing else, differ from the file; the paths that changed.

        `options` are those of desired.TRIAL_FIELDS, `identity` names the change, `desired` is
        kept beside it. All or nothing: raises, and then nothing has changed.
        """
        if options["if_revision"] not in (None, self.revision):
            text = "if_revision: %d, and %d is in force"
            told = {"revision": self.revision}
            raise Conflict(text % (options["if_revision"], self.revision), told)
        if self.trial is not None:
            raise OnTrial("%s is on trial: confirm or revert it first" % self.trial["id"])
        if settings.size_of(changes) > MAX_SETTINGS_BYTES:
            raise BadSetting("settings: over %d bytes as JSON" % MAX_SETTINGS_BYTES)
        values = self._effective(changes)
        paths = settings.changed(self._fields, self.wanted, values)
        for path in paths:
            if settings.rule(path)[0] == settings.FIXED:
                raise BadSetting("%s: only the configuration file may say that" % path)
        self._probe(values)
        trial = self._make_trial(paths, options, identity)
        revision = self.revision + (1 if changes != self._changes else 0)
        kept = self.desired if desired is None else desired
        if trial is not None and desired is not None:
            kept = dict(kept, answer=dict(kept["answer"], state="on-trial"))
        self._write(changes=changes, trial=trial, desired=kept, revision=revision)
        self.wanted = values
        if trial is not None and not trial["waits"]:
            self.deadline = now + trial["within_s"] * 1000
        return paths

    def _make_trial(self, paths, options, identity):
        rules = [settings.rule(path) for path in paths]
        if not any([on_trial for _, on_trial in rules]):
            return None
        return {
            "id": identity,
            "before": self._changes,
            "within_s": options["within_s"],
            "confirm": options["confirm"],
            "starts": 0,
            "waits": (settings.RESTART, True) in rules,  # for the start that brings it in force
        }

    def edit(self, patch, unset, options, now, identity):
        """Change what `patch` names, and let what `unset` names be as in the file; the paths."""
        changes = settings.merged(settings.copied(self._changes), patch)
        known = [path for path, _ in settings.walk(self._fields)]
        for path in unset:
            if path not in known:
                raise BadSetting("unset: %s: there is no such setting" % path)
            settings.drop_at(changes, path)
        return self.replace(changes, options, now, identity)

    def take_over(self, paths):
        """The running parts use what is wanted at `paths` from now on."""
        running = settings.copied(self.running)
        for path in paths:
            settings.put_at(running, path, settings.value_at(self.wanted, path))
        self.running = running

    def confirm(self, identity=None):
        """What is on trial stays. Raises NoTrial or StoreError."""
        self._check_trial(identity)
        if self.trial["waits"]:
            raise NoTrial("%s waits for a restart: it is not in force yet" % self.trial["id"])
        self._end("confirmed", None, self._changes)

    def revert(self, identity=None, reason="a caller asked for it"):
        """Go back from what is on trial; the paths that change. Raises NoTrial.

        It goes back even if that cannot be written: then the next start does.
        """
        self._check_trial(identity)
        return self._go_back(reason)

    def _check_trial(self, identity):
        if self.trial is None:
            raise NoTrial("nothing is on trial")
        if identity not in (None, self.trial["id"]):
            raise NoTrial("%s is on trial, not %s" % (self.trial["id"], identity))

    def _go_back(self, reason):
        before = self.trial["before"]
        old = self.wanted
        try:
            self._end("reverted", reason, before)
        except LimpetError:
            self._changes, self.trial, self.deadline = before, None, None
        self.wanted = self._effective(before)
        return settings.changed(self._fields, old, self.wanted)

    def _end(self, state, reason, changes):
        outcome = {"id": self.trial["id"], "state": state, "reason": reason}
        desired = self.desired
        answer = desired["answer"]
        if answer is not None and answer["id"] == outcome["id"]:
            state = "in-force" if state == "confirmed" else state
            desired = dict(desired, answer=dict(answer, state=state, reason=reason))
        revision = self.revision + (0 if changes == self._changes else 1)
        self._write(
            trial=None, outcome=outcome, changes=changes, desired=desired, revision=revision
        )
        self.deadline = None

    def note_desired(self, desired, keep):
        """What a document that changed nothing was answered; on the medium if `keep`."""
        if keep:
            try:
                self._write(desired=desired)
                return
            except LimpetError:
                pass  # answered again after a restart, with the same end
        self.touched = True
        self.desired = desired

    def report(self, now):
        """What `reported` and `config.get` tell, as a JSON-able dict without secrets."""
        shown, secrets = settings.public(self._fields, self.running)
        return {
            "revision": self.revision,
            "settings": shown,
            "secrets": secrets,
            "changed": settings.changed(self._fields, self._file, self.wanted),
            "pending_restart": settings.changed(self._fields, self.running, self.wanted),
            "trial": self._tell_trial(now),
            "last_trial": self.outcome,
            "desired": self.desired["answer"],
        }

    def _tell_trial(self, now):
        if self.trial is None:
            return None
        trial = self.trial
        words = {"id": trial["id"], "confirm": trial["confirm"], "waits": trial["waits"]}
        left_ms = trial["within_s"] * 1000 if self.deadline is None else self.deadline - now
        words["left_s"] = max(0, left_ms // 1000)
        return words
