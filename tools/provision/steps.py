"""Says on stderr what is being done and how long it took; shows other programs at work.

The one rule: stdout belongs to the command's answer, so nothing here writes to it.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

from provision import Unavailable

_REPORT_S = 15
_TAIL_LINES = 15


def say(text):
    """One line for the person who waits."""
    print("limpet: " + text, file=sys.stderr, flush=True)


@contextmanager
def step(text):
    """Announce a step, and its seconds once it has ended well."""
    say(text + " ...")
    begun = time.monotonic()
    yield
    say("%s: %.1f s" % (text, time.monotonic() - begun))


def run(command, why, cwd=None, environment=None):
    """Run a program to its end with its output kept back; returns that output as text.

    Shows the seconds and the last line while it runs. `why` names the purpose in the
    `Unavailable` raised when the program is missing or fails, together with its last lines.
    """
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=environment,
            )
        except OSError as error:
            raise Unavailable(
                "%s: cannot run %s: %s" % (why, command[0], error.strerror)
            ) from None
        try:
            status = _watch(process, log)
        except BaseException:
            process.kill()
            process.wait()
            raise
        output = _read(log)
    if status:
        tail = "\n".join("    " + line for line in output.splitlines()[-_TAIL_LINES:])
        raise Unavailable("%s: %s ended with status %d\n%s" % (why, command[0], status, tail))
    return output


def _watch(process, log):
    begun = time.monotonic()
    shown = begun
    live = sys.stderr.isatty()
    while True:
        try:
            status = process.wait(1 if live else _REPORT_S)
            break
        except subprocess.TimeoutExpired:
            shown = time.monotonic()
        line = "  %3.0f s  %s" % (shown - begun, _last_line(log))
        sys.stderr.write("\r\x1b[K" + line[:78] if live else line + "\n")
        sys.stderr.flush()
    if live and shown != begun:
        sys.stderr.write("\r\x1b[K")
    return status


def _read(log):
    # The program shares this file's offset, so its place is put back by reading apart from it.
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), size, 0).decode("utf-8", "replace")


def _last_line(log):
    size = os.fstat(log.fileno()).st_size
    tail = os.pread(log.fileno(), 400, max(0, size - 400)).decode("utf-8", "replace")
    lines = tail.strip().splitlines()
    return lines[-1].strip() if lines else ""
