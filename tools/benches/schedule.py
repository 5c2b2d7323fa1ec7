"""What schedules cost: ten simulated years of fifty of them, and the memory that a hundred take.

The years are walked from wake-up to wake-up by the schedule that a device runs, in simulated time:
what is timed is finding what is due and when to wake next, summer time and jitter included, not
the runs. Processor time counts, since other work on the machine is not the schedule's. The heap is
what the interpreter's collector counts once a runner has loaded the schedules from a folder.
"""

import json
import os
import resource
import subprocess
import tempfile
import time

from provision import Unavailable, runtimes

from benches import programs, subjects
from benches.frame import say
from benches.records import Missing, Note, Row, Subject, Target

NAME = "schedule"
PROGRAM = os.path.join(programs.HERE, "peers", "schedule_years.py")
YEARS, ENTRIES, KEPT, REMEMBERED = 10, 50, 100, 200
TIMED = ("cpython", "micropython-gil", "micropython")
COUNTED = ("micropython-armhf", "micropython-gil")
LIMIT_S = 600  # a run that takes longer than this is stuck
TARGETS = (
    Target("years", "limpet-cpython", "cpu_s", "<=", 10),
    Target("years", "limpet-cpython", "runs", ">=", 250_000),
    Target("heap", "limpet-micropython-armhf", "heap_kib", "<=", 30),
    Target("journal", "limpet-micropython-armhf", "with_schedules_kib", "<=", 40),
)


def run(options):
    """Simulate on each runtime, then load; yields records as frame.py says."""
    years = 1 if options.quick else YEARS
    yield Note("years: %d simulated years of %d schedules" % (years, ENTRIES))
    yield Note("journal: %d commands that take effect once; `repeat` writes nothing" % REMEMBERED)
    yield Note("heap: what %d schedules take, beside code and constants" % KEPT)
    for name in sorted({*TIMED, *COUNTED}):
        try:
            runtime = runtimes.get(name)
        except Unavailable:
            continue  # told by its cases
        yield Subject("limpet-" + name, subjects.describe_runtime(runtime))
    for name in TIMED:
        yield from on_runtime(name, "years", lambda path: simulate(path, years))
    for name in COUNTED:
        rows = list(on_runtime(name, "heap", load))
        yield from rows
        kib = [row.value for row in rows if getattr(row, "metric", None) == "heap_kib"]
        if kib:
            yield from on_runtime(name, "journal", lambda path, kib=kib: remember(path, kib[0]))


def on_runtime(name, case, measure):
    """The rows of one case on one interpreter, or why it has none."""
    subject = "limpet-" + name
    try:
        runtime = runtimes.get(name)
        say("%s on %s" % (case, name))
        figures = measure(runtime.path)
    except Unavailable as error:
        yield Missing(subject, str(error), case)
        return
    for metric, value, unit in figures:
        yield Row(NAME, case, subject, metric, value, unit)


def simulate(path, years):
    """(metric, value, unit) of the simulated years."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    found = call(path, "years", str(years), str(ENTRIES))
    elapsed = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        ("runs", found["runs"], ""),
        ("wake_ups", found["wake_ups"], ""),
        ("cpu_s", round(cpu, 2), "s"),
        ("elapsed_s", round(elapsed, 2), "s"),
        ("us_per_run", round(cpu * 1e6 / found["runs"], 2), "us"),
    )


def load(path):
    """(metric, value, unit) of the heap that the schedules take."""
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
        found = call(path, "heap", str(KEPT), folder)
    return (
        ("heap_kib", round(found["bytes"] / 1024, 1), "KiB"),
        ("bytes_per_schedule", found["bytes"] // KEPT, "B"),
    )


def remember(path, schedules):
    """(metric, value, unit) of a journal: its heap, alone and with the schedules; its writes."""
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
        found = call(path, "journal", str(REMEMBERED), folder)
    heap_kib = found["bytes"] / 1024
    return (
        ("heap_kib", round(heap_kib, 1), "KiB"),
        ("with_schedules_kib", round(heap_kib + schedules, 1), "KiB"),
        ("syncs_per_once", round(found["syncs"], 2), ""),
        ("bytes_per_once", round(found["written_bytes"]), "B"),
    )


def call(path, *arguments):
    """What the program prints on that interpreter; raises Unavailable with its last line."""
    try:
        ended = subprocess.run(
            [path, PROGRAM, *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("not done after %d s" % LIMIT_S) from None
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        raise Unavailable("status %d: %s" % (ended.returncode, said[-1] if said else "no word"))
    return json.loads(ended.stdout)
