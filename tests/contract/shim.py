"""Finds the implementations that the contract tests of `threading` and `queue` run over.

On CPython these are its own modules and, loaded from `compat/` by path, the shim; on MicroPython
`import threading` is the shim. The rest of the shim has names that CPython does not use.
"""

import _thread
import queue
import sys
import threading
import time

# How much a test may ask of the interpreter: threads of a build without the GIL are not to be
# loaded, since its collector can free live objects under them.
from interpreter import THREADS

LIGHT = THREADS != "gil"


def _load(name):
    """The shim's module of that name on CPython."""
    from importlib import util
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "compat" / (name + ".py")
    spec = util.spec_from_file_location("shim_" + name, path)
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Both:
    """`threading` and `queue` of one implementation."""

    def __init__(self, threading, queue):
        self.threading = threading
        self.queue = queue


if sys.implementation.name == "cpython":
    SHIM = Both(_load("threading"), _load("queue"))
    IMPLEMENTATIONS = [("cpython", Both(threading, queue)), ("shim", SHIM)]
else:
    SHIM = Both(threading, queue)
    IMPLEMENTATIONS = [("shim", SHIM)]


def until(condition, seconds=20):
    """Wait for something that will come, looking often; fails when it does not."""
    give_up = time.time() + seconds
    while not condition():
        assert time.time() < give_up, "it did not happen in %d s" % seconds
        time.sleep(0.002)


class Notes:
    """A list that threads write to. A bare list is none, on a build without the GIL."""

    def __init__(self):
        self._lock = _thread.allocate_lock()  # guards _items
        self._items = []

    def append(self, item):
        with self._lock:
            self._items.append(item)

    def all(self):
        with self._lock:
            return list(self._items)

    def __len__(self):
        with self._lock:
            return len(self._items)


class Crew:
    """Threads of one test; leaving joins them and raises what the first of them raised."""

    def __init__(self, threading, seconds=60):
        self._threading = threading
        self._seconds = seconds  # each has so long to end
        self._threads = []
        self._errors = Notes()

    def start(self, function, *args):
        thread = self._threading.Thread(target=self._run, args=(function, args), daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _run(self, function, args):
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            self._errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self.join()

    def join(self):
        for thread in self._threads:
            thread.join(self._seconds)
            assert not thread.is_alive(), "a thread did not end: %r" % thread
        for error in self._errors.all():
            raise error
