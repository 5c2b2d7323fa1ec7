"""One schedule: how it is declared, what it is compiled to, and what is known of it at run time.

The one rule: what is wrong is said when the schedule is declared, with the path of the member, and
never found out at its first run. Pure. Times are whole seconds: Unix time where the rule goes by
the wall clock (`cron`, `at`), seconds since the agent's start where it does not (`every`).
"""

from binascii import crc32
from collections import namedtuple

from agent import schema
from agent.errors import BadParams
from agent.schedule.civil import format_time, parse_time
from agent.schedule.cron import Cron
from agent.schedule.tz import parse_zone

SKIP, ONCE, ALL, QUEUE, CANCEL = "skip", "once", "all", "queue", "cancel"

MAX_NAME = 32  # with a due time it still makes a request id of at most 64 characters
MAX_CRON = 128
MAX_INTERVAL_S = 366 * 86400
MAX_JITTER_S = 86400
MAX_COUNT = 1_000_000

# A run is late from here on, and `missed` decides. A busy main thread is not late: the longest
# command that it runs itself should end before this.
LATE_S = 60

# A request id must outlive LATE_S in the journal: only so does it protect a run that a restart
# cut off from running again.
LEAST_TTL_S = LATE_S
DEFAULT_TTL_S = 300
MAX_TTL_S = 86400

# What starts the agent anew would do so again and again, faster than anybody could take it away:
# whatever a schedule says, and whoever made it, the agent has been up for so long before.
RESTARTING = "system.restart"
LEAST_RESTART_S = 300

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"

NAME = schema.text("name", low=1, high=MAX_NAME, about="made of a-z 0-9 - _")
TIMING = (
    schema.integer(
        "every", None, low=1, high=MAX_INTERVAL_S, unit="s", about="interval; no wall clock"
    ),
    schema.integer(
        "phase",
        None,
        low=0,
        high=MAX_INTERVAL_S,
        unit="s",
        about="of the first run after declaration and after each start; default: one interval",
    ),
    schema.text(
        "cron", None, low=1, high=MAX_CRON, about="5 fields, 6 with seconds first, or @daily etc."
    ),
    schema.text("at", None, low=1, high=32, about="2026-12-24T18:00, local, or with Z or +01:00"),
    schema.text("zone", "UTC", low=1, high=64, about="UTC, +01:00 or a POSIX rule"),
    schema.text(
        "missed",
        None,
        choices=(SKIP, ONCE, ALL),
        about="what becomes of runs over a minute late; default: skip, with at: once",
    ),
    schema.text(
        "overlap", SKIP, choices=(SKIP, QUEUE, CANCEL), about="if the run before has not ended"
    ),
    schema.integer(
        "jitter", 0, low=0, high=MAX_JITTER_S, unit="s", about="starts up to so much later"
    ),
    schema.text("until", None, low=1, high=32, about="no run is due after it; with cron"),
    schema.integer("count", None, low=1, high=MAX_COUNT, about="runs in all"),
)
WORK = (
    schema.text("method", low=1, high=64),
    schema.anything("params", None, about="an object, as the method takes it"),
    schema.integer(
        "ttl",
        DEFAULT_TTL_S,
        low=LEAST_TTL_S,
        high=MAX_TTL_S,
        unit="s",
        about="how long a run may wait for its turn",
    ),
)

DECLARATION = (NAME,) + TIMING + WORK

# missed, overlap  words, as declared
# jitter_s         the most that a start is late on purpose
# until_s          Unix seconds, or None
# count            runs in all, or None
Policy = namedtuple("Policy", ("missed", "overlap", "jitter_s", "until_s", "count"))

_USUAL = Policy(SKIP, SKIP, 0, None, None)


class Every:
    """Each `interval_s`, first `phase_s` after the start; its times are seconds of uptime."""

    is_wall = False

    def __init__(self, interval_s, phase_s):
        self._interval_s = interval_s
        self._phase_s = phase_s
        self._first = phase_s

    def start(self, now_s):
        """Count from now on."""
        self._first = now_s + self._phase_s

    def next_after(self, seconds):
        """The first time after `seconds`."""
        if seconds < self._first:
            return self._first
        passed = (seconds - self._first) // self._interval_s
        return self._first + (passed + 1) * self._interval_s

    def latest(self, after, most):
        """The last time in (after, most], or None."""
        if self.next_after(after) > most:
            return None
        return most - (most - self._first) % self._interval_s


class At:
    """One moment, in Unix seconds."""

    is_wall = True

    def __init__(self, unix_s, zone):
        self._unix_s = unix_s
        self.zone = zone

    def next_after(self, unix_s):
        """The moment, or None once it has passed."""
        return self._unix_s if unix_s < self._unix_s else None

    def latest(self, after, most):
        """The moment if it lies in (after, most], or None."""
        return self._unix_s if after < self._unix_s <= most else None


class Entry:
    """A schedule in memory. Its method and parameters are not here: the book keeps them.

    A device holds a hundred of these, so that what most never need stands in the class only.
    """

    policy = _USUAL
    after = None  # due times up to this one are dealt with; None: the clock was never known
    runs = 0  # that were started
    running = None  # the due time of the run that has not ended
    parked = False  # it waits, outside of the heap, for that run's end
    waited = False  # it has waited for one, so that being late is no reason to leave it out
    behind = 0  # late runs in a row
    paused = False
    wake = None  # when it is to start: due and jitter
    last = None  # what came of the last run that ended: see outcome.py
    failed = 0  # runs that did, since the start

    def __init__(self, name, rule):
        self.name = name
        self.rule = rule
        self.due = None  # the next due time, None while there is none
        self.order = 0  # ties go by it

    def __lt__(self, other):
        return (self.wake, self.order) < (other.wake, other.order)

    def is_finished(self):
        """True if no run will ever be due again."""
        return not self.paused and self.after is not None and not self._has_more()

    def _has_more(self):
        return self.next_due(self.after, self.runs) is not None

    def next_due(self, after, runs):
        """The due time after `after`, once `runs` have been started, or None."""
        policy = self.policy
        if policy.count is not None and runs >= policy.count:
            return None
        due = self.rule.next_after(after)
        if due is not None and policy.until_s is not None and due > policy.until_s:
            return None
        return due

    def latest(self, horizon):
        """The last due time up to `horizon`, the one that is due at the least."""
        if self.policy.until_s is not None:
            horizon = min(horizon, self.policy.until_s)
        if horizon <= self.due:
            return self.due
        return self.rule.latest(self.due, horizon) or self.due

    def delay(self, seed, due):
        """Seconds of jitter of the run due at `due`: the same whenever it is asked for."""
        if not self.policy.jitter_s:
            return 0
        text = "%s %s %d" % (seed, self.name, due)
        return crc32(text.encode()) % (self.policy.jitter_s + 1)


def shorten(spec):
    """The members of a checked DECLARATION that say more than their default, without the name."""
    return {
        field.name: spec[field.name]
        for field in TIMING + WORK
        if field.required or spec[field.name] != field.default
    }


def fill_in(name, short):
    """The whole DECLARATION again. Raises BadParams where an older agent allowed more."""
    return schema.check(DECLARATION, dict(short, name=name), BadParams)


def make_entry(spec):
    """The Entry that a dict with all members of DECLARATION declares. Raises BadParams."""
    check_name(spec["name"])
    if spec["params"] is not None and not isinstance(spec["params"], dict):
        raise BadParams("params: expected an object; parameters go by name")
    entry = Entry(spec["name"], _make_rule(spec))
    policy = _make_policy(spec)
    if policy != _USUAL:
        entry.policy = policy
    if spec["at"] is not None:
        entry.after = 0  # it is due whenever the clock is known, however late that is
    return entry


def check_name(name):
    """Raise BadParams unless a schedule may be called so."""
    if any([character not in _NAME_CHARACTERS for character in name]):
        raise BadParams('name: "%s": made of a-z 0-9 - _ only' % name)


def _make_rule(spec):
    kinds = [kind for kind in ("every", "cron", "at") if spec[kind] is not None]
    if len(kinds) != 1:
        raise BadParams("expected exactly one of every, cron and at")
    _refuse(spec, kinds[0])
    zone = _parsed("zone", _shared_zone, spec["zone"])
    if kinds[0] == "cron":
        return _parsed("cron", lambda text: Cron(text, zone), spec["cron"])
    if kinds[0] == "at":
        return At(_parse_moment("at", spec["at"], zone), zone)
    interval_s = spec["every"]
    return Every(interval_s, interval_s if spec["phase"] is None else spec["phase"])


# Zones by their text, so that the schedules of a device share the one or two that it has.
MAX_ZONES = 8
_zones = {}


def _shared_zone(text):
    zone = _zones.get(text)
    if zone is None:
        zone = parse_zone(text)
        if len(_zones) >= MAX_ZONES:
            _zones.clear()
        _zones[text] = zone
    return zone


# What says nothing beside a rule, and why.
_REFUSED = {
    "every": (("until", "every never looks at the wall clock: bound it with count"),),
    "cron": (("phase", "goes with every"),),
    "at": (
        ("phase", "goes with every"),
        ("until", "at has one run"),
        ("count", "at has one run"),
    ),
}


def _refuse(spec, kind):
    for name, reason in _REFUSED[kind]:
        if spec[name] is not None:
            raise BadParams("%s: %s" % (name, reason))
    if kind == "every" and spec["jitter"] >= spec["every"]:
        raise BadParams("jitter: expected less than every, %d s" % spec["every"])


def _make_policy(spec):
    until_s = None
    if spec["until"] is not None:
        until_s = _parse_moment("until", spec["until"], _shared_zone(spec["zone"]))
    missed = spec["missed"] or (ONCE if spec["at"] is not None else SKIP)
    return Policy(missed, spec["overlap"], spec["jitter"], until_s, spec["count"])


def _parse_moment(path, text, zone):
    seconds, offset = _parsed(path, parse_time, text)
    return zone.unix_from_local(seconds) if offset is None else seconds


def _parsed(path, parse, text):
    try:
        return parse(text)
    except ValueError as error:
        raise BadParams("%s: %s" % (path, error))


def make_request_id(name, rule, due, boot):
    """The id of the run due at `due`: the same for the same run, and for no other."""
    if rule.is_wall:
        return "%s@%s" % (name, format_time(due))
    return "%s@%d.%d" % (name, boot, due)  # uptime alone would come again after a restart
