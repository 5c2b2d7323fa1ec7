"""Runs one task to its end with the real Job, its stream caught; for tests of programs."""

import select
from collections import namedtuple

from agent import errors  # noqa: F401 - early: a small stack does not hold the chain of imports
from agent.clock import Clock
from agent.commands.executor import Task
from agent.commands.job import Job
from agent.commands.message import NOWHERE, Request

Told = namedtuple("Told", ("result", "error", "output"))


class _Stream:
    is_full = False

    def __init__(self, given):
        self.given = list(given)
        self.pieces = []
        self.size = 0

    def put(self, data):
        self.pieces.append(data)
        self.size += len(data)

    def get(self):
        return self.given.pop(0) if self.given else None


class Running:
    """One command under way: `turn()` until `outcome` is there. `given` is its input in pieces."""

    def __init__(self, command, params, given=(), timeout_ms=None):
        values = {field.name: field.default for field in command.params if not field.required}
        values.update(params)
        request = Request(NOWHERE, command.name, params, 1 << 40, None, 0, timeout_ms)
        self.clock = Clock()
        self.job = Job(Task(request, command, values, None), self.clock, lambda: None)
        if timeout_ms is not None:
            self.job.deadline = self.clock.now() + timeout_ms
        self.job.stream = self.stream = _Stream(given)
        self.turns = 0

    @property
    def output(self):
        return b"".join(self.stream.pieces)

    def turn(self):
        """Run until it rests, and let the rest pass; False once it has ended."""
        self.turns += 1
        pause = self.job.turn(lambda: True)
        if pause:
            select.poll().poll(min(pause, 1000))
        return pause is not None

    def until(self, condition):
        """Turn until `condition(self)` holds."""
        while not condition(self):
            if not self.turn():
                raise AssertionError("it ended: %r" % (self.job.outcome,))

    def cancel(self):
        """As the executor does."""
        self.job.cancelled = True

    def end(self):
        """Turn to the end; the Told of it."""
        while self.turn():
            pass
        outcome = self.job.outcome
        return Told(outcome.result, outcome.error, self.output)


def run(command, given=(), timeout_ms=None, **params):
    """Run a command to its end."""
    return Running(command, params, given, timeout_ms).end()
