"""One import at a time, once threads run.

MicroPython imports without a lock: a second thread that imports a module while the first still
executes it gets the half of it that is there. The one rule: as soon as a thread is started, every
import statement passes through one lock, which a module's own imports may take again.

It is a plain lock, so a module must not, while it is imported, wait for a thread that imports.
Not here: `importlib`, which MicroPython has not. On CPython nothing is done: it has its own locks.
"""

import builtins
import sys

from _locks import RLock

_lock = RLock()  # held by the thread that imports
_original = builtins.__import__
_state = {"installed": False}  # guarded by _lock


def install():
    """Put the lock around `__import__`. Where a port does not let anybody, nothing is changed."""
    if sys.implementation.name != "micropython":
        return
    with _lock:
        if _state["installed"]:
            return
        _state["installed"] = True
        try:
            builtins.__import__ = locked_import
        except AttributeError:  # built without MICROPY_CAN_OVERRIDE_BUILTINS: no board known
            pass


def locked_import(name, globals=None, locals=None, fromlist=None, level=0):
    """`__import__`, one thread at a time."""
    if level:
        # The interpreter resolves a relative name against the globals of whoever calls it: here
        # that would be this module. So it is made absolute first.
        name = _absolute(name, globals, level)
    with _lock:
        return _original(name, globals, locals, fromlist, 0)


def _absolute(name, globals, level):
    package = globals["__name__"].split(".")
    if "__path__" in globals:  # a package's own __init__ counts as inside it
        level -= 1
    if level >= len(package) + 1 or (level and level >= len(package)):
        raise ImportError("can't perform relative import")
    package = package[: len(package) - level]
    return ".".join(package + ([name] if name else []))
