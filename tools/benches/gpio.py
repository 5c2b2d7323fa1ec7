"""What reading a GPIO line costs through the whole path, beside `system.ping` in the same run.

The same process answers both, in turn, over the same broker: a case is a runtime, a subject a
method. The chip's driver answers at once, so that what is measured is ours: the queue to a worker
where there is one, the policy, the request's layout. Before the first read and after it the heap
is told: what an agent that touches no device does without.
"""

import contextlib
import json
import os
import statistics
import tempfile

from provision import Unavailable, broker

from benches import driving, programs, subjects
from benches.frame import say
from benches.records import BenchError, Missing, Note, Row, Subject, Target

NAME = "gpio"
AGENT = os.path.join(programs.HERE, "peers", "gpio_agent.py")
PING, READ = "system.ping", "gpio.read"
PARAMS = {PING: "{}", READ: json.dumps({"path": "/dev/gpiochip0", "line": 3})}
CASES = {
    "micropython-gil": 1,
    "micropython-gil-w0": 0,
    "cpython": 1,
}
TARGETS = tuple(Target(case, READ, "p50_us", "<=", 1.5, PING) for case in CASES)


def add_arguments(parser):
    """The bench's own options."""
    parser.add_argument("--rounds", type=int, help="rounds over both methods (9, quick: 3)")


def run(options):
    """Start, measure in turn; yields records as frame.py says."""
    rounds = options.rounds or (3 if options.quick else 9)
    seconds = 0.2 if options.quick else 0.5
    try:
        driver = programs.build_driver()
        yield subjects.describe_broker()
    except Unavailable as error:
        raise BenchError(str(error)) from None
    for method in (PING, READ):
        yield Subject(method, "answered by the agent of the case")
    for case, workers in CASES.items():
        say(case)
        try:
            yield from measure(driver, case, workers, rounds, seconds)
        except Unavailable as error:
            yield Missing(READ, str(error), case)
    yield Note("Medians over %d rounds of %g s for each method, in turn." % (rounds, seconds))


def measure(driver, case, workers, rounds, seconds):
    """The rows of one runtime: both methods, in turn."""
    recipe = subjects.agent("bench-" + case, case.replace("-w0", ""), workers, AGENT)
    figures = {PING: [], READ: []}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="limpet-bench-"))
        served = stack.enter_context(broker.start(nodelay=True))
        context = driving.answering(recipe, served, folder, driver, subjects.ROOT)
        target, _ = stack.enter_context(context)
        for number in range(rounds):
            for method in (PING, READ) if number % 2 else (READ, PING):
                load = driving.Load(1, seconds, method, params=PARAMS[method])
                figures[method].append(driving.drive(driver, target, load)["p50_us"])
    for method, values in figures.items():
        yield Row(NAME, case, method, "p50_us", round(statistics.median(values), 2), "us")
