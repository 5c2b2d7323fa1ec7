"""Which run is due at a moment, and when the next one is.

Two heaps, one in seconds of uptime and one in Unix seconds, and one wake-up, at the earlier of
their tops: a stepped clock moves no entry, and nothing is ever scanned for what is due. The one
rule: an entry is in a heap, or its run waits to be told started, or it is parked, paused or
finished; README.md says what becomes of late and overlapping runs, and of a stepped clock.

Pure: `now` is uptime in ms, `wall_ms` Unix time in ms or None while nobody knows it. Owner: the
main thread.
"""

import heapq
from collections import namedtuple

from agent.schedule.entry import ALL, CANCEL, LATE_S, SKIP

# What step() finds. kind: one of these words; due: the due time of the run that it is about;
# first: the first due time that it stands for, equal to `due` where it is the only one.
RUN, MISSED, OVERLAPPED, STOP = "run", "missed", "overlapped", "stop"
Finding = namedtuple("Finding", ("kind", "entry", "due", "first"))

# A clock that goes back by no more than this repeats no run; by more, it was wrong before, and
# what it says now counts: cron(8) of Vixie cron draws the same line.
BACK_MS = 3 * 3600 * 1000

MAX_CATCH_UP = 100  # late runs in a row with missed: all; then the rest becomes one
RETRY_S = 1  # after a run that found no room


class Schedule:
    """Entries by name. `seed` is what this device's jitter differs from another's by."""

    def __init__(self, seed=""):
        self._seed = seed
        self._entries = {}
        self._uptime = []  # heaps of entries
        self._wall = []
        self._order = 0
        self._offset_ms = None  # Unix time less uptime; None: not known now
        self._largest_ms = None  # the largest that it was, but for corrections

    def look(self, now, wall_ms):
        """Take note of the clocks."""
        was_known = self._offset_ms is not None
        if wall_ms is None:
            self._offset_ms = None
            return
        self._offset_ms = offset = wall_ms - now
        largest = self._largest_ms
        is_correction = largest is not None and offset < largest - BACK_MS
        self._largest_ms = offset if largest is None or is_correction else max(largest, offset)
        if is_correction or not was_known:
            self._start_wall(wall_ms // 1000, is_correction)

    def _start_wall(self, seconds, is_correction):
        self._wall = []
        waiting = [entry for entry in self._entries.values() if entry.rule.is_wall]
        for entry in sorted(waiting, key=lambda entry: entry.order):
            _settle_start(entry, seconds, is_correction)
            self._plan(entry)

    def due(self):
        """The uptime in ms to call `step` at, or None."""
        found = self._uptime[0].wake * 1000 if self._uptime else None
        if self._wall and self._offset_ms is not None:
            at = self._wall[0].wake * 1000 - self._offset_ms
            found = at if found is None else min(found, at)
        return found

    def due_by_wall(self):
        """As `due`, of what goes by the wall clock alone: that is what a sleep may end for."""
        if not self._wall or self._offset_ms is None:
            return None
        return self._wall[0].wake * 1000 - self._offset_ms

    def step(self, now):
        """The next Finding at `now`, or None. Call until None.

        RUN: tell `started` or `put_back`. MISSED: too late, left out. OVERLAPPED: left out, since
        the run before it has not ended. STOP: the run at `due` is to be cancelled, and its end
        told to `ended`.
        """
        while True:
            entry = self._pop(now)
            if entry is None:
                return None
            seconds = self.seconds(entry, now)
            if entry.running is None:
                return self._judge(entry, seconds)
            found = self._collide(entry, seconds)
            if found:
                return found

    def seconds(self, entry, now):
        """The time on the entry's clock, None if that is not known."""
        if not entry.rule.is_wall:
            return now // 1000
        return None if self._offset_ms is None else (now + self._offset_ms) // 1000

    def _pop(self, now):
        if self._uptime and self._uptime[0].wake * 1000 <= now:
            return heapq.heappop(self._uptime)
        if not self._wall or self._offset_ms is None:
            return None
        is_due = self._wall[0].wake * 1000 <= now + self._offset_ms
        return heapq.heappop(self._wall) if is_due else None

    def _judge(self, entry, seconds):
        first, due = entry.due, self._choose(entry, seconds)
        is_late = seconds - due - entry.delay(self._seed, due) > LATE_S
        if is_late and entry.policy.missed == SKIP and not entry.waited:
            self._pass_over(entry, due)
            return Finding(MISSED, entry, due, first)
        if entry.policy.missed == ALL:
            entry.behind = entry.behind + 1 if is_late else 0
        return Finding(RUN, entry, due, first)

    def _choose(self, entry, seconds):
        """The due time that runs now, of all that have passed."""
        if entry.policy.missed == ALL and entry.behind < MAX_CATCH_UP:
            return entry.due
        entry.behind = 0 if entry.behind else entry.behind
        return entry.latest(seconds - entry.policy.jitter_s)

    def _collide(self, entry, seconds):
        # Runs that catch up wait for one another, whatever `overlap` says.
        catches_up = entry.policy.missed == ALL and seconds - entry.wake > LATE_S
        if entry.policy.overlap == SKIP and not catches_up:
            first, due = entry.due, self._choose(entry, seconds)
            self._pass_over(entry, due)
            return Finding(OVERLAPPED, entry, due, first)
        entry.parked = True
        if entry.policy.overlap == CANCEL and not catches_up:
            return Finding(STOP, entry, entry.running, entry.due)
        return None

    def _pass_over(self, entry, due):
        entry.after = due
        self._plan(entry)

    def _plan(self, entry):
        entry.due = None
        if entry.paused or entry.after is None:
            return
        entry.due = entry.next_due(entry.after, entry.runs)
        if entry.due is not None:
            delay = entry.delay(self._seed, entry.due)
            # The same object where it can be: on 32 bits a Unix time takes 32 bytes.
            self._push(entry, entry.due + delay if delay else entry.due)

    def _push(self, entry, wake):
        self._order += 1
        entry.order = self._order
        entry.wake = wake
        heapq.heappush(self._wall if entry.rule.is_wall else self._uptime, entry)

    def started(self, finding, runs_on):
        """The run that was found counts; `runs_on` if its end will be told to `ended`."""
        entry = finding.entry
        entry.runs += 1
        if entry.waited:
            entry.waited = False
        if runs_on:
            entry.running = finding.due
        self._pass_over(entry, finding.due)

    def put_back(self, finding, now):
        """The run found no room: it is due again in a moment."""
        self._push(finding.entry, self.seconds(finding.entry, now) + RETRY_S)

    def ended(self, name):
        """The entry's run has ended; what waited for that is due at once."""
        entry = self._entries.get(name)
        if entry is None:
            return
        entry.running = None
        if entry.parked:
            entry.parked = False
            entry.waited = True
            self._push(entry, entry.wake)

    def add(self, entry, now):
        """Take in an entry under a new name; `entry.after` None: from now on."""
        self._order += 1
        entry.order = self._order
        self._entries[entry.name] = entry
        if not entry.rule.is_wall:
            seconds = -(-now // 1000)  # never before a whole interval has passed
            entry.rule.start(seconds)
            entry.after = seconds - 1
        elif self._offset_ms is not None:
            _settle_start(entry, self.seconds(entry, now), False)
        self._plan(entry)

    def remove(self, name):
        """Forget an entry; its run under way goes on."""
        self._withdraw(self._entries.pop(name))

    def pause(self, name):
        """Plan no more runs until `resume`."""
        entry = self._entries[name]
        self._withdraw(entry)
        entry.paused = True
        entry.parked = entry.waited = False
        entry.due = None

    def resume(self, name, now):
        """Plan runs again; those that were due meanwhile are not missed ones."""
        entry = self._entries[name]
        entry.paused = False
        seconds = self.seconds(entry, now)
        entry.after = None if seconds is None else max(seconds, entry.after or 0)
        self._plan(entry)

    def _withdraw(self, entry):
        heap = self._wall if entry.rule.is_wall else self._uptime
        for index, other in enumerate(heap):
            if other is entry:
                heap[index] = heap[-1]
                heap.pop()
                heapq.heapify(heap)
                return

    def find(self, name):
        """The entry called `name`, or None."""
        return self._entries.get(name)

    def names(self):
        """All names, sorted."""
        return sorted(self._entries)

    def is_empty(self):
        """Whether there is no schedule at all."""
        return not self._entries

    def preview(self, entry, count, after):
        """Up to `count` (due, start) to come after `after`, if every run starts and ends in time.

        `after` None: from where the entry stands; its clock must be known then.
        """
        found, runs, due = [], entry.runs, entry.due
        if after is not None or due is None:
            due = entry.next_due(entry.after if after is None else after, runs)
        while due is not None and len(found) < count:
            found.append((due, due + entry.delay(self._seed, due)))
            runs += 1
            due = entry.next_due(due, runs)
        return found


def _settle_start(entry, seconds, is_correction):
    """Say up to which due time an entry has been dealt with, once its clock is known."""
    if entry.parked:
        entry.parked = False  # it goes back into the heap, and waits again where it must
    if entry.after is None:
        entry.after = seconds
    elif is_correction:
        entry.after = min(entry.after, seconds)
    elif entry.policy.missed == SKIP:
        # What is stored is as old as the declaration: a run that may be left out costs no write.
        entry.after = max(entry.after, seconds - LATE_S - entry.policy.jitter_s)
