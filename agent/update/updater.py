"""One update from its offer to its confirmation, in turns of the main loop.

The one rule: a step never waits and never takes long: signatures, hashes and files go on a little
in each, and what waits says until when. What must survive is in the slots' record and in the
store; everything here can be lost at any moment.
"""

import json
from binascii import hexlify
from hashlib import sha256

import limpet_start as starting
from interpreter import random_bytes

from agent.errors import BadParams, Cancelled, LimpetError, Unavailable
from agent.update import plan, release, sources
from agent.update.fetch import BadDepot, Fetch
from agent.update.slots_files import RELEASE, here

STEPS = 16  # of work in one turn: as many as of a signature, see bridge.py
PING_MS = 5000  # between two looks at one's own answer while on trial
FEED_MS = starting.STALLED_S * 250  # a trial says so often that it lives
RETRY_MS = 60_000  # after a medium that refused; doubled up to an hour
_MOST_RETRY_MS = 3_600_000
LOOK_MS = 30_000  # at window and veto, while something is staged
_KEYRING = "keyring"
HOLD_MS = 5000  # that a restart waits for its caller to have an answer
FOLLOW_MS = 500  # between two looks for a caller who follows


def make(options, store, clock, outside):
    """The Updater of this process. Raises Unavailable."""
    try:
        return Updater(options, here(), store, clock, outside)
    except release.BadRelease as error:
        raise Unavailable(error.message)


class Updater:
    """`options` is the configuration's `update`, `outside` a sources.Outside.

    `veto()` gives a reason against a restart now, or None; `checks` are functions that say what
    a trial lacks, "" for nothing.
    """

    def __init__(self, options, slots, store, clock, outside):
        self._options = options
        self.slots = slots
        self._clock = clock
        self._outside = outside
        self._ends_at = None  # when it was found that the process must end
        self._follower = None  # a Job whose caller is to hear of it before that
        self.veto = lambda: None
        self.checks = []
        base, device = outside.root + "/", outside.device
        self._offer_topic = "%srelease/%s" % (base, options["channel"])
        self._beacon_topic = "%s%s/time" % (base, device)
        self._knows_now = options["beacon"] is None
        self._ping_topic = "%sreply/%s-trial" % (base, device)
        self._call_topic = "%s%s/call" % (base, device)
        self._depot = sources.make_depot(options, outside)
        self._trust = sources.Trust(store, _KEYRING, options["keyring"])
        self._offer = None  # the signed bytes last offered
        self._work = None
        self._fetch = None
        self._phase = None
        self._offered = None  # the Description being worked on
        self._retry_ms = RETRY_MS
        self._retry_at = None
        # What was staged before a restart is still to be tried.
        self._look_at = 0 if slots.state.kind == "staged" else None
        self._asked = (False, False)
        self.last = None  # the decision last made: (sequence, kind, reason)
        self._is_up = False
        self._ping = self._pinged = None
        self._ping_at = self._fed_at = self._held_at = 0
        self._health = self._make_health()
        self._told = False

    def _make_health(self):
        if not self.slots.is_trial:
            return None
        for_ms = self._options["healthy_s"] * 1000
        return plan.Health(self._clock.now(), for_ms, self._options["within_s"] * 1000)

    def subscribe(self):
        """Want what concerns updates from the broker."""
        listen = self._outside.listen
        listen(self._offer_topic, self._take_offer)
        if not self._knows_now:
            listen(self._beacon_topic, self._take_beacon)
        if self._health is not None:
            listen(self._ping_topic, self._take_answer)

    # What comes.

    def connected(self, is_up):
        """The link is there, or gone."""
        self._is_up = is_up
        self._pinged = None
        self._ping_at = 0
        self._depot.connected(is_up)
        if is_up and not self._told:
            self._told = True
            if self.slots.state.reason != "-" or self.slots.is_trial:
                self._report()

    def _take_offer(self, message):
        if message.payload and message.payload != self._offer:
            self.offer(message.payload)

    def _take_answer(self, message):
        if self._ping is not None and self._ping.encode() in message.payload:
            self._pinged = self._clock.now()

    def _take_beacon(self, message):
        """What time it is, and which release is the newest: "UNIX_S SEQUENCE", sealed for this
        boot, so that nobody can have kept it."""
        body = self._outside.open(message.topic, message.payload, self._options["beacon"])
        try:
            unix_s, newest = [release.number(word) for word in (body or b"").decode().split(" ")]
        except (LimpetError, ValueError):
            return
        self._clock.learn(unix_s * 1000)
        is_first, self._knows_now = not self._knows_now, True
        if newest > self.slot["sequence"] and self._offer is None:
            self._report(reason="%d is out, and nobody offers it" % newest)
        if is_first and self._work is None:
            self._begin()

    def offer(self, data, is_asked=False, may_go_back=False):
        """A signed release that somebody offers; it is judged in the next steps."""
        self._offer = bytes(data)
        self._asked = (is_asked, may_go_back)
        self._retry_ms = RETRY_MS
        self._begin()

    def check(self):
        """Look once more at what was offered last."""
        if self._work is None:
            self._begin()

    def apply(self, text, may_go_back):
        """Try what is staged, or fetch and try the release in `text`. Raises LimpetError."""
        if text is not None:
            release.parse_description(release.split_signed(text.encode()).body)
            self.offer(text.encode(), True, may_go_back)
        elif self.slots.state.kind == "staged":
            self.try_other()
        elif self._offer is None:
            raise BadParams("nothing is staged, and nothing is offered: release is needed")
        else:
            self.offer(self._offer, True, may_go_back)

    @property
    def restarts(self):
        """Whether the process must end now."""
        if self._ends_at is None:
            return False
        job = self._follower  # its caller gets its name first: then the next boot goes on with it
        is_heard = job is None or job.is_shown or job.outcome is not None
        return is_heard or self._clock.now() >= self._ends_at + HOLD_MS

    def knows(self, wanted):
        """Whether the record tells what became of the release of that sequence."""
        state = self.slots.state
        return self.slot["sequence"] == wanted or (state.failed == wanted and state.reason != "-")

    def follow(self, job, wanted=None):
        """A generator for a task: how far the release that was asked for is, to its end.

        `wanted` is its sequence. Raises NotTaken with the reason why it is not in use; where the
        job is cancelled, what is on its way is left.
        """
        self._follower = job
        if wanted is None:
            wanted = self._offered_sequence()
        job.checkpoint(wanted)
        try:
            while self.slot["sequence"] != wanted or self.slots.is_trial:
                self._refuse(wanted)
                job.progress(*self._progress())
                yield FOLLOW_MS
        except Cancelled:
            if self._work is not None:
                self._stop()
            self._offer = None
            raise
        return self.status()

    def _progress(self):
        """How far it is, 0 to 1, and what it is at or waits for."""
        name = self.status()["state"]
        fraction = {"staged": 0.9, "trial": 0.95}.get(name, 0)
        if self._fetch is not None:
            fraction = self._fetch.fraction * 0.9
        is_late = self.last is not None and self.last[1] == plan.RESCHEDULE
        return fraction, "%s: %s" % (name, self.last[2]) if is_late else name

    def _refuse(self, wanted):
        """Raise NotTaken if nothing comes of the release any more."""
        if self._work is not None or self.slots.is_trial:
            return
        if self.last is not None and tuple(self.last[:2]) == (wanted, plan.IGNORE):
            raise plan.NotTaken(self.last[2])
        if self.knows(wanted):
            raise plan.NotTaken(self.slots.why())

    def _offered_sequence(self):
        state = self.slots.state
        if state.kind in ("staged", "trial"):
            return state.other
        return release.parse_description(release.split_signed(self._offer).body).sequence

    @property
    def is_busy(self):
        """Whether something is fetched, or on trial."""
        return self._work is not None or self.slots.is_trial or self.restarts

    @property
    def slot(self):
        """What `about` tells: the slot and the release in it."""
        state, slots = self.slots.state, self.slots
        sequence = state.other if slots.is_trial else state.sequence
        return {"slot": slots.running, "sequence": sequence, "trial": slots.is_trial}

    def _stop(self):
        self._depot.end()
        self._work.close()
        self._work = self._phase = self._fetch = None

    def _begin(self):
        if self._work is not None:
            self._stop()
        self._retry_at = None
        self._phase = self._fetch = None
        if self._offer is not None and not self.slots.is_trial:
            self._work = self._consider(self._offer)

    # What is done about it.

    def _consider(self, data):
        signed = release.split_signed(data)
        description = release.parse_description(signed.body)
        self._offered = description
        decision = plan.judge(description, self._facts(), *self._asked)
        if decision.kind == plan.APPLY and not self._knows_now:
            decision = plan.Decision(plan.RESCHEDULE, "no beacon has come since the start")
        if decision.kind == plan.APPLY:
            unix_s = self._clock.wall()[0] // 1000
            yield from self._trust.check(description, signed, self._depot, unix_s)
        # Only now: an unsigned offer must leave no trace but its refusal.
        self._decide(description, decision)
        if decision.kind != plan.APPLY:
            return
        yield from self._get(description, signed, data)

    def _decide(self, description, decision):
        self.last = (description.sequence, decision.kind, decision.reason)

    def _get(self, description, signed, data):
        slots = self.slots
        identity = hexlify(sha256(data).digest()).decode()
        words = (slots.state.kind, slots.state.other)
        if words == ("staged", description.sequence):
            self._look_at = 0  # asked for now, perhaps
            return
        slots.begin(identity, description.sequence)
        self._phase = "fetching"
        self._report()
        self._fetch = Fetch(slots, self._depot, description, data)
        digest = yield from self._fetch.run()
        self._phase = "verified"
        yield
        slots.stage(digest)
        self._phase = None
        self._look_at = 0
        self._report()

    def _facts(self):
        state = self.slots.state
        # In the rescue the release that is broken may be fetched again.
        sequence = state.sequence if self.slots.running else max(0, state.sequence - 1)
        words = (self._options["product"], self._options["channel"], sequence)
        keyring = self._trust.keyring.number
        return sources.facts(self.slots, words, keyring, self._clock, self._outside.version)

    def _report(self, **more):
        words = self.status()
        words.update(more)
        self._outside.report(words)

    # Turns.

    @property
    def due(self):
        """When `step` wants to be called though nothing came; None for not at all."""
        times = [self._retry_at, self._look_at]
        if self._work is not None:
            times.append(self._depot.due if self._depot.is_waiting else 0)
        if self._health is not None:
            due = min(self._health.due, self._ping_at) if self._is_up else self._health.due
            times += [max(due, self._held_at), self._fed_at]
        times = [one for one in times if one is not None]
        return min(times) if times else None

    def step(self, now):
        """One turn."""
        self._depot.step(now)
        if self._work is not None:
            self._go_on(now)
        elif self._retry_at is not None and now >= self._retry_at:
            self._begin()
        try:
            if self._health is not None:
                self._prove(now)
            if self._look_at is not None and now >= self._look_at:
                self._look(now)
        except (LimpetError, OSError) as error:
            # The record cannot be written now, or what is staged is not fit: said, and seen later.
            self._held_at = now + LOOK_MS
            if self.slots.state.kind != "staged":
                self._look_at = None
            self._report(reason=str(error))

    def _go_on(self, now):
        try:
            for _ in range(STEPS):
                next(self._work)
                if self._depot.is_waiting:
                    break
            self._depot.step(now)
            return
        except StopIteration:
            self._work = None
        except (release.BadRelease, BadDepot) as error:
            self._work = None
            self._fail(error)
        except (LimpetError, OSError) as error:
            # The medium refuses: full, read-only, worn. What is there stays; later again.
            self._put_off(now, error)
        except Exception as error:  # noqa: BLE001 - see below
            # Our own fault. It must not end the agent: the offer is retained, and would again.
            self._put_off(now, "this is a fault of the agent: %s: %s" % (type(error), error))
        self._phase = self._fetch = None

    def _put_off(self, now, reason):
        self._work = self._phase = None
        self._depot.end()
        self._retry_at = now + self._retry_ms
        self._retry_ms = min(2 * self._retry_ms, _MOST_RETRY_MS)
        if self._offered is not None:
            self.last = (self._offered.sequence, plan.RESCHEDULE, str(reason))
        self._report(reason=str(reason))

    def _fail(self, error):
        self._depot.end()
        self._phase = None
        if self._fetch is not None:  # signed, and yet it does not fit together: not again
            self.slots.fail(self._offered.sequence, error.code)
        self.last = (
            None if self._offered is None else self._offered.sequence,
            "ignore",
            str(error),
        )
        self._report(reason=str(error))

    def _look(self, now):
        """At what is staged: may it be tried now?"""
        if self.slots.state.kind != "staged":
            self._look_at = None
            return
        self._look_at = now + LOOK_MS
        options = self._options
        policy = "auto" if self._asked[0] else options["policy"]
        wall = self._clock.wall()
        decision = plan.may_restart_at(policy, options["window"], wall, self.veto())
        self.last = (self.slots.state.other, decision.kind, decision.reason)
        if decision.kind == plan.APPLY:
            self.try_other()

    def try_other(self):
        """Restart into what is staged, or into the release before this one. Raises SlotError."""
        self.slots.try_other(self._options["tries"])
        self._report()
        self._ends_at = self._clock.now()

    # On trial.

    def _prove(self, now):
        if now >= self._fed_at:
            self._fed_at = now + FEED_MS
            starting.watch(starting.STALLED_S)
        if now < self._held_at:
            return
        if self._is_up and now >= self._ping_at:
            self._send_ping(now)
        signs = [("a connection", self._is_up), ("its own answer", self._pinged is not None)]
        for check in self.checks:
            lacks = check()
            signs.append((lacks, not lacks))
        verdict = self._health.judge(now, signs)
        if verdict:
            self.confirm()
        elif verdict is False:
            missing = self._health.missing
            self._health = None
            self.slots.give_up("no-health")
            starting.note_reason(self.slots.files, self.slots.root, "lacks " + missing)
            self._report(reason="lacks " + missing)
            self._ends_at = now

    def _send_ping(self, now):
        # The first may come before the subscription.
        self._ping_at = now + (PING_MS if self._pinged else PING_MS // 10)
        self._ping = hexlify(random_bytes(8)).decode()
        words = {"id": self._ping, "method": "system.ping", "reply": self._ping_topic, "ttl": 30}
        self._outside.publish(self._call_topic, json.dumps(words).encode(), 0, False)

    def confirm(self):
        """What runs is good. Raises SlotError."""
        with self.slots.files.open(self.slots.source + "/" + RELEASE, "rb") as file:
            data = file.read(release.MAX_SIGNED_BYTES)
        description = release.parse_description(release.split_signed(data).body)
        self.slots.confirm(description.floor)
        self._health = None
        starting.watch(0)
        self._report(state="confirmed")
        if self._offer is not None:
            self._begin()

    def go_back(self):
        """Restart into the release before this one, without fetching it. Raises SlotError."""
        self.slots.mark_back()
        self.try_other()

    def status(self):
        """What `update.status` tells."""
        slots, state = self.slots, self.slots.state
        fetch = self._fetch
        words = {
            "state": plan.state_name(
                state, slots.is_trial, slots.running is not None, self._phase
            ),
            "slot": slots.running,
            "sequence": state.other if slots.is_trial else state.sequence,
            "other": {"kind": state.kind, "sequence": state.other, "tries": state.tries},
            "floor": state.floor,
            "failed": state.failed or None,
            "reason": slots.why(),
            "keyring": self._trust.keyring.number,
            "last": self.last,
        }
        if fetch is not None:
            words["fetch"] = {
                "folder": fetch.folder,
                "fetched_bytes": fetch.fetched_bytes,
                "files": {"kept": fetch.kept, "copied": fetch.copied, "patched": fetch.patched},
                "lies": fetch.lies,
            }
        return words
