"""The interpreters by name: what is here, what it is, and how to get what is missing.

The one rule: where an interpreter comes from is data in sources.json, tried in its order; when
none can be had, the reasons of all of them are told. An interpreter once had stays as it is
until its entry, one of our patches or one of our C modules changes.
"""

import collections
import hashlib
import json
import os
import shutil
import subprocess
import sys

from provision import Unavailable, build, cache, debian, package, pypi
from provision.launcher import NAME
from provision.steps import say

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sources.json")
# Changed when a recipe in package.py, pypi.py or build.py makes something else of the same entry.
_RECIPE = 1
_UNPACKERS = {"pypi": pypi.unpack, "debian": package.unpack, "build": build.unpack}
_PROBE = """\
import sys
i = sys.implementation
try:
    import _thread
    t = getattr(i, '_thread', 'unsafe').lower() if i.name == 'micropython' else 'gil'
except ImportError:
    t = 'none'
v = '.'.join([str(n) for n in i.version[:3]] + [x for x in i.version[3:4] if x])
print(i.name, v, t)
"""

Runtime = collections.namedtuple("Runtime", "name version threads path origin reason")
Runtime.__doc__ = """One interpreter: `threads` gil, unsafe (no GIL) or none; `origin` says where
it is from. Where `path` is None it is not here, and `reason` says why or how to get it."""

with open(SOURCES, encoding="utf-8") as _file:
    _SOURCES = json.load(_file)
NAMES = ("cpython", *_SOURCES)


def path(name):
    """The path of the interpreter called `name`, got first if it is missing.

    Raises `Unavailable` for an unknown name, or with the reason of every source.
    """
    return get(name).path


def get(name):
    """The `Runtime` called `name`, got first if it is missing; raises `Unavailable`."""
    _check(name)
    found = _present(name)
    if found:
        return found
    reasons = []
    for source in _SOURCES[name]:
        try:
            return _fetch(name, source)
        except Unavailable as error:
            reasons.append(str(error))
    raise Unavailable("%s cannot be had: %s" % (name, "; ".join(reasons)))


def source_of(name):
    """The first entry of sources.json for the interpreter called `name`."""
    return _SOURCES[name][0]


def available():
    """Every interpreter as a `Runtime`, without getting any: what is not here says why."""
    return [look(name) for name in NAMES]


def look(name):
    """The `Runtime` called `name` as it is now, without getting it."""
    _check(name)
    try:
        found = _present(name)
    except Unavailable as error:
        return Runtime(name, None, None, None, None, str(error))
    if found:
        return found
    refused = [_obstacle(source) for source in _SOURCES[name]]
    if all(refused):
        reason = "cannot be had: %s" % "; ".join(refused)
    else:
        reason = "not here yet: tools/runtimes get %s" % name
    return Runtime(name, None, None, None, None, reason)


def _obstacle(source):
    """What can be told without trying against getting anything from `source`, or None."""
    return debian.obstacle(source["suite"]) if "suite" in source else None


def _check(name):
    if name not in NAMES:
        raise Unavailable("no runtime is called %r; there are %s" % (name, ", ".join(NAMES)))


def _present(name):
    """The runtime if it can be used as things are, else None; raises for a bad `$MICROPYTHON`."""
    if name == "cpython":
        return probe(name, sys.executable, "the running one")
    override = os.environ.get("MICROPYTHON") if name == "micropython" else None
    if override:
        found = shutil.which(override)
        if not found:
            raise Unavailable("$MICROPYTHON is %s, which is no program" % override)
        return probe(name, found, "$MICROPYTHON")
    for source in _SOURCES[name]:
        home = cache.path(_folder(name, source))
        if os.path.isdir(home):
            return _described(name, home)
    return None


def _fetch(name, source):
    if source["kind"] == "found":
        return _on_path(name)
    folder = _folder(name, source)
    final = cache.path(folder)

    def make(target):
        origin = _UNPACKERS[source["kind"]](source, target, final)
        with open(os.path.join(target, "origin"), "w", encoding="utf-8") as file:
            file.write(origin)

    home = cache.made(folder, make)
    try:
        runtime = _described(name, home)
    except Unavailable:
        # Whole, and yet it does not run here: not worth keeping, another source may do better.
        shutil.rmtree(home, ignore_errors=True)
        raise
    say("%s is MicroPython %s, %s" % (name, runtime.version, runtime.origin))
    return runtime


def _described(name, home):
    with open(os.path.join(home, "origin"), encoding="utf-8") as file:
        return probe(name, os.path.join(home, NAME), file.read())


def _on_path(name):
    found = shutil.which(NAME)
    if not found:
        raise Unavailable("no %s on the PATH" % NAME)
    return probe(name, os.path.realpath(found), "found on the PATH")


def _folder(name, source):
    """The cache's name for what an entry makes: changes with anything that it is made of."""
    key = hashlib.sha256(json.dumps([_RECIPE, source], sort_keys=True).encode())
    if source["kind"] == "build":
        for ingredient in build.ingredients():
            with open(ingredient, "rb") as file:
                key.update(file.read())
    if source["kind"] == "pypi":
        # The wheel fits one version of Python, and its launcher names one installation.
        key.update(("%s %s" % (sys.version, os.path.realpath(sys.executable))).encode())
    return "runtimes/%s-%s" % (name, key.hexdigest()[:12])


def probe(name, program, origin):
    """Ask an interpreter what it is; raises `Unavailable` with its last line if it fails."""
    try:
        done = subprocess.run(
            [program, "-c", _PROBE], capture_output=True, text=True, timeout=30, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("%s does not run: %s" % (program, error)) from None
    words = done.stdout.split()
    if done.returncode or len(words) != 3:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise Unavailable("%s does not run here: %s" % (program, said[0]))
    return Runtime(name, words[1], words[2], program, origin, None)
