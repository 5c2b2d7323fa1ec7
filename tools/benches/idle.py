"""What an agent that is asked nothing costs: CPU time, wake-ups, memory.

Every runtime's agent is started at once and left alone for the time given; the keep-alive is the
only work there is. CPU time is the kernel's own count in nanoseconds, over all threads.
"""

import contextlib
import tempfile
import time

from provision import Unavailable, broker

from benches import driving, processes, programs, subjects
from benches.frame import say
from benches.records import BenchError, Missing, Row, Subject, Target

NAME = "idle"
SETTLE_S = 3
AGENTS = {
    "limpet-micropython-gil": ("micropython-gil", 1),
    "limpet-micropython-gil-w0": ("micropython-gil", 0),
    "limpet-micropython": ("micropython", 0),
    "limpet-cpython": ("cpython", 1),
}
TARGETS = tuple(Target("idle", name, "cpu_ms", "<=", 10) for name in AGENTS)


def add_arguments(parser):
    """The bench's own options."""
    parser.add_argument("--seconds", type=float, help="of idling (60, quick: 5)")


def run(options):
    """Start, settle, read, wait, read again; yields records as frame.py says."""
    seconds = options.seconds or (5 if options.quick else 60)
    try:
        driver = programs.build_driver()
        yield subjects.describe_broker()
    except Unavailable as error:
        raise BenchError(str(error)) from None
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="limpet-bench-"))
        served = stack.enter_context(broker.start())
        found = {}
        for name, (runtime, workers) in AGENTS.items():
            try:
                recipe = subjects.agent(name, runtime, workers)
                context = driving.answering(recipe, served, folder, driver, subjects.ROOT)
                found[name] = stack.enter_context(context)[1].process.pid
                yield Subject(name, recipe.description)
            except Unavailable as error:
                yield Missing(name, str(error))
        say("idle for %g s" % seconds)
        yield from observe(found, seconds)


def observe(found, seconds):
    """The rows of all agents, {name: pid}, over one stretch of idling."""
    time.sleep(SETTLE_S)
    before = {name: processes.read_usage(pid) for name, pid in found.items()}
    time.sleep(seconds)
    for name, pid in found.items():
        after = processes.read_usage(pid)
        used = processes.Usage(*(b - a for a, b in zip(before[name], after, strict=True)))
        yield Row(NAME, "idle", name, "idle_s", seconds, "s")
        yield Row(NAME, "idle", name, "cpu_ms", round(used.cpu_ns / 1e6, 3), "ms")
        yield Row(NAME, "idle", name, "context_switches", used.context_switches, "")
        yield Row(NAME, "idle", name, "wake_ups", used.wake_ups, "")
        for metric, value in processes.read_memory(pid)._asdict().items():
            yield Row(NAME, "idle", name, metric, value, "KiB")
