"""Hands due runs over, and keeps the schedules on the medium.

The one rule: a run is stored as dealt with on the turn after it was handed over, when the journal
has its intent. A power cut in between hands it over once more, under the same request id, and the
journal answers for it; so nothing runs twice and nothing is lost. Runs that may be left out
(`missed: skip` without `count`) are never stored, and cost no write.

Knows no MQTT and no command; where a run goes comes with the constructor. Owner: the main thread.
"""

from agent.errors import BadParams, Busy, LimpetError, TooLarge
from agent.schedule.entry import (
    LEAST_RESTART_S,
    RESTARTING,
    SKIP,
    fill_in,
    make_entry,
    make_request_id,
    shorten,
)
from agent.schedule.outcome import Outcomes, describe, stored
from agent.schedule.schedule import MISSED, RUN, STOP, Schedule

# Bounded by memory: 100 entries take about 20 KiB of a 32-bit device.
MAX_ENTRIES = 100
MOST_PER_STEP = 10  # runs handed over before the link gets its turn
LOOK_MS = 60_000  # how soon a stepped clock is noticed, by a loop that turns at least so often


class TooSoon(LimpetError):
    """A schedule would restart a device that has only just started."""

    code = "too-soon"


class Runner:
    """The schedules of a device.

    `book` is a Book; `clock` a Clock; `boot` the number of this start; `seed` the device's id.
    `hands` is three callables:
        start(method, params, request_id, expires, maker): have it run under the key `maker`, as a
            request that takes effect once for its id. Raises Busy: then it is tried again; another
            LimpetError: then that is what came of it. The end of each one taken goes to `ended`.
        cancel(request_id): ask it to end.
        report(words): tell whoever watches, in a JSON-able dict, of what did not run and why.
    """

    def __init__(self, book, clock, boot, seed, hands):
        self._book = book
        self._clock = clock
        self._boot = boot
        self._start, self._cancel, self._report = hands
        self._schedule = Schedule(seed)
        self._under_way = {}  # request id: the name of the schedule
        self._unsaved = []  # names whose state goes to the medium on the next turn
        self._outcomes = Outcomes(self._schedule.find)
        self._look_at = 0
        self.due = None  # uptime in ms to call `step` at, or None

    def load(self, now):
        """Take in what the book holds; returns what is wrong with it, as a list of texts."""
        self._look(now)
        problems = []
        for record in self._book.load():
            try:
                entry = _open_record(record)
            except (LimpetError, KeyError) as error:
                problems.append("schedule %s is left out: %s" % (record["name"], error))
            else:
                self._schedule.add(entry, now)
        self._plan_wake_up()
        return self._book.problems + problems

    def due_by_wall(self):
        """The uptime in ms of the next run that goes by the wall clock, or None."""
        return self._schedule.due_by_wall()

    @property
    def is_settled(self):
        """Whether the medium has all that it is to have."""
        return not self._unsaved

    def step(self, now):
        """Hand over what is due at `now`; to be called once `due` has come, or earlier."""
        self._unsaved += self._outcomes.to_store(now)
        if self._unsaved:
            self._save_states()
            self._plan_wake_up()
        if now < self._look_at and (self.due is None or now < self.due):
            return
        self._look(now)
        for _ in range(MOST_PER_STEP):
            finding = self._schedule.step(now)
            if finding is None:
                break
            self._act_on(finding, now)
        self._plan_wake_up()

    def _look(self, now):
        unix_ms, quality = self._clock.wall()
        self._schedule.look(now, None if quality == "unset" else unix_ms)
        self._look_at = now + LOOK_MS

    def _plan_wake_up(self):
        due = 0 if self._unsaved else self._schedule.due()
        if not self._schedule.is_empty() and (due is None or due > self._look_at):
            due = self._look_at  # a stepped clock is found out by looking
        store_at = self._outcomes.due
        if store_at is not None and (due is None or due > store_at):
            due = store_at
        self.due = due

    def _act_on(self, finding, now):
        name = finding.entry.name
        if finding.kind == STOP:
            for request_id in [i for i, other in self._under_way.items() if other == name]:
                self._cancel(request_id)
            return
        if finding.kind == RUN:
            if not self._hand_over(finding, now):
                return
        else:
            self._tell(finding, {"what": finding.kind})
        if _is_stored(finding.entry):
            self._unsaved.append(name)

    def _hand_over(self, finding, now):
        """True if the run is dealt with, False if it is tried again."""
        entry = finding.entry
        request_id = make_request_id(entry.name, entry.rule, finding.due, self._boot)
        try:
            is_running = self._start_run(entry.name, request_id, now)
        except Busy:
            self._schedule.put_back(finding, now)
            return False
        except LimpetError as error:
            is_running = False
            words = {"code": error.code, "message": error.message}
            self._outcomes.note(entry, {"error": words}, now)
            self._tell(finding, {"what": "failed", "error": words})
        self._schedule.started(finding, is_running)
        if finding.first != finding.due:
            self._tell(finding, {"what": MISSED, "run": request_id})
        return True

    def _start_run(self, name, request_id, now):
        """Start a run; True if its end is still to come. Raises LimpetError."""
        record = self._book.read(name)
        spec = fill_in(name, record["spec"])
        if spec["method"] == RESTARTING and now < LEAST_RESTART_S * 1000:
            text = "a schedule restarts a device that has been up for %d s, not one of %d s"
            raise TooSoon(text % (LEAST_RESTART_S, now // 1000))
        self._under_way[request_id] = name  # before it starts, since it may end at once
        try:
            expires = now + spec["ttl"] * 1000
            params = spec["params"] or {}
            self._start(spec["method"], params, request_id, expires, record["maker"])
        except LimpetError:
            del self._under_way[request_id]
            raise
        return request_id in self._under_way

    def _tell(self, finding, words):
        words["schedule"] = finding.entry.name
        words["first"] = finding.first
        words["due"] = finding.due
        self._report(words)

    def _save_states(self):
        names, self._unsaved = sorted(set(self._unsaved)), []
        for name in names:
            entry = self._schedule.find(name)
            if entry is None:
                continue
            try:
                self._save(entry)
            except LimpetError as error:
                # Not tried again before its next run: a full disk must not keep the loop awake.
                words = {"code": error.code, "message": error.message}
                self._report({"what": "not stored", "schedule": name, "error": words})

    def _save(self, entry):
        record = self._book.read(entry.name)
        words = _make_record(record["spec"], record["maker"], entry)
        words["last"] = stored(entry.last, *self._times())
        try:
            self._book.write(words)
        except TooLarge:  # no room to say why the last run failed
            del words["last"]
            self._book.write(words)

    def ended(self, request_id, words):
        """A run that was handed over has ended, with these words of `result` or `error`; returns
        its schedule's name."""
        name = self._under_way.pop(request_id, None)
        if name is not None:
            entry = self._schedule.find(name)
            if entry is not None:
                self._outcomes.note(entry, words, self._clock.now())
            self._schedule.ended(name)
            self._plan_wake_up()
        return name

    def cut_off(self, request_id, words):
        """The restart ended a run of the boot before, if it is one of a schedule."""
        entry = self._schedule.find(request_id.split("@")[0]) if "@" in request_id else None
        if entry is not None:
            self._outcomes.note(entry, words, self._clock.now())
            self._plan_wake_up()

    def last_run(self, entry):
        """What came of the last run of an entry that ended, in words; None before there is one."""
        return None if entry.last is None else describe(entry.last, *self._times())

    def _times(self):
        """Uptime, and Unix time or None, in seconds."""
        unix_ms, quality = self._clock.wall()
        return self._clock.now() // 1000, None if quality == "unset" else unix_ms // 1000

    def add(self, spec, entry, maker, is_replacing):
        """Keep a schedule: a checked DECLARATION and the Entry made of it; returns that.

        Raises BadParams, TooLarge or StoreError, and then nothing has changed.
        """
        now = self._refresh()
        old = self._schedule.find(entry.name)
        if old is not None and not is_replacing:
            raise BadParams("name: %s is kept already; replace: true puts it in place" % old.name)
        if entry.rule.is_wall and entry.after is None:
            entry.after = self._schedule.seconds(entry, now)
        self._check_future(entry, now)
        if old is None:
            self._make_room()
        self._book.write(_make_record(shorten(spec), maker, entry))
        if old is not None:
            if old.running is not None:
                entry.running = old.running
            entry.last = old.last
            self._schedule.remove(old.name)
        self._schedule.add(entry, now)
        self._plan_wake_up()
        return entry

    def _check_future(self, entry, now):
        seconds = self._schedule.seconds(entry, now)
        if entry.rule.is_wall and seconds is not None and entry.next_due(seconds, 0) is None:
            raise BadParams("%s: no run would ever be due: all of them have passed" % entry.name)

    def _make_room(self):
        names = self._schedule.names()
        if len(names) < MAX_ENTRIES:
            return
        for name in names:
            if self._schedule.find(name).is_finished():
                self.remove(name)
                return
        raise TooLarge("%d schedules are kept already: remove one" % MAX_ENTRIES)

    def remove(self, name):
        """Forget a schedule; its run under way goes on. Raises BadParams or StoreError."""
        self.find(name)
        self._book.remove(name)
        self._schedule.remove(name)
        self._plan_wake_up()

    def pause(self, name):
        """Start no more runs until `resume`; returns the Entry. Raises BadParams, StoreError."""
        entry = self.find(name)
        if not entry.paused:
            self._schedule.pause(name)
            self._save_or_undo(entry, lambda: self._schedule.resume(name, self._clock.now()))
        return entry

    def resume(self, name):
        """Start runs again, from now on; returns the Entry. Raises BadParams, StoreError."""
        entry = self.find(name)
        if entry.paused:
            self._schedule.resume(name, self._refresh())
            self._save_or_undo(entry, lambda: self._schedule.pause(name))
        return entry

    def _save_or_undo(self, entry, undo):
        try:
            self._save(entry)
        except LimpetError:
            undo()
            raise
        finally:
            self._plan_wake_up()

    def run_now(self, name):
        """Start a run beside the schedule; returns its request id.

        Raises Busy while a run is under way, BadParams, or what `start` raises.
        """
        entry = self.find(name)
        if entry.running is not None:
            raise Busy("%s: its run has not ended" % name)
        now = self._clock.now()
        request_id = "%s@%d.%dms" % (name, self._boot, now)
        if self._start_run(name, request_id, now):
            entry.running = now // 1000
        return request_id

    def find(self, name):
        """The Entry of that name. Raises BadParams."""
        entry = self._schedule.find(name)
        if entry is None:
            raise BadParams("name: no schedule is called %s; schedule.list names all" % name)
        return entry

    def names(self):
        """All names, sorted."""
        return self._schedule.names()

    def record(self, name):
        """What was declared, without defaults, and by whom: (spec, maker)."""
        self.find(name)
        record = self._book.read(name)
        return record["spec"], record["maker"]

    def seconds(self, entry):
        """The time on the entry's clock, None if nobody knows it."""
        return self._schedule.seconds(entry, self._refresh())

    def preview(self, entry, count, after):
        """As Schedule.preview; nothing is changed by it."""
        return self._schedule.preview(entry, count, after)

    def _refresh(self):
        now = self._clock.now()
        self._look(now)
        return now


def _is_stored(entry):
    """True if what has run must be known after a restart."""
    policy = entry.policy
    if policy.count is not None:
        return True
    return entry.rule.is_wall and (policy.missed != SKIP or entry.due is None)


def _make_record(spec, maker, entry):
    return {
        "name": entry.name,
        "spec": spec,
        "maker": maker,
        "after": entry.after if entry.rule.is_wall else None,
        "runs": entry.runs,
        "paused": entry.paused,
    }


def _open_record(record):
    entry = make_entry(fill_in(record["name"], record["spec"]))
    if entry.rule.is_wall:
        entry.after = record["after"]
    if record["runs"]:
        entry.runs = record["runs"]
    if record["paused"]:
        entry.paused = True
    if record.get("last"):
        entry.last = tuple(record["last"])
    return entry
