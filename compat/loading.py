"""Imports a package from one folder, as it lies there now, and forgets it again.

For code that is replaced while the process runs. The one rule: no left-over runs in its place:
neither a module of the same name that was loaded before, nor a compiled file that another run left
behind. The main thread's to call, since it changes `sys.path` for as long as the import lasts.
"""

import sys


def load(folder, name):
    """Import `name`, a module or package that lies in `folder`; returns the module.

    Whatever the code raises comes through, and then nothing of it stays loaded. Raises ImportError
    where the name belongs to a module of the interpreter's, or of whatever runs already.
    """
    if _is_taken(name):
        raise ImportError("%s is the name of a module that others here go by" % name)
    kept = _no_left_overs()
    sys.path.insert(0, folder)
    try:
        return __import__(name)
    except BaseException:
        forget(name)
        raise
    finally:
        sys.path.remove(folder)
        if kept:
            sys.dont_write_bytecode, sys.pycache_prefix = kept


def forget(name):
    """Let the next `load` of `name` find what lies there then, its submodules too."""
    for other in list(sys.modules):
        if other == name or other.startswith(name + "."):
            del sys.modules[other]


def _is_taken(name):
    if name in sys.modules:
        return True
    known = getattr(sys, "stdlib_module_names", None)
    if known is not None:
        return name in known
    # MicroPython keeps no list, and puts what is built in into no `sys.modules`.
    kept = list(sys.path)
    sys.path[:] = [".frozen"]
    try:
        __import__(name)
    except ImportError:
        return False
    finally:
        sys.path[:] = kept
    return True


def _no_left_overs():
    """Have CPython neither read nor write compiled files; returns what was set before."""
    if not hasattr(sys, "pycache_prefix"):
        return None
    import importlib

    kept = (sys.dont_write_bytecode, sys.pycache_prefix)
    sys.dont_write_bytecode = True
    sys.pycache_prefix = "/dev/null/no-compiled-files"  # a place that cannot be
    importlib.invalidate_caches()  # a folder's listing may be older than its content
    return kept
