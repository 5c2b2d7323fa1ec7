"""Runs portable test files on any interpreter: `micropython tests/run.py [FILE ...]`.

Without files it runs `tests/test_*.py` and `tests/contract/test_*.py`; all of them in one
interpreter no longer fit into the heap of a stock build, so `--share=K/N` runs every Nth file,
from the Kth on. A test is a module-level function `test_*`; where its module has
`IMPLEMENTATIONS`, a list of (name, object), it is called once for each. The last line counts, and
the status is 1 after a failure. pytest runs the same files on CPython; this file needs nothing but
the interpreter.
"""

import gc
import os
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
ROOT = HERE + "/.."
FOLDERS = ("", "contract/")

# --frozen: agent and compat are those that the interpreter carries, not those of the tree.
sys.path[0:0] = [HERE] if "--frozen" in sys.argv else [ROOT, HERE]
sys.path.append(ROOT + "/compat")
sys.path.append(ROOT + "/firmware")  # limpet_start, which is in no slot

import interpreter  # noqa: E402 - found through the path set above
from support import Skip  # noqa: E402


class Count:
    """How the tests ended so far."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []


def find_files():
    """Paths of every portable test file, in a fixed order."""
    found = []
    for folder in FOLDERS:
        names = [
            n for n in os.listdir(HERE + "/" + folder) if n[:5] == "test_" and n[-3:] == ".py"
        ]
        found += [HERE + "/" + folder + name for name in sorted(names)]
    return found


def run_file(path, wanted, count):
    """Import one test file and run its tests, those whose name holds `wanted`."""
    folder, name = path.rsplit("/", 1) if "/" in path else (".", path)
    sys.path.insert(0, folder)
    try:
        module = __import__(name[:-3])
    except Skip as reason:
        count.skipped.append((name, str(reason)))
        return
    except Exception as error:  # noqa: BLE001 - whatever the file raises is the finding
        fail(name, error, count)
        return
    finally:
        sys.path.pop(0)
    for test in sorted([n for n in dir(module) if n[:5] == "test_" and wanted in n]):
        for label, arguments in calls(module):
            run_test("%s::%s%s" % (name, test, label), getattr(module, test), arguments, count)
    del sys.modules[name[:-3]]
    gc.collect()


def calls(module):
    """The label and arguments of each call of one test."""
    if not hasattr(module, "IMPLEMENTATIONS"):
        return [("", ())]
    return [("[%s]" % name, (value,)) for name, value in module.IMPLEMENTATIONS]


def run_test(label, test, arguments, count):
    """Run one test and note how it ended."""
    if VERBOSE:
        print(label)
    try:
        test(*arguments)
    except Skip as reason:
        count.skipped.append((label, str(reason)))
    except Exception as error:  # noqa: BLE001 - a test may fail by any error
        fail(label, error, count)
    else:
        count.passed += 1


def fail(label, error, count):
    """Note a failure and show it."""
    print("FAILED", label)
    print(interpreter.format_exception(error))
    count.failed.append(label)


def main(arguments):
    """Run what the command line names; returns the exit status."""
    wanted = ""
    for argument in [a for a in arguments if a.startswith("-k=")]:
        wanted = argument[3:]
    files = [a for a in arguments if not a.startswith("-")] or find_files()
    for argument in [a for a in arguments if a.startswith("--share=")]:
        first, every = argument[8:].split("/")
        files = files[int(first) - 1 :: int(every)]
    count = Count()
    for path in files:
        run_file(path, wanted, count)
    for label, reason in count.skipped:
        print("skipped", label, "-", reason)
    total = (count.passed, len(count.failed), len(count.skipped))
    print("%d passed, %d failed, %d skipped" % total)
    return 1 if count.failed or not count.passed else 0


VERBOSE = "-v" in sys.argv
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
