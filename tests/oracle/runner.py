"""Runs one of CPython's own test files over the shim: `python runner.py FILE [--tests FOLDER]`.

The one rule: the shim stands in for `threading` and `queue` only while the test file is loaded, so
everything around it (unittest, subprocess, the helpers of `test.support`) keeps CPython's own.

FILE is a name in `not_applicable.py`. Prints a line of JSON: how many ran, what failed, what was
left out and why. FOLDER is where CPython's tests were unpacked when the interpreter lacks them.
"""

import argparse
import json
import os
import sys
import unittest
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[0:0] = [HERE, os.path.join(ROOT, "tests", "contract"), os.path.join(ROOT, "tests")]
sys.path.append(os.path.join(ROOT, "compat"))

import not_applicable  # noqa: E402
from shim import SHIM  # noqa: E402


def load(name):
    """CPython's test module `name`, which finds the shim under the names of the originals."""
    from test.support import import_helper, script_helper, threading_helper

    # The helpers look at these; the shim does not keep them.
    SHIM.threading._dangling = set()
    SHIM.threading._active = SHIM.threading._registry._by_ident
    SHIM.threading._PyRLock = SHIM.threading.RLock
    SHIM.threading._CRLock = None  # None: there is no C version, skip it
    threading_helper.threading = SHIM.threading
    queue = SimpleNamespace(**vars(SHIM.queue))
    queue._PySimpleQueue = queue.SimpleQueue  # the test file's name for the one without C

    def fresh(wanted, fresh=(), blocked=()):
        return queue if blocked else None  # None: there is no C version, skip it

    def refuse(*args, **options):
        raise unittest.SkipTest("starts another CPython, which has its own threading")

    import_helper.import_fresh_module = fresh
    script_helper.assert_python_ok = script_helper.assert_python_failure = refuse
    local = SimpleNamespace(local=SHIM.threading.local)
    shim = {"threading": SHIM.threading, "queue": queue, "_threading_local": local}
    originals = {name: __import__(name) for name in shim}
    sys.modules.update(shim)
    try:
        return __import__("test." + name, fromlist=["test"])
    finally:
        sys.modules.update(originals)


def cases(suite):
    """Every test case of a suite."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from cases(part)
        else:
            yield part


def reason_for(case, table):
    """Why a case is left out, or None."""
    kind = type(case).__name__
    name = case.id().split(".")[-1]
    for key in ("%s.%s" % (kind, name), "%s.*" % kind, "*.%s" % name):
        if key in table:
            return table[key]
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", choices=sorted(not_applicable.FILES))
    parser.add_argument("--tests", help="folder of CPython's tests")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    import test

    if options.tests:
        test.__path__.append(options.tests)
    table = not_applicable.FILES[options.file]
    module = load(options.file)
    left_out = {}
    suite = unittest.TestSuite()
    for case in cases(unittest.defaultTestLoader.loadTestsFromModule(module)):
        reason = reason_for(case, table)
        if reason:
            left_out[case.id()] = reason
        else:
            suite.addTest(case)
    runner = unittest.TextTestRunner(sys.stderr, verbosity=2 if options.verbose else 1)
    result = runner.run(suite)
    failed = [str(case) for case, _ in result.failures + result.errors]
    skipped = {str(case): reason for case, reason in result.skipped}
    print(
        json.dumps(
            {"ran": result.testsRun, "failed": failed, "skipped": skipped, "left_out": left_out}
        )
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if failed else 0)  # a thread that hangs must not hold the result back


if __name__ == "__main__":
    main()
