"""Builds limpetd for a target: MicroPython's unix port, our configuration, the agent frozen.

The one rule: a build happens in a folder of its own that holds all that it reads but the compiler
and musl, under paths that leave no trace, so that the same source gives the same bytes.
"""

import glob
import hashlib
import json
import os
import shutil
import tempfile

from provision import Unavailable, build, cache
from provision.environment import TOOLS
from provision.runtimes import source_of
from provision.steps import run, step

from firmwares import musl, packing, splitting, targets

ROOT = os.path.dirname(TOOLS)
NAME = "limpetd"
_WHY = "building limpetd"
PACKED = "packed.json"  # kept beside the program: what each group of packed modules weighs
# What of our tree goes into a build; the manifest reads it from the copy.
_OURS = ("agent", "compat", "firmware/linux")
_START = os.path.join("firmware", "limpet_start.py")
# What no build reads, 90 % of the sources.
_UNREAD = (
    "tests", "docs", "logo", "examples", "lib/mbedtls/tests", "lib/mbedtls/programs",
    "lib/mbedtls/docs", "lib/mbedtls/framework", "lib/mbedtls/3rdparty",
)  # fmt: skip
_SMALL = ("-fno-pie", "-fno-ident", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
# -s: with debug information the linker of riscv64 (binutils 2.40) dies relaxing it.
_LINK = (
    "-static",
    "-no-pie",
    "-Wl,--build-id=none",
    "-Wl,-z,norelro",
    "-Wl,--hash-style=gnu",
    "-Wl,--wrap=mp_find_frozen_module",
)


def program(name, tls=True, without=()):
    """The path of limpetd for the target called `name`, built first if it is missing.

    `without` names groups of firmware/linux/packing.py to leave out.
    """
    target = targets.TARGETS[name]
    less = "".join(["-no-" + one for one in (() if tls else ("tls",)) + tuple(sorted(without))])
    folder = "firmware/%s-%s%s-%s" % (NAME, name, less, key()[:12])
    return os.path.join(cache.made(folder, lambda home: make(target, tls, home, without)), NAME)


def parts():
    """The names of what can be left out, in order."""
    names = packing.Table(os.path.join(ROOT, "firmware", "linux")).names
    return [name for name in names if name not in (packing.CORE, packing.START)]


def key():
    """Changes with everything that a build is made of; hexadecimal text."""
    return digest(ingredients())


def digest(paths, *words):
    """Of these files, these values and MicroPython's source; hexadecimal text."""
    total = hashlib.sha256(repr((source_of("micropython-gil"), words)).encode())
    total.update(os.environ.get("MICROPY_DIR", "").encode())
    for path in paths:
        total.update(os.path.relpath(path, ROOT).encode() + b"\0")
        with open(path, "rb") as file:
            total.update(file.read())
    return total.hexdigest()


def ingredients():
    """The paths of all files of ours that a build is made of, in a fixed order."""
    found = []
    for folder in _OURS:
        for ending in ("py", "c", "h", "mk", "patch"):
            pattern = os.path.join(ROOT, folder, "**", "*." + ending)
            found += glob.glob(pattern, recursive=True)
    found.append(os.path.join(ROOT, _START))
    ours = [module.__file__ for module in (targets, musl, packing, splitting)]
    return sorted(found) + [__file__, *ours]


def make(target, tls, home, without=()):
    """Build for `target`, with `tls` or without, leaving the program in the folder `home`."""
    compiler = targets.compiler(target, home)
    work = tempfile.mkdtemp(prefix="limpet-firmware-")
    try:
        top = os.path.join(work, "micropython")
        shutil.copytree(sources(), top, symlinks=True)
        for folder in _OURS:
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(work, "limpet", folder))
        shutil.copy(os.path.join(ROOT, _START), os.path.join(work, "limpet", _START))
        with step("building limpetd for %s%s" % (target.name, "" if tls else " without TLS")):
            ours = os.path.join(work, "limpet", "firmware", "linux")
            variant = os.path.join(ours, "variant")
            packed = packing.pack(top, os.path.join(work, "limpet"), ours, variant, without)
            with open(os.path.join(home, PACKED), "w", encoding="utf-8") as file:
                json.dump(packed, file)
            _make(top, work, compiler, target, tls)
        for name in (NAME, NAME + ".map"):
            shutil.move(os.path.join(work, "build", name), os.path.join(home, name))
    finally:
        shutil.rmtree(work)


def _make(top, work, compiler, target, tls):
    ours = os.path.join(work, "limpet", "firmware", "linux")
    options = [
        "BUILD=" + os.path.join(work, "build"),
        "VARIANT_DIR=" + os.path.join(ours, "variant"),
        "USER_C_MODULES=" + os.path.join(ours, "modules"),
        "FROZEN_MANIFEST=" + os.path.join(ours, "manifest.py"),
        "CROSS_COMPILE=" + target.prefix,
        "CC=" + " ".join(compiler),
        "CFLAGS_EXTRA=" + " ".join([*_SMALL, "-ffile-prefix-map=%s=" % work]),
        "LDFLAGS_EXTRA=" + " ".join(_LINK),
        "MICROPY_PY_SSL=%d" % tls,
    ]
    command = ["make", "-j%d" % (os.cpu_count() or 1), "-C", os.path.join(top, "ports/unix")]
    run([*command, *options], _WHY, environment=steady(top, work))


def steady(top, work):
    """The environment of a build in the folder `work` that is to give the same bytes each time."""
    # The date in sys.version is that of the sources, and no repository around us is asked.
    stamp = os.path.getmtime(os.path.join(top, "py", "mpconfig.h"))
    words = {"SOURCE_DATE_EPOCH": "%d" % stamp, "GIT_CEILING_DIRECTORIES": work, "LC_ALL": "C"}
    return dict(os.environ, **words)


def sources():
    """The folder with MicroPython's sources, patched, and its cross-compiler built."""
    own = os.environ.get("MICROPY_DIR")
    if own and not os.path.isdir(os.path.join(own, "ports", "unix")):
        raise Unavailable("$MICROPY_DIR is %s, which holds no MicroPython" % own)
    name = "firmware/sources-" + digest(build.patches(), _UNREAD)[:12]
    return os.path.join(cache.made(name, lambda home: _arrange(own, home)), "micropython")


def _arrange(own, home):
    top = os.path.join(home, "micropython")
    if own:
        shutil.copytree(own, top, ignore=shutil.ignore_patterns(".git", "build*"))
        build.patch(top)
    else:
        source = source_of("micropython-gil")
        build.fetch(source, home)
        os.rename(build.arrange(home), top)
        for name in os.listdir(home):
            if name != "micropython":
                os.remove(os.path.join(home, name))
    for name in _UNREAD:
        shutil.rmtree(os.path.join(top, name), ignore_errors=True)
    with step("building MicroPython's cross-compiler"):
        build.make_cross_compiler(top)
