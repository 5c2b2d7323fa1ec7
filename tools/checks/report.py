"""Runs the parts one after another and tells what came of each, with its seconds."""

import sys
import time

from checks.result import Result

_TAIL = 60  # lines of a failed run that are shown


def run(parts, size, strict):
    """Run `parts`; returns the exit status. `strict`: a runtime that is missing is a failure."""
    total = Result()
    started = time.monotonic()
    for part in parts:
        if sys.stdout.isatty():
            print("%-18s ..." % part.name, end="\r", flush=True)
        begun = time.monotonic()
        result = part.run(size)
        _tell(part, result, time.monotonic() - begun)
        total.add(result)
    print("\n%.0f s in all" % (time.monotonic() - started))
    failed = total.failed
    if total.unavailable:
        print("runtimes that could not be had:" + (" a failure under CI" if strict else ""))
        for reason in sorted(set(total.unavailable)):
            print("  " + reason)
        failed += len(set(total.unavailable)) if strict else 0
    # The plain closing line: alone, last, the same for every runner.
    print("%d passed, %d failed, %d skipped" % (total.passed, failed, total.skipped))
    return 1 if failed or not total.passed else 0


def _tell(part, result, seconds):
    counts = "%d passed" % result.passed
    if result.failed:
        counts += ", %d FAILED" % result.failed
    if result.skipped:
        counts += ", %d skipped" % result.skipped
    print("%-18s %6.1f s  %s" % (part.name, seconds, counts))
    for note in result.notes:
        print("                   " + note)
    for log in result.logs:
        print("\n--- %s" % log)
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.stdout.writelines(file.readlines()[-_TAIL:])
        print("---")
    sys.stdout.flush()
