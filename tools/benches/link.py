"""Our link alone beside three clients: echo latency, messages a second, bytes, memory.

Each subject echoes what comes on one topic to another, at QoS 0, 1 or 2; the C driver of `rpc`
sends, with so many messages unanswered (the window), of 20 bytes and of 1 KiB, through mosquitto
with set_tcp_nodelay true. Rounds of all subjects are interleaved; p50 and rate are those of the
best round, the rest medians. Bytes on the wire are those of the driver's connection for each
message; the broker's other connection carries the same messages. Peak memory is that of the
subject's whole process.

`limpet-durable` puts each echo into a log before it is sent (keeper.py), in the file system of the
cache; how often it synced and how much it wrote stands beside, for each message.
"""

import contextlib
import functools
import json
import os
import statistics
import tempfile
import time
from typing import NamedTuple

from provision import Unavailable, broker, cache

from benches import driving, processes, programs, subjects
from benches.frame import say
from benches.records import BenchError, Missing, Note, Row, Subject, Target
from benches.rpc import HOW, UNITS, choose_figure, rotate

NAME = "link"
OURS = ("limpet-micropython-gil", "limpet-cpython", "limpet-durable")
PEERS = ("libmosquitto", "paho", "umqtt")
RATIO_METRICS = ("p50_us", "per_second", "cpu_us")
DURABLE = "limpet-durable"
LOG_UNITS = {"syncs": "", "written_bytes": "B"}
SETTLE_S = 0.6  # until the figures of a log are written, and what they count
RECIPES = {
    "limpet-micropython-gil": lambda name, qos: subjects.link(name, "micropython-gil", qos),
    "limpet-cpython": lambda name, qos: subjects.link(name, "cpython", qos),
    "umqtt": subjects.umqtt,
    "paho": subjects.paho,
    "libmosquitto": subjects.libmosquitto,
}


class Case(NamedTuple):
    """One way of driving."""

    qos: int
    window: int
    size: int

    @property
    def name(self):
        """As it stands in the table."""
        return "qos=%d window=%d %d B" % self


CASES = tuple(
    Case(q, window, size) for q in (0, 1, 2) for window in (1, 20) for size in (20, 1024)
)
TARGETS = (
    Target("qos=0 window=1 20 B", OURS[0], "p50_us", "<=", 1.3, "libmosquitto"),
    *(
        Target("qos=%d window=20 20 B" % qos, OURS[0], "per_second", ">=", limit, peer)
        for qos in (0, 1, 2)
        for limit, peer in ((0.7, "libmosquitto"), (1.0, "paho"))
    ),
    # The broker bounds the rate; what the client itself takes of a processor says more of it.
    Target("qos=0 window=20 20 B", OURS[0], "cpu_us", "<=", 1 / 0.7, "libmosquitto"),
)
NOTES = (
    "umqtt.simple has no QoS 2. It writes a packet in pieces and cannot set TCP_NODELAY.",
    "At QoS 1 and 2 the echo leaves before the message that it answers is acknowledged.",
)


def add_arguments(parser):
    """The bench's own options."""
    parser.add_argument("--rounds", type=int, help="rounds over all subjects (5, quick: 1)")
    parser.add_argument("--seconds", type=float, help="of each run (0.5, quick: 0.1)")
    parser.add_argument("--subjects", metavar="NAMES", help="by comma: " + ", ".join(RECIPES))


def run(options):
    """Prepare, start, measure; yields records as frame.py says."""
    rounds = options.rounds or (1 if options.quick else 5)
    seconds = options.seconds or (0.1 if options.quick else 0.5)
    known = [*RECIPES, DURABLE]
    names = options.subjects.split(",") if options.subjects else known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError("no such subject: %s (there are %s)" % (unknown[0], ", ".join(known)))
    try:
        driver = programs.build_driver()
        yield subjects.describe_broker()
    except Unavailable as error:
        raise BenchError(str(error)) from None
    with contextlib.ExitStack() as stack:
        home = cache.path("benches")
        os.makedirs(home, exist_ok=True)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="limpet-bench-", dir=home))
        served = stack.enter_context(broker.start(nodelay=True))
        start = functools.partial(start_one, stack, driver, served, folder)
        started = {}
        for name in names:
            yield from start(name, started)
        yield from measure(driver, started, rounds, seconds, folder)
        for (name, qos), (_, running) in started.items():
            case = "qos=%d, all" % qos
            if running.process.poll() is None:
                memory = processes.read_memory(running.process.pid)
                yield Row(NAME, case, name, "peak_kib", memory.peak_kib, "KiB")
            else:
                yield Missing(name, running.explain(), case)
    yield from (Note(text) for text in NOTES)
    yield Note(HOW % (rounds, seconds))


def start_one(stack, driver, served, folder, name, started):
    """Start a subject once for each QoS, into `started`; yields what there is to say of it."""
    for qos in (0, 1, 2):
        if qos == {"umqtt": 2, DURABLE: 0}.get(name):
            continue
        say("starting %s at QoS %d" % (name, qos))
        try:
            recipe = make_recipe(name, qos, folder)
            context = driving.answering(recipe, served, folder, driver, subjects.ROOT)
            started[name, qos] = stack.enter_context(context)
        except Unavailable as error:
            yield Missing(name, str(error), "qos=%d" % qos)
            continue
        if qos == 1:
            yield Subject(name, recipe.description)


def make_recipe(name, qos, folder):
    """How to start a subject at that QoS."""
    unique = "%s-q%d" % (name, qos)
    if name != DURABLE:
        return RECIPES[name](unique, str(qos))
    data = log_folder(folder, qos)
    os.makedirs(data)
    return subjects.link(unique, "micropython-gil", str(qos), data)


def log_folder(folder, qos):
    """Where the durable subject of that QoS keeps its log."""
    return os.path.join(folder, "log-q%d" % qos)


def read_log(folder, qos):
    """What that log has cost: its syncs and its bytes written."""
    time.sleep(SETTLE_S)
    with open(os.path.join(log_folder(folder, qos), "figures")) as file:
        words = json.load(file)
    return {"syncs": words["syncs"], "written_bytes": words["written_bytes"]}


def measure(driver, started, rounds, seconds, folder):
    """Drive all subjects in all cases; yields the medians as rows, and what failed."""
    samples, missing = {}, {}
    for number in range(rounds):
        say("round %d of %d" % (number + 1, rounds))
        for case in CASES:
            load = driving.Load(case.window, seconds, qos=case.qos, size=case.size)
            names = [name for name, qos in started if qos == case.qos]
            for name in rotate(names, number):
                target = started[name, case.qos][0]
                before = read_log(folder, case.qos) if name == DURABLE else {}
                try:
                    done = driving.drive(driver, target, load)
                    if before:
                        after = read_log(folder, case.qos)
                        done.update({key: after[key] - before[key] for key in after})
                    samples.setdefault((case, name), []).append(done)
                except Unavailable as error:
                    missing[case, name] = Missing(name, str(error), case.name)
    for (case, name), runs in samples.items():
        if (case, name) not in missing:
            yield from summarise(case, name, runs)
    yield from missing.values()


def summarise(case, name, runs):
    """The rows of a subject in a case."""
    for metric, unit in UNITS.items():
        value = choose_figure(runs, metric)
        if value is not None:
            yield Row(NAME, case.name, name, metric, round(value, 2), unit)
    for metric, unit in LOG_UNITS.items() if name == DURABLE else ():
        value = statistics.median(done[metric] / done["count"] for done in runs)
        yield Row(NAME, case.name, name, metric + "_each", round(value, 2), unit)
