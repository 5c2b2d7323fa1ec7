"""One import at a time, once threads run.

MicroPython imports without a lock: a second thread that imports a module while the first still
executes it gets the half of it that is there. The one rule: as soon as a thread is started, every
import passes through one lock, which a module's own imports may take again.

It is one lock for all modules, so a module must not, while it is imported, wait for a thread that
imports. On CPython nothing is done: it has a lock for each module.

`__import__` written in Python would break relative imports: the interpreter resolves those against
the globals of the function that runs, and up to 1.26 hands `__import__` no others. A function of
the native emitter keeps its caller's globals as long as it names no global itself; so a small one
stands in front and passes them on. Where a port has no native emitter nothing is installed, and
the rule of the house remains: import before the first thread starts.
"""

import builtins
import sys

from _locks import RLock

_FRONT = """
@micropython.native
def make(locked_import, globals_of_caller):
    def front(name, globals=None, locals=None, fromlist=None, level=0):
        return locked_import(globals_of_caller(), name, fromlist, level)

    return front


@micropython.native
def make_probe(globals_of_caller):
    def probe():
        return globals_of_caller()

    return probe
"""

_lock = RLock()  # held by the thread that imports
_original = builtins.__import__
_state = {"installed": None}  # guarded by _lock; None until install() was called


def install():
    """Put the lock around `__import__`; returns whether it is there. Does it once."""
    if _state["installed"] is not None:
        return _state["installed"]
    with _lock:
        if _state["installed"] is None:
            _state["installed"] = sys.implementation.name == "micropython" and _install()
        return _state["installed"]


def _install():
    try:
        import micropython

        native = {"micropython": micropython}
        exec(_FRONT, native)
        if not _keeps_globals(native["make_probe"](globals)):
            return False
        builtins.__import__ = native["make"](locked_import, globals)
    except (ImportError, SyntaxError, AttributeError):  # no emitter, or builtins are fixed
        return False
    return True


def _keeps_globals(probe):
    caller = {"probe": probe}
    exec("seen = probe()", caller)
    return caller["seen"] is caller


def locked_import(importer, name, fromlist, level):
    """`__import__` for the module whose globals are `importer`, one thread at a time."""
    if level:
        name = absolute(name, importer, level)
    with _lock:
        return _original(name, None, None, fromlist, 0)


def absolute(name, importer, level):
    """The full name of what a module calls by `level` dots and `name`. Raises ImportError."""
    full = importer["__name__"]
    if full == "__main__":  # of `-m package`: the interpreter keeps the real name beside it
        full = importer.get("__main__", full)
    parts = full.split(".")
    keep = len(parts) - level
    if "__path__" in importer:  # a package's own __init__ is inside it
        keep += 1
    if keep < 1:
        raise ImportError("can't perform relative import")
    return ".".join(parts[:keep] + ([name] if name else []))
