"""Runs commands: on worker threads where there are some, in turn where there are none.

The one rule: every job that was submitted comes out of `hear` or `run_next` exactly once, with its
outcome, whatever the command did.

What waits to begin does so in fair order (line.py), so that no caller's flood stops another's
command. A job that yields goes behind all others that wait; one that rests is kept by the main
thread until its time, and costs no thread. So one worker runs many generators, and any worker goes
on with any of them. With no workers the main thread gives one job one turn at each turn of its
loop. The same holds, whatever the number of workers, for tasks declared `on_main`.

Workers are never told to end: the agent ends with its process, and nothing that is needed at the
next start is written then. A worker waits for jobs and for nothing else; the main thread never
waits for a worker.
"""

import queue
import threading
from collections import namedtuple

from agent.commands.job import FAULTS, REST, Cancelled, Job, Outcome, failure
from agent.commands.line import Line, caller_of, share_of
from agent.errors import Busy, Expired, LimpetError

# A command to run for a request, its parameters checked; `ticket` is what the journal knows it by,
# None for one that may run again.
Task = namedtuple("Task", ("request", "command", "params", "ticket"))

MOST_BEGUN = 16  # commands that have begun and not ended: each holds what it works with
MOST_BESIDE = 4  # of one caller under way that others' commands under way cannot keep out
STUCK_MS = 1000  # after which one that was to end and did not is called stuck

_Slot = namedtuple("_Slot", ("method", "since", "job"))


class Executor:
    """`workers` threads, 0 for none; at most `room` jobs wait to begin.

    `clock` is asked whether a job has expired when its turn comes; `wake` is called by a worker
    when the main thread has something to do.
    """

    def __init__(self, workers, room, clock, wake):
        self._clock = clock
        self._wake = wake
        self._room = room
        # Places for callers who come while another has taken all: see `check_room`.
        self._spare = (room + 1) // 2
        self.has_keys = False  # of the device
        # The queues have locks of their own. They need no bound: each job is in one of them at
        # most, and `check_room` bounds the jobs.
        self._inbox = queue.SimpleQueue()  # for workers: a job to go on, or _NEXT of the line
        self._news = queue.SimpleQueue()  # from workers: (job, ms to rest or None)
        self._turns = []  # for the main thread, the same
        self._line = Line()  # to begin on a worker; guarded by the lock, as is the next
        self._main_line = Line()  # to begin on the main thread
        self._resting = []  # jobs that have a `wake_at`
        self.jobs = []  # all under way, in the order they were submitted
        # Guards each job's step from waiting to begun, or to over, and the count of those begun.
        self._lock = threading.Lock()
        self._begun = self._submitted = 0
        # Each slot is written by its own worker and read by the main thread.
        self.running = [None] * workers
        self.due = None  # when `run_next` is wanted though nothing comes: monotonic ms
        self.refused = 0
        self.replaced = 0  # workers that a command took down
        self._threads = [
            threading.Thread(
                target=self._work, args=(index,), name="worker-%d" % index, daemon=True
            )
            for index in range(workers)
        ]

    def start(self):
        """Start the workers. Raises RuntimeError where the port has not enough threads."""
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Let idle workers end: for tests, which outlive their executors."""
        for _ in self._threads:
            self._inbox.put(None)

    def check_room(self, command, batch, address):
        """Raise Busy unless there is room for `command`, asked for by the Address, and for the
        Tasks in `batch` before it.

        One caller alone may have `room` commands wait. Where others wait too each has its share of
        them, and whoever comes when all places are taken finds some that are spare. Only the main
        thread submits, so what this finds stays true until it does.
        """
        waiting = self._submitted - self._begun + len(batch)
        if waiting:
            self._check_share(caller_of(address, self.has_keys), batch, waiting)
        if len(self.jobs) + len(batch) >= self._room + MOST_BEGUN:
            self._check_under_way(caller_of(address, self.has_keys), batch)
        most = command.mode.most if isinstance(command.mode, tuple) else None
        if most is not None:
            count = len([job for job in self.jobs if job.task.command is command])
            count += len([task for task in batch if task.command is command])
            if count >= most:
                self.refused += 1
                raise Busy("%s: %d run already, which is the most" % (command.name, count))

    def _check_share(self, caller, batch, waiting):
        with self._lock:
            callers = self._line.callers() + self._main_line.callers()
        callers += [caller_of(task.request.address, self.has_keys) for task in batch]
        share = share_of(self._room, caller, callers)
        if waiting >= self._room + self._spare or callers.count(caller) >= share:
            self.refused += 1
            raise Busy("%d commands wait already; ask again later" % waiting)

    def _check_under_way(self, caller, batch):
        mine = len([job for job in self.jobs if job.caller == caller])
        count = len(self.jobs) + len(batch)
        most = self._room + MOST_BEGUN + (self._spare if mine + len(batch) < MOST_BESIDE else 0)
        if count >= most:
            self.refused += 1
            raise Busy("%d commands are under way already; ask again later" % count)

    def submit(self, task):
        """Accept a Task that there is room for; returns its Job."""
        job = Job(task, self._clock, self._wake)
        job.caller = caller_of(task.request.address, self.has_keys)
        mode = task.command.mode
        self._submitted += 1
        self.jobs.append(job)
        job.on_worker = len(self._threads) > 0 and not (isinstance(mode, tuple) and mode.on_main)
        return job

    def launch(self, job):
        """Let a submitted job begin, or one that rested go on, when its turn comes."""
        token = job
        if job.started_at is None:
            token = _NEXT
            with self._lock:
                (self._line if job.on_worker else self._main_line).add(job)
        if job.on_worker:
            self._inbox.put(token)
        else:
            self._turns.append(token)

    def hear(self):
        """The next job that a worker brought to its end, or None."""
        while not self._news.empty():  # nobody else takes from it
            job, pause = self._news.get()
            if pause is None:
                self.jobs.remove(job)
                return job
            self._rest(job, pause)
        return None

    def run_next(self, now):
        """Run one turn of what is the main thread's: a job that ended by it, or None."""
        if self.due is not None and now >= self.due:
            self._rouse(now)
        return self._take_turn(self._turns.pop(0)) if self._turns else None

    def _take_turn(self, job):
        """Give a job, or the next one, one turn on this thread; returns it if it has ended."""
        if job is _NEXT:
            job = self._begin_next(self._main_line)
            if job is None:
                return None
        pause = job.turn(_always)
        if pause is None:
            self.jobs.remove(job)
            return job
        if pause:
            self._rest(job, pause)
        else:
            self._turns.append(job)
        return None

    def has_turns(self):
        """True while something waits for its turn on the main thread."""
        return len(self._turns) > 0

    def _begin_next(self, line):
        """The job whose turn it is to begin, counted as begun; None if none waits any more."""
        with self._lock:
            job = line.pop()
            if job is None:
                return None
            job.started_at = self._clock.now()
            self._begun += 1
        mode = job.task.command.mode
        timeout_ms = job.task.request.timeout_ms
        if isinstance(mode, tuple) and mode.timeout_s is not None:
            most = mode.timeout_s * 1000
            timeout_ms = most if timeout_ms is None else min(timeout_ms, most)
        if timeout_ms is not None:
            job.deadline = job.started_at + timeout_ms
        return job

    def _rest(self, job, pause):
        if job.was_stirred:  # while it ran, after it had looked
            job.was_stirred = False
            pause = 0
        until = self._clock.now() + pause
        if job.deadline is not None and until > job.deadline and not job.is_told:
            until = job.deadline
        job.wake_at = until
        self._resting.append(job)
        if until < REST and (self.due is None or until < self.due):
            self.due = until

    def _rouse(self, now):
        """Let those go on whose rest is over, and plan the next time."""
        due = None
        still = []
        for job in self._resting:
            if job.wake_at <= now:
                job.wake_at = None
                self.launch(job)
            else:
                still.append(job)
                due = job.wake_at if due is None else min(due, job.wake_at)
        self._resting = still
        self.due = due

    def stir(self, job):
        """Something that `job` may rest for has come: room, input, a cancel."""
        job.stir()
        if job.wake_at is None:
            job.was_stirred = True
        else:
            self._resting.remove(job)
            job.wake_at = None
            self.launch(job)

    def cancel(self, job):
        """Ask a job to end at its next yield or check; one that has not begun ends now.

        Returns True if it ended by this: then nobody hears of it any more.
        """
        if not job.cancelled:
            job.cancelled_at = self._clock.now()
            job.cancelled = True
        with self._lock:
            if job.started_at is None and not job.is_over:
                job.is_over = True
                self._begun += 1
                (self._line if job.on_worker else self._main_line).remove(job)
        if job.is_over:
            self.jobs.remove(job)
            job.fail(Cancelled("it was cancelled before it began"))
            return True
        self.stir(job)
        return False

    def is_stuck(self, job, now):
        """Whether a job should have ended by now and runs on."""
        since = job.cancelled_at if job.cancelled else job.deadline
        return since is not None and now - since >= STUCK_MS

    def busy(self, now):
        """What each busy worker does, as JSON-able dicts."""
        found = []
        for slot in self.running:
            if slot:
                words = {"method": slot.method, "for_ms": now - slot.since, "job": slot.job.id}
                if self.is_stuck(slot.job, now):
                    words["stuck"] = True
                found.append(words)
        return found

    def run(self, task):
        """Run a command here and now; returns its Outcome, and raises nothing."""
        if task.request.expires <= self._clock.now():
            return Outcome(task, None, Expired("the request's time passed while it waited"))
        try:
            return Outcome(task, self.call(task.command, task.params), None)
        except LimpetError as error:
            return Outcome(task, None, error)

    def call(self, command, params):
        """Run a command here and now; returns its result. Raises LimpetError and nothing else."""
        try:
            return command.call(params)
        except LimpetError:
            raise
        except FAULTS as error:
            raise failure(error)

    def _work(self, index):
        while True:
            job = self._inbox.get()
            if job is None:
                return
            if job is _NEXT:
                job = self._begin_next(self._line)
                if job is None:
                    continue
            self.running[index] = _Slot(job.task.command.name, self._clock.now(), job)
            try:
                pause = job.turn(self._has_waiting)
            except BaseException as error:  # noqa: BLE001 - SystemExit in a command: see below
                # This thread would be gone, with its job unanswered: it goes on as a new one.
                self.replaced += 1
                job.fail(error)
                pause = None
            self.running[index] = None
            if pause == 0:
                self._inbox.put(job)
                continue
            self._news.put((job, pause))
            self._wake()

    def _has_waiting(self):
        return not self._inbox.empty()


_NEXT = object()  # whichever job's turn it is to begin


def _always():
    return True
