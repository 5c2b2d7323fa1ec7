"""Who is asking: seals opened on the way in, and put on the way out.

The one rule: what a seal does not vouch for is neither parsed nor answered. `open` finds out who
made a payload; then the journal has its turn, since a known id gets its stored answer however old
the copy is; `admit` refuses what is not fresh; `authorise` decides by permission. Every refusal is
counted for the audit.

A flood of wrong seals must not eat the time for right ones: once too many came, only what names a
known key and, if `live`, this boot's nonce is worth computing a MAC for. A signature costs a
hundred times a MAC and is checked in steps, by whoever drives `check`. Owner: the main thread.
"""

from collections import namedtuple

from agent.commands import policy as policies
from agent.commands.audit import Audit
from agent.commands.freshness import FRESH, SEEN, Bucket
from agent.commands.seal import (
    DOWN,
    LIVE,
    MANY,
    UP,
    BadSeal,
    Scope,
    is_right,
    is_sealed,
    make_head,
    make_line,
    read_seal,
    signed_text,
)
from agent.ed25519 import verify
from agent.errors import LimpetError

# Who made a payload, its Seal or None, the body, and the scope that it was made for.
Opened = namedtuple("Opened", ("caller", "seal", "body", "scope"))

SETTLE_MS = 2000  # of quiet before the exact counters are stored


class Stale(LimpetError):
    """The seal is right and too old, or from another boot; `data` says what is in force now."""

    code = "stale"


class Repeated(BadSeal):
    """An exact copy of a request that was taken: the answer to that one is its answer too."""


class Gate:
    """`targets` is a dict of call topic: the device's id, `all` or `group/NAME`."""

    def __init__(self, keyring, targets, device, nonce, clock):
        self.keyring = keyring
        self.audit = Audit()
        self._targets = dict(targets)  # its own: `open_chunk` adds to it for a moment
        self._device = device
        self._nonce = nonce
        self._clock = clock
        self._sent = 0  # number of the last seal made in this boot
        self._wrong = Bucket(64, 50)
        self._strangers = Bucket(100, 20)
        self._signatures = Bucket(4, 5000)
        self._settle_at = None
        self._anyone = None
        self.refresh()

    def retarget(self, targets):
        """Other topics, as in the constructor."""
        self._targets = dict(targets)

    def refresh(self):
        """Keys or policy have changed: whoever has no key may do something else now."""
        caller = policies.anonymous(self.keyring.policy, self.keyring.configured)
        self._anyone = caller
        self._is_open = not self.keyring.configured

    def open(self, payload, topic, reply):
        """The Opened of a payload; one of the form `many` is to be checked too. Raises BadSeal."""
        if not is_sealed(payload):
            if not self._is_open and not self._strangers.take(self._clock.now()):
                raise self._refuse("flood")
            return Opened(self._anyone, None, payload, None)
        target = self._targets.get(topic, "")
        scope = Scope(DOWN, target, topic, reply)
        try:
            seal = read_seal(payload)
            if (seal.form == MANY) == (target == self._device):
                raise BadSeal("form")  # a MAC that a whole group holds would prove nothing
            key = self._key_of(seal, scope)
        except BadSeal as error:
            self._wrong.take(self._clock.now())
            raise self._refuse(error.message)
        return Opened(policies.Caller(key.name, key.permissions), seal, seal.body, scope)

    def open_chunk(self, topic, payload, key):
        """The body of a message for a command under way, None unless `key` sealed it, and now."""
        if not is_sealed(payload):
            return payload if key == policies.ANONYMOUS else None
        self._targets[topic] = self._device
        try:
            opened = self.open(payload, topic, None)
            if opened.caller.name != key or opened.seal.form != LIVE:
                raise self._refuse("form")
            self.admit(opened)
        except LimpetError:
            return None
        finally:
            del self._targets[topic]
        return opened.body

    def _key_of(self, seal, scope):
        key = self.keyring.find(seal.key)
        if key is None:
            raise BadSeal("unknown-key")
        if seal.form == MANY:
            return key
        is_flood = not self._wrong.has_room(self._clock.now())
        if is_flood and seal.form == LIVE and seal.mark != self._nonce:
            raise BadSeal("flood")
        if is_right(seal, key.prepared, scope):
            return key
        if key.spare_prepared is not None and is_right(seal, key.spare_prepared, scope):
            return self.keyring.promote(key)
        raise BadSeal("wrong-mac")

    def check(self, opened):
        """A generator that checks the signature of a `many` seal. Raises BadSeal at its end."""
        seal = opened.seal
        key = self.keyring.find(seal.key)
        if key is None or key.signer is None:
            raise self._refuse("unknown-signer")
        if not self._signatures.has_room(self._clock.now()):
            raise self._refuse("flood")
        text = signed_text(opened.scope, seal.head, seal.body)
        is_valid = yield from verify(key.signer, text, seal.code)
        if not is_valid:
            self._signatures.take(self._clock.now())
            raise self._refuse("wrong-signature")

    def needs_check(self, opened):
        """Whether `check` must be driven to its end before anything in `opened` is believed."""
        return opened.seal is not None and opened.seal.form == MANY

    def admit(self, opened):
        """Take the request for a new one, once. Raises Stale, Repeated or StoreError."""
        seal = opened.seal
        if seal is None:
            return
        if seal.form == LIVE:
            self._admit_live(seal)
            return
        found = self.keyring.take_counter(seal.key, seal.form, seal.number)
        if found == FRESH:
            self._settle_at = self._clock.now() + SETTLE_MS
            return
        self._reject(
            found, seal.key, {"counter": self.keyring.window(seal.key, seal.form).highest}
        )

    def _admit_live(self, seal):
        now = {"nonce": self._nonce}
        if seal.mark != self._nonce:
            self.audit.note_refusal("stale", seal.key, self._clock.now())
            raise Stale("sealed for another boot of this device", now)
        window = self.keyring.find(seal.key).live
        found = window.judge(seal.number)
        if found == FRESH:
            window.take(seal.number)
            return
        now["seq"] = window.highest
        self._reject(found, seal.key, now)

    def _reject(self, found, key, data):
        if found == SEEN:
            self.audit.note_refusal("repeated", key, self._clock.now())
            raise Repeated("repeated")
        self.audit.note_refusal("stale", key, self._clock.now())
        raise Stale("its number is not above those that were taken", data)

    def caller(self, key_name):
        """The Caller that the holder of a key is now. Raises Denied for one known no more."""
        if key_name == policies.ANONYMOUS:
            return self._anyone
        if key_name.startswith(policies.APP):
            return policies.Caller(key_name, policies.PERMISSIONS)  # runs what it brought itself
        key = self.keyring.find(key_name)
        if key is None:
            raise policies.Denied("the key %s is known here no more" % key_name)
        return policies.Caller(key.name, key.permissions)

    def authorise(self, caller, command, identity):
        """Raise Denied unless `caller` may run `command`; what changes something is audited."""
        if command.permission == "read" and "read" in caller.permissions:
            return  # the usual
        try:
            policies.check_command(self.keyring.policy, caller, command)
        except policies.Denied:
            self.audit.note_refusal("denied", caller.name or None, self._clock.now())
            raise
        if command.permission in policies.AUDITED and caller.name != policies.DATA:
            self.audit.note_command(caller, command, identity, self._clock.now())

    def _refuse(self, reason):
        self.audit.note_refusal(reason, None, self._clock.now())
        return BadSeal(reason)

    def seal(self, key_name, topic, payload):
        """`payload` as this device sends it to the holder of a key; bare where there is none."""
        key = self.keyring.find(key_name)
        if key is None:
            return payload
        return self._line(key, topic, payload) + payload

    def seal_for_all(self, topic, payload):
        """`payload` for whoever has a key, a line for each; bare while there are none."""
        lines = [self._line(key, topic, payload) for key in self.keyring.all()]
        return b"".join(lines) + payload

    def _line(self, key, topic, payload):
        self._sent += 1
        scope = Scope(UP, self._device, topic, None)
        head = make_head(key.name, LIVE, self._nonce, self._sent)
        return make_line(key.prepared, scope, head, payload)

    @property
    def due(self):
        """When `step` or the audit is wanted next: monotonic ms, None for not at all."""
        audit, settle = self.audit.due, self._settle_at
        if audit is None or settle is None:
            return settle if audit is None else audit
        return min(audit, settle)

    def step(self, now):
        """Store exact counters once there was quiet; the audit's events that are due."""
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None if self.keyring.settle() else now + 30 * SETTLE_MS
        return self.audit.take(now)
