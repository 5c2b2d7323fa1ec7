"""Plain scripts that say `import threading` run on every interpreter, as they do on CPython.

What is printed is checked by thread and by what must come before what: not even CPython promises
one interleaving (put() comes before the line that tells of it).
"""

import os
import re
import subprocess

import pytest
from provision import runtimes

HERE = os.path.dirname(os.path.abspath(__file__))
COMPAT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "compat")
LINE = re.compile(r"<(\w+)\((\w+), started (\d+)\)> (\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)) (.+)")
ENQUEUED = ["enqueue %d" % i for i in range(4)]
DEQUEUED = ["dequeue %d" % i for i in range(4)]


@pytest.fixture(params=runtimes.NAMES)
def runtime(request):
    found = runtimes.look(request.param)
    if not found.path:
        pytest.skip("%s is not here" % request.param)
    return found


def run(runtime, script):
    environment = dict(os.environ, MICROPYPATH=COMPAT)
    command = [runtime.path, os.path.join(HERE, script)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_producer_and_a_consumer(runtime):
    done = run(runtime, "producer_consumer.py")
    lines = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and all(lines) and len(lines) == 12, done
    texts = {}
    kinds = {}
    idents = {}
    for kind, name, ident, _, _, text in (line.groups() for line in lines):
        texts.setdefault(name, []).append(text)
        kinds[name] = kind
        idents.setdefault(name, set()).add(ident)
    assert texts == {
        "MainThread": ["Started.", "finished."],
        "t1": [*ENQUEUED, "finished iterations, exiting."],
        "t2": [*DEQUEUED, "received stop message, exiting."],
    }
    assert kinds == {"MainThread": "_MainThread", "t1": "Thread", "t2": "Thread"}
    assert all(len(seen) == 1 for seen in idents.values())
    check_order([line.group(6) for line in lines])
    check_times(lines)


def check_order(order):
    """What happens before what: first, last, and no item before the one ahead of it is in."""
    assert order[0] == "Started." and order[-1] == "finished."
    for number in range(1, 4):
        assert order.index("dequeue %d" % number) > order.index("enqueue %d" % (number - 1))
    stop = order.index("received stop message, exiting.")
    assert stop > order.index("finished iterations, exiting.")


def check_times(lines):
    """Each item is taken in the second it was put (or the next, when the clock turned between)."""
    second = {line.group(6): int(line.group(5)) for line in lines}
    for number in range(4):
        between = second["dequeue %d" % number] - second["enqueue %d" % number]
        assert between % 60 in (0, 1, 59)
    assert (second["finished."] - second["Started."]) % 60 in (4, 5)


def test_a_program_waits_for_its_threads_but_not_for_daemons(runtime):
    done = run(runtime, "leaves_threads.py")
    assert done.stdout.splitlines() == ["main ends", "worked to the end"], done
    assert done.returncode == 3


def test_a_threads_exception_is_told_on_stderr(runtime):
    done = run(runtime, "fails_in_a_thread.py")
    assert done.stdout == "alive: False\n" and done.returncode == 0
    assert done.stderr.startswith("Exception in thread worker-1:\nTraceback"), done.stderr
    assert "ValueError: the reason" in done.stderr


def test_endless_recursion_in_a_thread_is_an_error_there(runtime):
    if runtime.name not in ("cpython", "micropython-gil"):
        pytest.skip("builds without our patch end with a segmentation fault")
    done = run(runtime, "deep_recursion.py")
    assert done.stdout == "caught 10 of 10\n", done
