"""Starts the subjects of a run on one broker and drives each with the C load driver.

The one rule: every subject meets the same driver with the same requests; a run in which one reply
was wrong, doubled or missing has no figure, it has a reason.
"""

import contextlib
import json
import subprocess
import time
from typing import NamedTuple

from provision import Unavailable

from benches import processes
from benches.programs import last_line

# The first answer: an interpreter under load starts in seconds.
START_S = 20
PROBE_MS = 500
# Nothing heard for so long in the middle of a run: a reply was lost.
SILENCE_MS = 5000
MOST_REQUESTS = 200000


class Load(NamedTuple):
    """What the driver does: so many requests unanswered at a time, for so long, for a method."""

    inflight: int
    seconds: float
    method: str = "system.ping"
    quickack: bool = False
    params: str = "{}"
    count: int = MOST_REQUESTS
    qos: int = 1
    size: int = 0  # bytes sent in place of a request; 0: a request


class Driven(NamedTuple):
    """A subject that can be driven: where it listens and answers, and what counts as an answer."""

    name: str
    broker: object
    call: str
    reply: str
    expect: str
    pid: int | None = None  # of the process behind it; None: nobody counts what it uses


def drive(driver, target, load, silence_ms=SILENCE_MS):
    """One run of the driver: the dict that it prints, or Unavailable with what it said.

    With it what the subject used for each message, where it is known which process that is:
    `cpu_us` on a processor, kernel's work for it included, and `waits`, after each of which it
    found as many messages as there were.
    """
    where = (target.broker.host, target.broker.port, target.call, target.reply, target.expect)
    what = (load.method, load.inflight, load.count, load.seconds, silence_ms)
    what += (int(load.quickack), load.params, load.qos, load.size)
    command = [driver, *map(str, where + what)]
    before = processes.read_usage(target.pid) if target.pid else None
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable("the driver: " + last_line(done.stderr))
    figures = json.loads(done.stdout)
    if before:
        after = processes.read_usage(target.pid)
        figures["cpu_us"] = (after.cpu_ns - before.cpu_ns) / 1000 / figures["count"]
        figures["waits"] = (after.wake_ups - before.wake_ups) / figures["count"]
    return figures


def await_answer(driver, target, running):
    """Wait until the subject answers its first request; Unavailable with its own last words."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            return drive(driver, target, Load(1, 1, count=1), PROBE_MS)
        except Unavailable as error:
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable("%s (%s)" % (running.explain(), error)) from None


@contextlib.contextmanager
def answering(recipe, broker, folder, driver, cwd):
    """A recipe started on that broker, once it answers: (Driven, Running)."""
    command = recipe.command(broker, folder)
    target = Driven(recipe.name, broker, recipe.call, recipe.reply, recipe.expect)
    with processes.started(recipe.name, command, folder, cwd, recipe.environment) as running:
        await_answer(driver, target, running)
        yield target._replace(pid=running.process.pid), running
