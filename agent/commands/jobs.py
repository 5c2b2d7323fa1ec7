"""Jobs: commands that outlived their caller's patience, and what became of them.

A job lives on its retained topic `job/<job>` and in a row here. The one rule: a job of a command
that may take effect only once is on the medium before its caller is told of it, and its end before
anybody is told of that; so after a restart each such job is known, and is `interrupted` or goes on
from its checkpoint. A job of a command that may run again writes nothing, and is gone then.

Progress is told once a second at most, a checkpoint is written every 5 s at most. Rows of ended
jobs go when the requester clears them, when their time is over, or when the place is needed; the
broker lets their topics go by message expiry (MQTT 5). Owner: the main thread.
"""

import json
from binascii import hexlify, unhexlify

from agent.commands.message import Address, Request
from agent.commands.once import Ticket
from agent.errors import LimpetError
from agent.strict_json import UNWRITABLE

ACCEPTED, RUNNING, DONE = "accepted", "running", "done"
FAILED, CANCELLED, INTERRUPTED = "failed", "cancelled", "interrupted"
_LIVE = (ACCEPTED, RUNNING)

PROGRESS_MS = 1000  # between two messages about one job
CHECKPOINT_MS = 5000  # between two writes of one job's checkpoint
MAX_KEPT_BYTES = 1024  # of the JSON of a result, in memory and on the medium
MOST_TRIES = 5  # restarts that a job is resumed after: more, and it may be what causes them
RESUMED_MS = 1 << 36  # a job that goes on has begun, whatever its request's time was
STORED = "job-"  # what the values in the store are called, with the number of the slot


class Row:
    """What is known of one job."""

    ticket = None  # of its request, where that may not run again
    job = None  # the Job while it is under way
    slot = None  # of the store, None while it is not there
    words = None  # `result` or `error`, once it has ended
    checkpoint = None
    tries = 0  # restarts that it was resumed after
    next_at = 0  # when the next message about it may go
    is_dirty = True
    is_urgent = True  # its state has changed: it goes at once
    saved_at = 0
    forget_at = None

    def __init__(self, name, method, key, permission, state):
        self.id = name
        self.method = method
        self.key = key
        self.permission = permission
        self.state = state

    @property
    def is_live(self):
        """Whether it has not ended."""
        return self.state in _LIVE


class Jobs:
    """All jobs that are told of.

    `publish(name, payload, expiry_s)` sends a retained message sealed for all: False if there is
    no room just now, None if there is no connection; `kept` bounds the rows, `retention_s` is how
    long one that ended stays.
    """

    def __init__(self, store, clock, boot, publish, kept, retention_s):
        self._store = store
        self._clock = clock
        self._boot = boot
        self._publish = publish
        self._kept = kept
        self._retention_ms = retention_s * 1000
        self._rows = []
        self._cleared = []  # names of topics that are to be emptied
        self._count = 0
        self.due = None  # when `step` is wanted: monotonic ms
        self.unkept = 0  # states that could not be stored
        self.cut_off = []  # (id, words) of those that the last restart ended

    # Coming and going.

    def admit(self, job):
        """Make a row of a Job under way; None if there is no place for it."""
        task = job.task
        if len(self._rows) >= self._kept and not self._drop_oldest():
            return None
        self._count += 1
        name = job.id
        if name is None or self.find(name) is not None:
            name = "j%d-%d" % (self._boot, self._count)
        command = task.command
        row = Row(name, command.name, job.key, command.permission, _state_of(job))
        row.job = job
        self._rows.append(row)
        row.checkpoint = job.saved
        if task.ticket is not None:
            row.slot = self._free_slot()
            self._save(row)
        job.id = name
        self._show(row)
        return row

    def _show(self, row):
        row.job.row = row
        row.ticket = row.job.task.ticket
        row.job.is_shown = True
        self.due = 0

    def _free_slot(self):
        taken = [row.slot for row in self._rows]
        return [slot for slot in range(self._kept + 1) if slot not in taken][0]

    def _drop_oldest(self):
        ended = [row for row in self._rows if not row.is_live]
        if not ended:
            return False
        harmless = [row for row in ended if row.slot is None]  # may be asked for again
        self.forget((harmless or ended)[0])
        return True

    def ended(self, job, words):
        """A job's end, as words of `result` or `error`: stored before it is told."""
        row = job.row
        row.job = None
        code = words["error"]["code"] if "error" in words else None
        self._settle(row, words, {None: DONE, "cancelled": CANCELLED}.get(code, FAILED))
        row.lines = job.lines

    def _settle(self, row, words, state):
        row.state = state
        row.words = words
        row.checkpoint = None
        row.forget_at = self._clock.now() + self._retention_ms
        row.is_dirty = row.is_urgent = True
        self.due = 0
        if row.slot is not None:
            self._save(row)

    def forget(self, row):
        """Let a row that ended go, and its topic."""
        self._rows.remove(row)
        self._cleared.append(row.id)
        self.due = 0
        if row.slot is not None:
            self._write(row.slot, b"")

    # Looking.

    def find(self, name):
        """The Row of that name, or None."""
        for row in self._rows:
            if row.id == name:
                return row
        return None

    def find_ticket(self, ticket):
        """The Row of the request that `ticket` stands for, if it was a job in this boot."""
        for row in self._rows:
            if row.ticket == ticket:
                return row
        return None

    def rows(self):
        """All of them, oldest first."""
        return list(self._rows)

    def describe(self, row, whole=True):
        """What is told of a row, JSON-able; not `whole`: without result and lines."""
        words = {"job": row.id, "method": row.method, "state": row.state, "key": row.key or None}
        job = row.job
        if job is not None:
            words["progress"] = job.fraction
            words["phase"] = job.phase
            if job.started_at is not None:
                words["for_ms"] = self._clock.now() - job.started_at
            if job.cancelled:
                words["cancelling"] = True
        if not whole:
            return words
        lines = job.lines if job is not None else getattr(row, "lines", ())
        if lines:
            words["lines"] = list(lines)
        if row.words is not None:
            words.update(row.words)
        return words

    # Telling and storing.

    def step(self, now):
        """Tell and store what is due."""
        self.due = None
        while self._cleared and self._send(self._cleared[0], b"", None, now):
            self._cleared.pop(0)
        for row in list(self._rows):
            if row.job is not None:
                self._follow(row, now)
            if row.is_dirty:
                self._tell(row, now)
            if row.forget_at is not None:
                if now >= row.forget_at:
                    self.forget(row)
                else:
                    self._plan(row.forget_at)

    def _plan(self, time):
        if self.due is None or time < self.due:
            self.due = time

    def _follow(self, row, now):
        job = row.job
        state = _state_of(job)
        if state != row.state:
            row.state = state
            row.is_dirty = row.is_urgent = True
        if job.changed:
            job.changed = False  # before it is read: what comes meanwhile is told next time
            row.is_dirty = True
        if job.saved is not row.checkpoint and row.slot is not None:
            if now >= row.saved_at + CHECKPOINT_MS:
                row.checkpoint = job.saved
                row.tries = 0  # it has come further
                self._save(row)
            else:
                self._plan(row.saved_at + CHECKPOINT_MS)

    def _tell(self, row, now):
        if now < row.next_at and not row.is_urgent:
            self._plan(row.next_at)
            return
        expiry_s = None if row.is_live else self._retention_ms // 1000
        words = self.describe(row)
        words["boot"] = self._boot
        try:
            data = json.dumps(words).encode()
        except UNWRITABLE:  # of what a command handed over nothing may end the agent
            data = json.dumps(dict(self.describe(row, False), boot=self._boot)).encode()
        if not self._send(row.id, data, expiry_s, now):
            return
        row.is_dirty = row.is_urgent = False
        row.next_at = now + PROGRESS_MS
        if row.words is not None:
            row.words = _kept_words(row.words)

    def _send(self, name, payload, expiry_s, now):
        is_sent = self._publish("job/" + name, payload, expiry_s)
        if is_sent is False:  # without a connection there is nothing to wait up for
            self._plan(now + PROGRESS_MS)
        return is_sent

    def _save(self, row):
        row.saved_at = self._clock.now()
        words = {
            "id": row.id, "method": row.method, "key": row.key, "permission": row.permission,
            "state": row.state, "boot": self._boot, "order": self._count,
        }  # fmt: skip
        if row.words is not None:
            words["words"] = _kept_words(row.words)
        elif row.job is not None and row.job.task.command.repeat == "resume":
            task = row.job.task
            words["task"] = {
                "params": task.params, "id": task.request.address.id,
                "ticket": [hexlify(part).decode() for part in task.ticket],
                "timeout_ms": task.request.timeout_ms,
                "checkpoint": row.checkpoint, "tries": row.tries,
            }  # fmt: skip
        try:
            data = json.dumps(words).encode()
        except UNWRITABLE:
            self.unkept += 1
            return
        self._write(row.slot, data)

    def _write(self, slot, value):
        try:
            self._store.write("%s%d" % (STORED, slot), value)
        except LimpetError:
            self.unkept += 1  # the job goes on: only a restart would not know of it

    # After a restart.

    def load(self, revive):
        """Read what the boot before left.

        `revive(request, ticket, checkpoint, name)` gives the Job that goes on, or raises a
        LimpetError that says why it does not.
        """
        found = []
        for slot in range(self._kept + 1):
            try:
                value = self._store.read("%s%d" % (STORED, slot))
                if value:
                    self._store.confirm("%s%d" % (STORED, slot))  # before anybody is told of it
                    words = json.loads(value)
                    found.append((words["boot"], words["order"], slot, words))
            except (LimpetError, ValueError, KeyError):
                self.unkept += 1
        for place in sorted([part[:3] for part in found]):
            self._take([part[3] for part in found if part[:3] == place][0], place[2], revive)

    def _take(self, words, slot, revive):
        row = Row(words["id"], words["method"], words["key"], words["permission"], words["state"])
        row.slot = slot
        self._rows.append(row)
        if not row.is_live:
            row.words = words.get("words")
            row.forget_at = self._clock.now() + self._retention_ms
            # Told again: the end may have come between its storing and its telling. A large result
            # is on the topic alone, if it got there.
            row.is_dirty = "unkept" not in row.words
            self._plan(row.forget_at)
            return
        text = "the device restarted while this ran: it may have taken effect, in part or in full"
        task = words.get("task")
        if task is not None:
            try:
                self._revive(row, task, revive)
                return
            except LimpetError as error:
                text = error.message
        self._settle(row, {"error": {"code": INTERRUPTED, "message": text}}, INTERRUPTED)
        self.cut_off.append((row.id, row.words))

    def _revive(self, row, task, revive):
        row.tries = task["tries"] + 1
        if row.tries > MOST_TRIES:
            raise LimpetError("%d restarts in a row came while it ran" % row.tries)
        address = Address(task["id"], None, None, row.key)
        expires = self._clock.now() + RESUMED_MS
        request = Request(
            address, row.method, task["params"], expires, None, 0, task["timeout_ms"]
        )
        ticket = Ticket(*[unhexlify(part) for part in task["ticket"]])
        row.job = revive(request, ticket, task["checkpoint"], row.id)
        row.job.id = row.id
        row.checkpoint = row.job.saved = task["checkpoint"]
        self._show(row)
        self._save(row)  # with its tries


def _state_of(job):
    return ACCEPTED if job.started_at is None else RUNNING


def _kept_words(words):
    try:
        size = len(json.dumps(words).encode())
    except UNWRITABLE:
        return {"unkept": None}
    return words if size <= MAX_KEPT_BYTES else {"unkept": size}
