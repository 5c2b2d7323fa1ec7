"""Starts the subjects of a bench, ends them, and reads what the kernel counted for them.

The one rule: every process started here is ended here, by its own handle. What it printed is kept
in a file, because its last line is the reason when it does not answer.
"""

import contextlib
import glob
import os
import subprocess
from typing import NamedTuple

STOP_S = 5


class Running(NamedTuple):
    """A subject that has been started; `log` is the file with all that it printed."""

    name: str
    process: subprocess.Popen
    log: str

    def explain(self):
        """Why it does not answer, as far as it said so itself."""
        status = self.process.poll()
        ended = "runs but does not answer" if status is None else "ended with status %d" % status
        said = read_text(self.log).strip().splitlines()
        return "%s: %s" % (ended, said[-1] if said else "it printed nothing")


@contextlib.contextmanager
def started(name, command, folder, cwd=None, environment=None):
    """Run a command for the time of a `with`, its output in `folder`."""
    log = os.path.join(folder, name + ".log")
    with open(log, "w") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(os.environ, **(environment or {})),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(name, process, log)
    finally:
        stop(process)


def stop(process):
    """Ask it to end, and end it when it does not."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Usage(NamedTuple):
    """What a process has used since its start: all its threads together."""

    cpu_ns: int
    context_switches: int
    wake_ups: int


def read_usage(pid):
    """CPU time (schedstat: the time on a processor), and the switches of every thread (proc(5)).

    A voluntary switch is a wait that began, so it ends in a wake-up.
    """
    cpu_ns = voluntary = involuntary = 0
    for task in glob.glob("/proc/%d/task/*" % pid):
        cpu_ns += int(read_text(task + "/schedstat").split()[0])
        fields = read_fields(task + "/status")
        voluntary += int(fields["voluntary_ctxt_switches"])
        involuntary += int(fields["nonvoluntary_ctxt_switches"])
    return Usage(cpu_ns, voluntary + involuntary, voluntary)


class Memory(NamedTuple):
    """Of a process, in KiB: resident now, its proportional share of that, resident at most."""

    rss_kib: int
    pss_kib: int
    peak_kib: int


def read_memory(pid):
    """The process's memory (proc(5): status and smaps_rollup)."""
    status = read_fields("/proc/%d/status" % pid)
    shares = read_fields("/proc/%d/smaps_rollup" % pid)
    return Memory(
        *(int(text.split()[0]) for text in (status["VmRSS"], shares["Pss"], status["VmHWM"]))
    )


def read_mapped(pid):
    """KiB of the program and the libraries that the process has mapped, as files."""
    words = [line.split(maxsplit=5) for line in read_text("/proc/%d/maps" % pid).splitlines()]
    paths = {one[5] for one in words if len(one) == 6 and one[5].startswith("/")}
    return sum([os.path.getsize(path) for path in paths if os.path.isfile(path)]) // 1024


def read_fields(path):
    """A /proc file of `name: value` lines as a dict."""
    lines = (line.partition(":") for line in read_text(path).splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def read_text(path):
    """The text of a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
