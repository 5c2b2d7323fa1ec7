"""Round trip of `system.ping` through mosquitto, beside three echo peers.

Calls and replies at QoS 1. The same C driver sends the same request to every subject: the agent
parses it, checks it, dispatches it and answers; the peers only send its bytes back. Rounds of all
subjects are interleaved; p50 and rate are those of the best round, the rest medians.

  inflight=1, inflight=20   so many requests unanswered; mosquitto with set_tcp_nodelay true
  method=system.echo        one unanswered; a command that a worker runs, where there are workers:
                            `system.ping` itself is answered by the agent's main thread
  command=repeat, =once     one unanswered; commands that do nothing but keep a promise: what is
                            `once` is journalled before it runs and its answer before it is sent,
                            each with a sync, in the file system of the cache; =once inflight=20
  broker=default            one unanswered; mosquitto as it comes, where Nagle's algorithm holds a
                            small packet back until the one before it is acknowledged
  driver-ceiling            the driver, sending to itself through the broker: no subject at all
"""

import contextlib
import functools
import os
import statistics
import tempfile
from typing import NamedTuple

from provision import Unavailable, broker, cache, peers

from benches import driving, programs, subjects
from benches.frame import say
from benches.records import BenchError, Missing, Note, Row, Subject, Target

NAME = "rpc"
CEILING = "driver-ceiling"
OURS = ("limpetd", "limpet-micropython-gil", "limpet-micropython-gil-w0", "limpet-cpython")
PEERS = ("libmosquitto", "paho", "umqtt")
RATIO_METRICS = ("p50_us", "per_second", "cpu_us")
UNITS = {
    "p50_us": "us",
    "p99_us": "us",
    "per_second": "1/s",
    "wire_bytes": "B",
    "cpu_us": "us",
    "waits": "",
}
# Other work on the machine only ever slows a run, so of these the best round counts, for every
# subject alike; of all others the median over the rounds.
BEST = {"p50_us": min, "per_second": max}
AGENTS = {
    "limpet-micropython-gil": ("micropython-gil", 1),
    "limpet-micropython-gil-w0": ("micropython-gil", 0),
    "limpet-cpython": ("cpython", 1),
}
RECIPES = {
    "limpetd": functools.partial(subjects.limpetd, "limpetd", "x86-64", 1),
    **{name: functools.partial(subjects.agent, name, *what) for name, what in AGENTS.items()},
    "umqtt": functools.partial(subjects.umqtt, "umqtt"),
    "paho": functools.partial(subjects.paho, "paho"),
    "libmosquitto": functools.partial(subjects.libmosquitto, "libmosquitto"),
}
TARGETS = (
    Target("inflight=1", "limpet-micropython-gil", "p50_us", "<=", 2.0, "libmosquitto"),
    Target("inflight=1", "limpet-micropython-gil-w0", "p50_us", "<=", 1.6, "libmosquitto"),
    Target("method=system.echo", "limpet-micropython-gil", "p50_us", "<=", 2.0, "libmosquitto"),
    Target("inflight=1", "umqtt", "p50_us", ">=", 50, "limpet-micropython-gil"),
    Target("inflight=20", "limpet-micropython-gil", "per_second", ">=", 1.5, "paho"),
    Target("inflight=20", "limpet-micropython-gil", "cpu_us", "<=", 0.67, "paho"),
    Target("broker=default", "limpet-micropython-gil", "p50_us", "<=", 2000),
)
NOTES = (
    "All ends set TCP_NODELAY, but umqtt.simple, which offers no way to: it writes a packet in "
    "five pieces,\nand Nagle's algorithm holds the later ones until the first is acknowledged.",
    "In broker=default the driver acknowledges each segment at once (TCP_QUICKACK), so that what "
    "waits there\nis the subject's side; libmosquitto, paho and umqtt leave it to the kernel.",
)
HOW = (
    "p50_us and per_second are those of the best, the others the median of %d round(s) of %g s "
    "for each\nsubject and case. cpu_us and waits are the subject's, for each message."
)


# What a case needs to be started: the broker's setting, and whether the agents have the commands
# of peers/agent_commands.py.
USUAL, NAGLE, PROMISES = (True, False), (False, False), (True, True)

ONCE_COUNT = 100  # in one run: each leaves an entry in the journal, which is searched


class Case(NamedTuple):
    """One way of driving."""

    name: str
    inflight: int
    setup: tuple = USUAL
    method: str = "system.ping"
    count: int = driving.MOST_REQUESTS


CASES = (
    Case("inflight=1", 1),
    Case("inflight=20", 20),
    Case("method=system.echo", 1, method="system.echo"),
    Case("command=repeat", 1, PROMISES, "bench.repeat"),
    Case("command=once", 1, PROMISES, "bench.once", ONCE_COUNT),
    Case("command=once inflight=20", 20, PROMISES, "bench.once", 2 * ONCE_COUNT),
    Case("broker=default", 1, NAGLE),
)


def add_arguments(parser):
    """The bench's own options."""
    parser.add_argument("--rounds", type=int, help="rounds over all subjects (7, quick: 1)")
    parser.add_argument("--seconds", type=float, help="of each run (1.0, quick: 0.2)")
    parser.add_argument("--newer", action="store_true", help="through mosquitto 2.1")
    names = [*RECIPES, CEILING]
    parser.add_argument(
        "--subjects", help="only these, by comma, of: " + ", ".join(names), metavar="NAMES"
    )


def run(options):
    """Prepare, start, measure; yields records as frame.py says."""
    rounds = options.rounds or (1 if options.quick else 7)
    seconds = options.seconds or (0.2 if options.quick else 1.0)
    names = choose(options.subjects)
    try:
        driver = programs.build_driver()
        kind = peers.newer_mosquitto() if options.newer else broker.find()
        yield subjects.describe_broker(kind)
    except Unavailable as error:
        raise BenchError(str(error)) from None
    recipes, missing = prepare([name for name in names if name != CEILING])
    yield from missing
    yield from (Subject(recipe.name, recipe.description) for recipe in recipes)
    with contextlib.ExitStack() as stack:
        targets, missing = start_all(stack, recipes, driver, kind, CEILING in names)
        yield from missing
        samples, missing = measure(driver, targets, rounds, seconds)
    yield from missing
    yield from summarise(samples)
    yield from (Note(text) for text in NOTES)
    yield Note(HOW % (rounds, seconds))


def choose(text):
    """The names asked for, or all of them."""
    known = [*RECIPES, CEILING]
    names = text.split(",") if text else known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchError("no such subject: %s (there are %s)" % (unknown[0], ", ".join(known)))
    return names


def prepare(names):
    """Get what the subjects need: (recipes, missing)."""
    recipes, missing = [], []
    for name in names:
        try:
            recipes.append(RECIPES[name]())
        except Unavailable as error:
            missing.append(Missing(name, str(error)))
    return recipes, missing


def start_all(stack, recipes, driver, kind, ceiling):
    """Every subject for every setup: ({setup: [Driven]}, missing)."""
    targets, missing = {}, []
    home = cache.path("benches")
    os.makedirs(home, exist_ok=True)
    for setup in (USUAL, PROMISES, NAGLE):
        nodelay, promises = setup
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="limpet-bench-", dir=home))
        served = stack.enter_context(broker.start(nodelay=nodelay, kind=kind))
        targets[setup] = []
        if ceiling:
            loop = "limpet/reply/" + CEILING
            targets[setup].append(driving.Driven(CEILING, served, loop, loop, "echo"))
        for recipe in recipes:
            if promises and recipe.name == "limpetd":
                continue  # a single file takes no commands from outside
            say("starting %s, broker with%s nodelay" % (recipe.name, "" if nodelay else "out"))
            if promises and recipe.name in AGENTS:
                recipe = RECIPES[recipe.name](entry=subjects.COMMANDS)
            try:
                context = driving.answering(recipe, served, folder, driver, subjects.ROOT)
                targets[setup].append(stack.enter_context(context)[0])
            except Unavailable as error:
                cases = ", ".join(case.name for case in CASES if case.setup == setup)
                missing.append(Missing(recipe.name, str(error), cases))
    return targets, missing


def measure(driver, targets, rounds, seconds):
    """All rounds: ({(case, subject): [what the driver printed]}, missing).

    Each round begins with another subject, so that none always follows the same neighbour.
    """
    samples, missing = {}, {}
    for number in range(rounds):
        say("round %d of %d" % (number + 1, rounds))
        for case in CASES:
            quickack = case.setup == NAGLE
            load = driving.Load(case.inflight, seconds, case.method, quickack, count=case.count)
            for target in rotate(targets[case.setup], number):
                key = (case.name, target.name)
                if key in missing:
                    continue
                try:
                    samples.setdefault(key, []).append(driving.drive(driver, target, load))
                except Unavailable as error:
                    missing[key] = Missing(target.name, str(error), case.name)
                    samples.pop(key, None)
    return samples, list(missing.values())


def rotate(items, number):
    """The items, beginning with another one for each number."""
    start = number % len(items) if items else 0
    return items[start:] + items[:start]


def summarise(samples):
    """The rows, in the order of cases and recipes."""
    for case in CASES:
        for subject in [*RECIPES, CEILING]:
            runs = samples.get((case.name, subject), ())
            for metric, unit in UNITS.items() if runs else ():
                value = choose_figure(runs, metric)
                if value is not None:
                    yield Row(NAME, case.name, subject, metric, round(value, 2), unit)


def choose_figure(runs, metric):
    """What stands for these runs of one subject; None where nobody counted it."""
    values = [figure(run, metric) for run in runs]
    return None if None in values else BEST.get(metric, statistics.median)(values)


def figure(run, metric):
    """One figure of one run; `wire_bytes` are those of the driver's connection for each call."""
    if metric == "wire_bytes":
        return (run["bytes_in"] + run["bytes_out"]) / run["count"]
    return run.get(metric)
