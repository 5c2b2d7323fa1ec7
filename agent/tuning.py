"""Settings reach the running parts: what is wanted, by a call or a desired document, and a trial.

The one rule: a change is on the medium before a part hears of it. What needs another connection
waits until the answer to whoever asked has left, for LEAVE_MOST_MS at most. Loaded at its first
use: a device whose settings nobody ever touched has no `reported`.
Owner: the main thread.
"""

import json
from binascii import hexlify

from interpreter import random_bytes

from agent.commands.seal import LEFT, BadSeal
from agent.errors import LimpetError
from agent.twin import desired as documents
from agent.twin import settings
from agent.twin.twin import ONLINE, NoTrial, OnTrial

LEAVE_LEAST_MS = 200  # in which the journal has the answer, and the link gets it
AGAIN_MS = 200  # after the link had no room: acknowledgements make some in less
LEAVE_MOST_MS = 3000  # the broker does not acknowledge it: the caller hears it from `reported`


class Tuning:
    """`hands` are what reaches the parts; the composition root gives them:

    live        {path: function(value)} of what changes at once
    leave       function(values, now): a new connection, under these settings
    restart     function(): end the agent, to be started again
    drained     function(): whether the broker has all that was published
    publish     function(name, payload): retained, False without room
    authorise   function(caller, identity): raises Denied unless it may set
    ask_again   function(): have the broker say again what is desired, and that calls may come
    """

    def __init__(self, twin, fields, clock, gate, log, hands):
        self.twin = twin
        self._fields = fields
        self._clock = clock
        self._gate = gate
        self._log = log
        self._hands = hands
        self._leave_since = None  # when leaving was asked for
        self._is_under_trial = True  # whether this connection is under the settings wanted
        self._is_connected = False
        self._is_deferred = False  # whether a desired document waits for the trial's end
        self._is_told = False  # whether `reported` says how things are
        self._tell_at = 0  # not before: there was no room for it

    @property
    def due(self):
        """When `step` has something to do, in ms; None for never."""
        if self._must_tell():
            return self._tell_at
        if self._leave_since is not None:
            return self._leave_since + LEAVE_LEAST_MS
        return self.twin.deadline

    def report(self):
        """What is in force."""
        return self.twin.report(self._clock.now())

    def edit(self, patch, unset, options):
        """Change some settings for a caller."""
        identity = "set-" + hexlify(random_bytes(4)).decode()
        self._apply(self.twin.edit(patch, unset, options, self._clock.now(), identity))
        return self.report()

    def confirm(self, identity):
        """What is on trial stays."""
        if not self._is_under_trial or not self._is_connected:
            raise NoTrial("no connection was made under these settings yet")
        self.twin.confirm(identity)
        self._trial_ended()
        return self.report()

    def revert(self, identity):
        """Go back from what is on trial."""
        self._go_back(self.twin.revert(identity))
        return self.report()

    def _apply(self, paths):
        self._is_told = False
        now = [p for p in paths if settings.rule(p)[0] == settings.LIVE]
        trial = self.twin.trial
        if trial is None or not trial["waits"]:
            other = [p for p in paths if settings.rule(p)[0] == settings.RECONNECT]
            if other:
                self._leave_since = self._clock.now()
                self._is_under_trial = False
            now += other
        self.twin.take_over(now)
        for path in now:
            reach = self._hands["live"].get(path)
            if reach is not None:
                reach(settings.value_at(self.twin.running, path))

    def _go_back(self, paths):
        self._log.warning("settings go back: %s", self.twin.outcome["reason"])
        self._apply(paths)
        waiting = settings.changed(self._fields, self.twin.running, self.twin.wanted)
        if any([settings.rule(path) == (settings.RESTART, True) for path in waiting]):
            self._hands["restart"]()
        self._trial_ended()

    def _trial_ended(self):
        self._is_told = False
        if self._is_deferred:
            self._is_deferred = False
            self._hands["ask_again"]()

    def connected(self):
        """There is a connection, under the settings wanted unless leaving is still ahead."""
        self._is_connected = True
        self._is_told = False
        self._is_under_trial = self._leave_since is None
        if self.twin.trial is not None and self._is_under_trial:
            self._hands["ask_again"]()

    def disconnected(self):
        """There is none any more."""
        self._is_connected = False

    def subscribed(self):
        """The broker has granted the calls of this device."""
        trial = self.twin.trial
        if trial is not None and trial["confirm"] == ONLINE and self._is_under_trial:
            try:
                self.confirm(None)
            except LimpetError as error:
                self._log.warning("the trial cannot be confirmed: %s", error.message)

    def step(self, now):
        """Leave, go back, tell: what is due."""
        if self.twin.deadline is not None and now >= self.twin.deadline:
            reason = "not confirmed within %d s" % self.twin.trial["within_s"]
            self._go_back(self.twin.revert(None, reason))
        if self._leave_since is not None:
            self._leave_when_drained(now)
        if self._must_tell() and now >= self._tell_at:
            self._is_told = self._hands["publish"](json.dumps(self.report()).encode())
            self._tell_at = 0 if self._is_told else now + AGAIN_MS

    def _must_tell(self):
        return not self._is_told and self._is_connected and self.twin.touched

    def _leave_when_drained(self, now):
        passed = now - self._leave_since
        is_answered = passed >= LEAVE_LEAST_MS and self._hands["drained"]()
        if self._is_connected and passed < LEAVE_MOST_MS and not is_answered:
            return
        self._leave_since = None
        self._is_connected = False
        self._hands["leave"](self.twin.running, now)

    def take_desired(self, topic, payload):
        """A desired document came; an empty one says nothing, since anybody could send it."""
        if not payload:
            return
        try:
            opened = self._gate.open(payload, topic, None)
        except LimpetError:
            return  # counted by the gate: nobody is known to have written it
        seal = opened.seal
        known = self.twin.desired
        digest = documents.digest_of(payload)
        number = None if seal is None else seal.number
        found = documents.judge(digest, number, known["digest"], known["counter"])
        if found == documents.AGAIN:
            return
        answer = {"id": documents.id_of(opened.body), "state": "in-force", "reason": None}
        kept = {"counter": number or known["counter"], "digest": digest, "answer": answer}
        try:
            if seal is not None and seal.form != LEFT:
                raise BadSeal("a desired document is sealed to be left: form left")
            self._hands["authorise"](opened.caller, answer["id"])
            if found == documents.STALE:
                raise _Stale("its counter is not above the last", {"counter": known["counter"]})
            self._take(opened.body, kept)
        except OnTrial:
            self._is_deferred = True
            self._refuse(dict(known, answer=dict(answer, state="waiting")), False)
        except LimpetError as error:
            if seal is None and error.code == "denied":
                return  # whoever reaches the broker could have it answered without end
            words = {"code": error.code, "message": error.message, "data": error.data}
            answer = dict(answer, state="refused", reason=words)
            # Only what the right sender said in the right form costs a write.
            is_new = found == documents.NEW and error.code not in ("denied", "bad-seal", "store")
            kept = dict(kept if is_new else known, answer=answer)
            self._refuse(kept, is_new and seal is not None)

    def _refuse(self, kept, keep):
        self.twin.note_desired(kept, keep)
        self._is_told = False

    def _take(self, body, kept):
        wanted = documents.parse(body)
        now = self._clock.now()
        self._apply(self.twin.replace(wanted.settings, wanted.options, now, wanted.id, kept))
        self._log.info("settings of the desired document %s are taken", wanted.id)


class _Stale(LimpetError):
    """The document is not younger than one taken before."""

    code = "stale"
