"""The C module `_linux` under AddressSanitizer and UBSan: its whole test file, once."""

import os
import subprocess

import pytest
from firmwares import linux, sanitized
from provision import Unavailable


@pytest.fixture(scope="module")
def interpreter():
    try:
        return sanitized.program()
    except Unavailable as reason:
        pytest.skip(str(reason))


def run(interpreter, *words):
    environment = dict(os.environ, **sanitized.ENVIRONMENT)
    return subprocess.run(
        [interpreter, "-X", "heapsize=4m", *words],
        cwd=linux.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_module_passes_its_tests_under_sanitizers(interpreter):
    done = run(interpreter, "tests/run.py", "tests/test_linux_module.py")
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0 and " 0 failed, 0 skipped" in last, done.stdout + done.stderr
    assert int(last.split()[0]) > 25 and "ERROR" not in done.stderr


def test_a_fault_would_be_seen(interpreter):
    """The other half: this build does end at a stray access, with the sanitizer's words."""
    done = run(interpreter, "-c", "import uctypes; uctypes.bytearray_at(8, 8)[0] = 1")
    assert done.returncode != 0 and "AddressSanitizer" in done.stderr, done.stderr
