"""An import once threads run: whole modules for everybody, also by relative names."""

import sys

from shim import IMPLEMENTATIONS, SHIM, Crew, Notes
from support import raises, skip, temporary_folder

__all__ = ("IMPLEMENTATIONS",)

SLOW = """
import time
FIRST = 1
time.sleep(0.2)
LAST = 2
"""

PACKAGE = {
    "limpet_example/__init__.py": "from . import leaf\nfrom .leaf import NAME\n"
    "from .inner import UP\n",
    "limpet_example/leaf.py": "NAME = __name__\n",
    "limpet_example/inner/__init__.py": "from .. import leaf as UP\nfrom ..leaf import NAME\n"
    "from .deep import DEEP\n",
    "limpet_example/inner/deep.py": "from . import deep2\nfrom ..leaf import NAME\n"
    "DEEP = deep2.VALUE\n",
    "limpet_example/inner/deep2.py": "VALUE = 3\n",
}


def write(folder, files):
    import os

    for path in ("/limpet_example", "/limpet_example/inner"):
        os.mkdir(folder + path)
    for path, text in files.items():
        with open(folder + "/" + path, "w") as file:
            file.write(text)


class Path:
    """`with Path(files):` makes modules importable, and forgets them afterwards."""

    def __init__(self, files):
        self.files = files

    def __enter__(self):
        self.folder = temporary_folder()
        path = self.folder.__enter__()
        write(path, self.files)
        sys.path.insert(0, path)
        return path

    def __exit__(self, *error):
        sys.path.pop(0)
        for name in list(sys.modules):
            if name.startswith("limpet_"):
                del sys.modules[name]
        self.folder.__exit__(*error)


def has_native_emitter():
    """Without it no lock can stand before imports (compat/README.md): our single file has none."""
    try:
        exec("import micropython\n@micropython.native\ndef probe():\n    pass\n", {})
    except (AttributeError, SyntaxError, ValueError):  # CPython's `micropython` is our own
        return False
    return True


def test_the_lock_is_there_once_a_thread_was_started(kind):
    import _imports

    with Crew(kind.threading) as crew:
        crew.start(int)
    if kind is SHIM:
        assert _imports._state["installed"] == has_native_emitter()


def test_the_librarys_own_lazy_relative_imports_work(kind):
    if sys.implementation.name != "micropython":
        skip("asyncio loads its parts lazily on MicroPython")
    try:
        import asyncio  # noqa: F401
    except ImportError:
        skip("this interpreter carries no asyncio")

    def work():
        import asyncio

        assert asyncio.Lock and asyncio.open_connection

    with Crew(kind.threading) as crew:
        crew.start(work)


def test_two_threads_that_import_a_slow_module_both_get_all_of_it(kind):
    if sys.implementation.name == "micropython" and not has_native_emitter():
        skip("no native emitter, so no lock around imports")
    seen = Notes()

    def work():
        import limpet_slow

        seen.append((limpet_slow.FIRST, limpet_slow.LAST))

    with Path({"limpet_slow.py": SLOW}), Crew(kind.threading) as crew:
        for _ in range(3):
            crew.start(work)
    assert seen.all() == [(1, 2)] * 3


def test_packages_find_their_parts_by_relative_names(kind):
    seen = Notes()

    def work():
        import limpet_example
        import limpet_example.inner.deep as deep
        from limpet_example.inner import NAME

        seen.append((limpet_example.NAME, limpet_example.UP.NAME, NAME, deep.DEEP, deep.NAME))

    with Path(PACKAGE), Crew(kind.threading) as crew:
        crew.start(work)
    leaf = "limpet_example.leaf"
    assert seen.all() == [(leaf, leaf, leaf, 3, leaf)]


def test_a_module_that_is_not_there_is_an_import_error(kind):
    def work():
        raises(ImportError, __import__, "limpet_nowhere")
        import json

        assert json.loads("1") == 1

    with Crew(kind.threading) as crew:
        crew.start(work)


def test_relative_names_that_lead_out_of_a_package_are_refused(_):
    import _imports

    inside = {"__name__": "a.b", "__path__": "x"}
    main = {"__name__": "__main__", "__main__": "a.__main__"}
    assert _imports.absolute("d", main, 1) == "a.d"
    module = {"__name__": "a.b.c"}
    assert _imports.absolute("d", inside, 1) == "a.b.d"
    assert _imports.absolute("", inside, 1) == "a.b"
    assert _imports.absolute("d", module, 1) == "a.b.d"
    assert _imports.absolute("d", module, 2) == "a.d"
    assert _imports.absolute("d", inside, 2) == "a.d"
    raises(ImportError, _imports.absolute, "d", inside, 3)
    raises(ImportError, _imports.absolute, "d", module, 3)
    raises(ImportError, _imports.absolute, "d", {"__name__": "main"}, 1)
