"""Lets pytest run the portable tests: import paths, and one call for each of IMPLEMENTATIONS."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# At the end: on CPython the standard library's own modules win over compat's.
sys.path.append(str(ROOT / "compat"))


def pytest_generate_tests(metafunc):
    """Give the one argument of a test to each of its module's IMPLEMENTATIONS."""
    table = getattr(metafunc.module, "IMPLEMENTATIONS", None)
    if table:
        names = [name for name, _ in table]
        values = [value for _, value in table]
        metafunc.parametrize(metafunc.fixturenames[0], values, ids=names)
