"""The few helpers that a portable test may use: the same on pytest and on `tests/run.py`.

One rule: everything here works on every interpreter. It holds no fixtures and no test.
"""

import os
import sys

from interpreter import random_bytes

# Where simulated time begins: at zero, and 5 s before the tick counter of a 32-bit interpreter
# wraps, which is also where its small integers end. Where once must do, at the second.
STARTS = (0, 2**30 - 5000)
START = STARTS[1]
FROM_STARTS = [("from 0", 0), ("near the wrap", START)]  # IMPLEMENTATIONS of tests in such time


class Skip(Exception):
    """The test does not apply on this runtime; the message is the reason."""


def skip(reason):
    """Leave the running test as not applicable here, with its reason."""
    if "pytest" in sys.modules:  # it may be installed, and yet run.py be what runs this
        sys.modules["pytest"].skip(reason)
    raise Skip(reason)


def raises(kind, call, *arguments, **options):
    """Call, and return the exception of `kind` that it must raise."""
    try:
        call(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError("%s was not raised by %r%r" % (kind.__name__, call, arguments))


class temporary_folder:  # noqa: N801 - a context manager, called like a function
    """`with temporary_folder() as path:` makes an empty folder and removes it afterwards."""

    def __enter__(self):
        base = os.getenv("TMPDIR") or "/tmp"
        name = "".join(["%02x" % byte for byte in random_bytes(8)])
        self.path = "%s/limpet-test-%s" % (base.rstrip("/"), name)
        os.mkdir(self.path)
        return self.path

    def __exit__(self, *error):
        remove_tree(self.path)


def remove_tree(path):
    """Remove a folder and all in it; symlinks are removed, never followed."""
    for name in os.listdir(path):
        inner = path + "/" + name
        try:
            os.remove(inner)
        except OSError:
            remove_tree(inner)
    os.rmdir(path)
