"""What a part of the check comes to, and how it runs the commands that it is made of.

The one rule: a part that ran no test has failed; counts come from what the commands printed.
"""

import collections
import concurrent.futures
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass, field

from provision import cache

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARES = 16  # of the portable tests: enough that no heap is full of what others loaded
_RUNNER_LINE = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
_RUNNER_SKIP = re.compile(r"^skipped \S+ - (.*)$", re.M)
_FIGURE = re.compile(r"^figure: (.*)$", re.MULTILINE)
_PYTEST_SKIP = re.compile(r"^SKIPPED \[(\d+)\] \S+ (.*)$", re.M)
_PYTEST_WORD = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


@dataclass
class Result:
    """How a part, or one run in it, ended; `notes` are lines for the reader, `logs` file paths."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = field(default_factory=list)
    logs: list = field(default_factory=list)
    unavailable: list = field(default_factory=list)  # runtimes that could not be had, with reasons

    def add(self, other, label=""):
        """Take another result's counts into this one."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.notes += [label + note for note in other.notes]
        self.logs += other.logs
        self.unavailable += other.unavailable


def log_folder():
    """Where runs of this checkout leave their output: two checkouts may be checked at once."""
    path = cache.path("check/" + hashlib.sha256(ROOT.encode()).hexdigest()[:8])
    os.makedirs(path, exist_ok=True)
    return path


def log_path(name):
    """Where the output of the run `name` goes."""
    return os.path.join(log_folder(), name + ".log")


def run(name, command, timeout_s, extra_environment=None):
    """Run `command` from the root, output to its log; returns (status, output)."""
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **(extra_environment or {}))
    path = log_path(name)
    with open(path, "w+", encoding="utf-8", errors="replace") as log:
        try:
            status = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
            ).returncode
        except subprocess.TimeoutExpired:
            log.write("\nended after %d s, its limit\n" % timeout_s)
            status = "timeout"
        log.flush()
        log.seek(0)
        return status, log.read()


def run_once(name, command, timeout_s, extra_environment=None):
    """A Result of one command that counts as one test."""
    status, _ = run(name, command, timeout_s, extra_environment)
    if status == 0:
        return Result(passed=1)
    return Result(failed=1, logs=[log_path(name)])


def run_tests(name, command, timeout_s, extra_environment=None):
    """A Result of a command that counts its tests in its last lines.

    What it says in lines that begin with `figure: ` becomes notes.
    """
    status, output = run(name, command, timeout_s, extra_environment)
    passed, failed, skipped = count(output)
    if status != 0 or not passed:
        failed = failed or 1
    logs = [log_path(name)] if failed else []
    notes = skip_reasons(output) + _FIGURE.findall(output)
    return Result(passed, failed, skipped, notes, logs)


def run_shares(name, command, timeout_s):
    """A Result of the portable tests, each share of them in an interpreter of its own.

    Loaded into one, they outgrow the heap of a stock MicroPython; two run at once.
    """

    def share(number):
        words = [*command, "--share=%d/%d" % (number, SHARES)]
        label = "%s-%d" % (name, number)
        status, output = run(label, words, timeout_s)
        passed, failed, skipped = count(output)
        if status != 0 or not passed:
            failed = failed or 1
        logs = [log_path(label)] if failed else []
        return Result(passed, failed, skipped, [], logs), output

    total, outputs = Result(), []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for result, output in pool.map(share, range(1, SHARES + 1)):
            total.add(result)
            outputs.append(output)
    total.notes = skip_reasons("\n".join(outputs))
    return total


def skip_reasons(output):
    """A line for each reason that tests were skipped for, with how many there were."""
    found = collections.Counter(_RUNNER_SKIP.findall(output))
    for number, reason in _PYTEST_SKIP.findall(output):
        found[reason] += int(number)
    return ["%d skipped: %s" % (number, reason) for reason, number in sorted(found.items())]


def count(output):
    """(passed, failed, skipped) as tests/run.py or pytest counts them in its last line."""
    found = _RUNNER_LINE.findall(output)
    if found:
        return tuple(int(number) for number in found[-1])
    counts = {"passed": 0, "failed": 0, "skipped": 0, "error": 0}
    for line in reversed(output.splitlines()):
        words = _PYTEST_WORD.findall(line)
        if words and " in " in line:
            for number, word in words:
                counts[word.rstrip("s") if word.startswith("error") else word] += int(number)
            break
    return counts["passed"], counts["failed"] + counts["error"], counts["skipped"]
