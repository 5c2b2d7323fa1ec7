"""CPython's own tests of queue, threading and its locks pass over the shim.

They come with the running CPython, or from the distribution's package of them, unpacked without
root. What does not apply is in `not_applicable.py`.
"""

import importlib.util
import json
import os
import subprocess
import sys

import not_applicable
import pytest
from provision import Unavailable, cache, debian

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = "%d.%d" % sys.version_info[:2]
# Fewer than these, and something keeps cases from running: the shim's own versions only.
AT_LEAST = {"test_queue": 26, "test_threading": 100, "test_threading_local": 3}


@pytest.fixture(scope="session")
def folder():
    """Where CPython's tests are when they did not come with this interpreter, else None."""
    if importlib.util.find_spec("test.lock_tests"):
        return None
    package = "libpython%s-testsuite" % VERSION
    try:
        home = cache.made(package, lambda target: debian.Archive().unpack([package], target))
    except Unavailable as reason:
        pytest.skip("CPython's tests are not to be had: %s" % reason)
    return os.path.join(home, "usr/lib/python%s/test" % VERSION)


@pytest.mark.parametrize("name", sorted(not_applicable.FILES))
def test_cpythons_own_tests_pass_over_the_shim(name, folder):
    command = [sys.executable, os.path.join(HERE, "runner.py"), name]
    if folder:
        command += ["--tests", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    passed = result["ran"] - len(result["skipped"])
    print("%s of CPython %s: %d passed" % (name, VERSION, passed))
    for case, reason in sorted({**result["left_out"], **result["skipped"]}.items()):
        print("left out %s: %s" % (case, reason))
    assert result["failed"] == [] and done.returncode == 0, done.stderr
    assert passed >= AT_LEAST[name], result
