"""queue: items a second and hand-over between two threads, the shim beside CPython's own queue.

Each round asks every subject once, in turn; figures are the medians of the rounds. Latency is from
before a put() to after the get() of a thread that waits, one every 2 ms: without a time limit
(`handover`) and with one (`handover-timed`, where MicroPython's own locks cannot wait).
"""

import json
import os
import statistics
import subprocess

from provision import Unavailable, runtimes

from benches import subjects
from benches.frame import say
from benches.records import Missing, Note, Row, Subject, Target

NAME = "queue"
PEERS = ("cpython-own",)
OURS = ("shim-cpython", "shim-micropython-gil", "shim-micropython")
RATIO_METRICS = ("per_second", "p50_us", "p99_us")
WORKER = os.path.join(subjects.PEERS_FOLDER, "queue_pair.py")
# subject: runtime, which module, and the part of the items and hand-overs that it is asked for
SUBJECTS = {
    "cpython-own": ("cpython", "cpython", 1),
    "shim-cpython": ("cpython", "shim", 1),
    "shim-micropython-gil": ("micropython-gil", "shim", 1),
    "shim-micropython": ("micropython", "shim", 1),
    "shim-micropython-oldest": ("micropython-oldest", "shim", 1),
    "shim-micropython-armhf": ("micropython-armhf", "shim", 5),
}
RATES = ("one-thread", "two-threads")
LATENCIES = ("handover", "handover-timed")
TARGETS = (
    Target("handover-timed", "shim-micropython-gil", "p99_us", "<=", 250),
    Target("handover-timed", "shim-micropython", "p99_us", "<=", 250),
    Target("handover-timed", "shim-micropython-armhf", "p99_us", "<=", 1000),
    Target("two-threads", "shim-micropython-gil", "per_second", ">=", 221000),
)


def add_arguments(parser):
    """The bench's own options."""
    parser.add_argument("--items", type=int, help="through each queue (100000, quick: 5000)")
    parser.add_argument("--handovers", type=int, help="that are timed (2000, quick: 200)")
    parser.add_argument("--rounds", type=int, help="of all subjects (5, quick: 1)")


def run(options):
    """Find the interpreters, measure in rounds; yields records as frame.py says."""
    items = options.items or (5000 if options.quick else 100000)
    handovers = options.handovers or (200 if options.quick else 2000)
    rounds = options.rounds or (1 if options.quick else 5)
    found = {}
    for name, (runtime_name, which, part) in SUBJECTS.items():
        try:
            runtime = runtimes.get(runtime_name)
        except Unavailable as error:
            yield Missing(name, str(error))
            continue
        found[name] = [runtime.path, WORKER, which, str(items // part), str(handovers // part)]
        yield Subject(name, "%s; %s" % (which, subjects.describe_runtime(runtime)))
    yield Note(
        "Builds without the GIL are measured for comparison: what is safe there is in "
        "compat/README.md."
    )
    yield from measure(found, rounds)


def measure(found, rounds):
    """The rows of {subject: command line}, medians over the rounds."""
    results = {name: [] for name in found}
    failed = {}
    for number in range(rounds):
        say("round %d of %d" % (number + 1, rounds))
        for name, command in found.items():
            try:
                results[name].append(ask(command))
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                failed[name] = str(error)
    for name, answers in results.items():
        if name in failed:
            yield Missing(name, "in %d of %d rounds: %s" % (
                rounds - len(answers), rounds, failed[name]
            ))  # fmt: skip
        if answers:
            yield from rows(name, answers)


def ask(command):
    """Run one worker; its dict of figures."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError("status %d, %s" % (done.returncode, last))
    return json.loads(done.stdout)


def rows(name, answers):
    """The rows of one subject."""
    for case in RATES:
        value = statistics.median(answer[case] for answer in answers)
        yield Row(NAME, case, name, "per_second", round(value), "1/s")
    for case in LATENCIES:
        for place, metric in enumerate(("p50_us", "p99_us")):
            value = statistics.median(answer[case][place] for answer in answers)
            yield Row(NAME, case, name, metric, value, "us")
