"""What to do about a release, and in which state an update is: decisions as values.

The one rule: a decision is made from what it is given and says its reason; nothing is done here.
Pure.
"""

from collections import namedtuple

from agent.errors import LimpetError

# Each state: what is durable in it, and what a power cut there leads to.
STATES = (
    ("idle", "the good slot; the release before it, or nothing", "idle"),
    ("fetching", "which release; files and blobs as far as they are verified", "fetching goes on"),
    ("verified", "all of it and its manifest, synced", "fetching, which finds all of it there"),
    ("staged", "the record that says so", "staged: the old release runs"),
    ("trial", "the starts it has left, counted before each", "one start less, then the old one"),
    ("confirmed", "the record that calls it good", "confirmed, or one more trial"),
    ("rolled-back", "the release that failed, and a word why", "the old release runs"),
    ("failed", "the release that could not be had, and why", "the old release runs"),
    ("rescue", "nothing new", "whatever whole agent the firmware carries"),
)

APPLY, IGNORE, RESCHEDULE = "apply", "ignore", "reschedule"
Decision = namedtuple("Decision", ("kind", "reason"))
GO = Decision(APPLY, None)

# What a release is judged against. `unix_s` is the latest time known, 0 for none; `failed` the
# release that failed here last; `needs` what is here, by the names of release.NEEDS.
Facts = namedtuple(
    "Facts", ("product", "channel", "sequence", "failed", "floor", "keyring", "unix_s", "needs")
)


class NotTaken(LimpetError):
    """A release that is not in use, and will not be by this request; the message says why."""

    code = "not-taken"


def judge(description, facts, is_asked=False, may_go_back=False):
    """Whether to take a release whose signature is right.

    `is_asked`: its owner names it, so a release that failed here is tried again; `may_go_back`:
    an older one too, down to the floor.
    """
    sequence = description.sequence
    for applies, reason in (
        (description.product != facts.product, "another-product"),
        (description.channel != facts.channel, "another-channel"),
        (sequence == facts.sequence, "running-already"),
        (sequence < facts.floor, "below-the-floor"),
        (sequence < facts.sequence and not may_go_back, "not-newer"),
        (sequence <= facts.failed and not is_asked, "failed-here"),
        (description.keyring < facts.keyring, "older-keyring"),
        (facts.unix_s > description.expires, "expired"),
    ):
        if applies:
            return Decision(IGNORE, reason)
    for name, wanted in description.needs:
        if not _has(name, wanted, facts.needs.get(name)):
            return Decision(IGNORE, "needs %s %s" % (name, wanted))
    return GO


def _has(name, wanted, found):
    if found is None:
        return False
    if name in ("runtime", "board", "mpy"):
        return str(found) in wanted.split(" ")
    if name == "agent":
        return _numbers(found) >= _numbers(wanted)
    return wanted.isdigit() and found >= int(wanted)


def _numbers(version):
    return [int(part) if part.isdigit() else 0 for part in version.split("-")[0].split(".")]


def may_restart(policy, window, minute, veto):
    """Whether a staged release may be tried now.

    `policy` is "auto" or "ask"; `window` (first, last) minute of the day, None for any time;
    `minute` the time now, None if nobody knows it; `veto` the app's reason against it, or None.
    """
    if policy == "ask":
        return Decision(RESCHEDULE, "its owner decides")
    if window is not None and (minute is None or not _is_within(minute, window)):
        return Decision(RESCHEDULE, "outside the window")
    if veto is not None:
        return Decision(RESCHEDULE, "veto: %s" % veto)
    return GO


def may_restart_at(policy, window, wall, veto):
    """As `may_restart`: `window` as the configuration has it, `wall` as the clock tells it."""
    unix_ms, quality = wall
    minute = None if quality == "unset" else unix_ms // 60_000 % 1440
    span = None if window is None else (window["first"], window["last"])
    return may_restart(policy, span, minute, veto)


def _is_within(minute, window):
    first, last = window
    if first <= last:
        return first <= minute < last
    return minute >= first or minute < last


def state_name(state, is_trial, is_whole, phase=None):
    """The name of the state that a record stands for; `phase` is what the running task says."""
    if not is_whole:
        return "rescue"
    if phase is not None:
        return phase
    if is_trial:
        return "trial"
    if state.kind in ("fetching", "staged", "trial"):
        return state.kind
    if state.reason != "-":
        return "rolled-back" if state.reason in WENT_BACK else "failed"
    return "idle"


# Words for why a trial went back; any other word is of a release that could not be had.
WENT_BACK = ("not-confirmed", "not-whole", "no-health", "asked")


class Health:
    """Whether a trial has proved itself: everything that is asked for, for `for_ms` together.

    After `within_ms` it has failed; `missing` says what it lacked.
    """

    def __init__(self, now, for_ms, within_ms):
        self._for_ms = for_ms
        self._deadline = now + within_ms
        self._since = None
        self.missing = "a connection"

    @property
    def due(self):
        """When `judge` may say something new though nothing happened."""
        return self._deadline if self._since is None else self._since + self._for_ms

    def judge(self, now, signs):
        """None for not yet, True or False; `signs` is ((name, holds), ...)."""
        missing = [name for name, holds in signs if not holds]
        if missing:
            self._since = None
            self.missing = missing[0]
            return False if now >= self._deadline else None
        if self._since is None:
            self._since = now
        if now - self._since >= self._for_ms:
            return True
        return False if now >= self._deadline + self._for_ms else None
