"""Builds our own MicroPython for Linux from Debian's source packages, with our patches.

The one rule: the sources are the distribution's, checked by apt; what we change and add is in
firmware/linux/patches/ and modules/ and in the options of sources.json: all in the cache's key.
Debian's own patches are not applied: they link its system libraries, which a machine may lack.
"""

import glob
import os
import shutil
import tarfile

from provision import Unavailable, debian
from provision.environment import TOOLS
from provision.launcher import NAME
from provision.steps import run, step
from provision.system import ensure_packages

_LINUX = os.path.join(os.path.dirname(TOOLS), "firmware", "linux")
PATCHES = os.path.join(_LINUX, "patches")
MODULES = os.path.join(_LINUX, "modules")
NEEDED = ["gcc", "libc6-dev", "make", "pkg-config", "libffi-dev", "patch"]
_WHY = "building MicroPython"
_MAKE = ["make", "-j%d" % (os.cpu_count() or 1), "-C"]


def patches():
    """The paths of our patches, in the order in which they are applied."""
    return sorted(glob.glob(os.path.join(PATCHES, "*.patch")))


def ingredients():
    """The paths of all files of ours that go into a build: patches and C modules."""
    return patches() + sorted(glob.glob(os.path.join(MODULES, "*/*.[ch]")))


def unpack(source, target, final):
    """Build what `source` describes, leaving the interpreter in `target`; returns what was met."""
    met = fetch(source, target)
    top = arrange(target)
    with step("compiling MicroPython (about a minute)"):
        _compile(top, source)
    built = glob.glob(os.path.join(top, "ports/unix/build-*", NAME))
    if not built:
        raise Unavailable("%s: make ended well and left no interpreter" % _WHY)
    _keep_only(target, built[0])
    names = ", ".join(os.path.basename(path)[: -len(".patch")] for path in patches())
    return "built from Debian %s micropython=%s, mbedtls=%s; patched: %s" % (
        source["suite"], met["micropython"], met["mbedtls"], names
    )  # fmt: skip


def fetch(source, target):
    """Fetch both source packages into `target`; returns the version met of each."""
    archive = debian.Archive(source["suite"], kind="deb-src")
    packages = ("micropython", "mbedtls")
    met = {
        name: archive.version(name, source[name]["allowed"], source[name]["recorded"])
        for name in packages
    }
    # Between asking and fetching: root is asked for only where there is something to build, and
    # nothing is fetched where it cannot be built.
    ensure_packages(NEEDED, _WHY)
    with step("fetching the sources of MicroPython from Debian %s" % source["suite"]):
        for name in packages:
            archive.source(name, met[name], target)
    return met


def arrange(target):
    """Unpack both sources into one tree, as MicroPython's own repository has it, and patch it."""
    top = _extract(target, "micropython_*.orig.tar.*")
    library = os.path.join(top, "lib/mbedtls")
    if os.path.isdir(library):
        os.rmdir(library)
    shutil.move(_extract(target, "mbedtls_*.orig.tar.*"), library)
    # make refuses to freeze anything without this file of a submodule that Debian leaves out.
    readme = os.path.join(top, "lib/micropython-lib/README.md")
    os.makedirs(os.path.dirname(readme), exist_ok=True)
    open(readme, "a").close()
    patch(top)
    return top


def patch(top):
    """Apply our patches to the sources in `top`."""
    for path in patches():
        why = "applying " + os.path.basename(path)
        run(["patch", "-p1", "--fuzz=0", "--input", path], why, cwd=top)


def _extract(target, pattern):
    found = glob.glob(os.path.join(target, pattern))
    if not found:
        raise Unavailable("the source package holds no %s" % pattern)
    with tarfile.open(found[0]) as archive:
        archive.extractall(target)
        first = archive.getnames()[0].split("/")[0]
    return os.path.join(target, first)


def _compile(top, source):
    manifest = os.path.join(top, "limpet-manifest.py")
    with open(manifest, "w", encoding="utf-8") as file:
        for module in source["modules"]:
            file.write('include("$(MPY_DIR)/%s")\n' % module)
    make_cross_compiler(top)
    ours = ["FROZEN_MANIFEST=" + manifest, "USER_C_MODULES=" + MODULES]
    options = [*source["options"], *ours]
    run([*_MAKE, os.path.join(top, "ports/unix"), *options], _WHY)


def make_cross_compiler(top):
    """Build mpy-cross, which compiles what is frozen, in the sources in `top`."""
    # Not optimised: it runs for a second and compiles for twenty.
    run([*_MAKE, os.path.join(top, "mpy-cross"), "COPT=-O0"], _WHY)


def _keep_only(target, program):
    kept = os.path.join(target, ".kept")
    shutil.move(program, kept)
    for name in os.listdir(target):
        path = os.path.join(target, name)
        if path != kept:
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    os.rename(kept, os.path.join(target, NAME))
