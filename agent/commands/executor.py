"""Runs commands: on worker threads where there are some, in turn where there are none.

Main thread and workers share two bounded queues and nothing else. The one rule: every task that
was accepted comes out of `finished` exactly once, with a result or an error, whatever the command
did.

A full inbox refuses (Busy) and counts. A worker whose outcome finds no room waits for the main
thread, which never waits for a worker. Workers are never told to end: the agent ends with its
process, and nothing that is needed at the next start is written then.
"""

import queue
import threading
from collections import namedtuple

from interpreter import format_exception

from agent.errors import Busy, CommandFailed, Expired, LimpetError

# A command to run for a request, its parameters checked; `ticket` is what the journal knows it by,
# None for one that may run again.
Task = namedtuple("Task", ("request", "command", "params", "ticket"))

# What came of it: exactly one of result and error counts; error is None or a LimpetError.
Outcome = namedtuple("Outcome", ("task", "result", "error"))

MAX_TRACEBACK = 2000  # characters of a traceback that a reply carries: the innermost frames


class Executor:
    """`workers` threads, 0 for none; at most `room` tasks wait.

    `clock` is asked whether a task has expired when its turn comes; `wake` is called by a worker
    when an outcome is there.
    """

    def __init__(self, workers, room, clock, wake):
        self._clock = clock
        self._wake = wake
        # The queues have locks of their own; everything else here is the main thread's, but for
        # each slot of `running`, which its own worker writes and the main thread reads.
        self._inbox = queue.Queue(room)
        self._outcomes = queue.Queue(room + workers)
        self.running = [None] * workers
        self._under_way = 0  # tasks submitted whose outcome the main thread has not got yet
        self.refused = 0
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

    def check_room(self, besides):
        """Raise Busy unless there is room for a task and for `besides` more.

        Only the main thread puts tasks in, so what this finds stays true until it does.
        """
        if self._inbox.qsize() + besides >= self._inbox.maxsize:
            self.refused += 1
            raise Busy("%d commands wait already; ask again later" % self._inbox.maxsize)

    def submit(self, task):
        """Accept a task that there is room for."""
        self._inbox.put_nowait(task)
        self._under_way += 1

    def finished(self):
        """The next Outcome that a worker brought, or None."""
        if not self._under_way or not self._threads:
            return None  # asked at every turn of the loop: no lock, no exception
        try:
            outcome = self._outcomes.get_nowait()
        except queue.Empty:
            return None
        self._under_way -= 1
        return outcome

    def run_next(self):
        """Without workers: run the next task here and now; its Outcome, or None."""
        if not self.has_work():
            return None
        self._under_way -= 1
        return self.run(self._inbox.get_nowait())

    def has_work(self):
        """True if `run_next` would run something that waits for its turn on this thread."""
        return self._under_way > 0 and not self._threads

    def run(self, task):
        """Run a task here and now; returns its Outcome, and raises nothing."""
        if task.request.expires <= self._clock.now():
            return Outcome(task, None, Expired("the request's time passed while it waited"))
        try:
            return Outcome(task, task.command.call(task.params), None)
        except LimpetError as error:
            return Outcome(task, None, error)
        except Exception as error:  # noqa: BLE001 - a command's fault is its caller's to know
            return Outcome(task, None, _failure(error))

    def _work(self, index):
        while True:
            task = self._inbox.get()
            self.running[index] = (task.command.name, self._clock.now())
            outcome = self.run(task)
            self.running[index] = None
            self._outcomes.put(outcome)
            self._wake()


def _failure(error):
    trace = format_exception(error)
    message = "%s: %s" % (type(error).__name__, error)
    return CommandFailed(message, {"traceback": trace[-MAX_TRACEBACK:]})
