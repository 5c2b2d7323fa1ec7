"""Builds musl, the C library in limpetd, small: from the sources that Debian has of it.

The one rule: what is built is the authors' own archive, checked by apt, for one target, by that
target's compiler. Debian's own packages of it are built for speed: 19 KB of an armhf file.
"""

import glob
import hashlib
import os
import shutil
import tarfile
import tempfile

from provision import Unavailable, cache, debian
from provision.steps import run, step

# Where the sources come from: suite, and the version recorded there; the first that can be read.
SOURCES = (("forky", "1.2.6-1"), ("trixie", "1.2.5-3.1~deb13u1"), ("bookworm", "1.2.3-1"))
ALLOWED = [">= 1.2.3", "<< 1.3"]
# The allocator of fewer bytes: little is allocated outside the interpreter's heap.
_CONFIGURED = ("--disable-shared", "--with-malloc=oldmalloc")
_CFLAGS = "-Os -fno-pie -ffunction-sections -fdata-sections -fno-ident -ffile-prefix-map=%s="
# Folders that nothing of limpetd calls, a third of the time.
_UNUSED = ("aio", "complex", "crypt", "ipc", "mq", "regex", "search")
_WHY = "building musl"


def folder(target):
    """The folder with musl's `include` and `lib` for `target`, built first if it is missing."""
    recipe = repr((SOURCES, _CONFIGURED, _CFLAGS, _UNUSED, target.prefix, target.flags))
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    name = "firmware/musl-%s-%s" % (target.name, digest)
    return cache.made(name, lambda home: _build(target, home))


def _build(target, home):
    work = tempfile.mkdtemp(prefix="limpet-musl-")
    try:
        top = _unpack(work)
        environment = dict(
            os.environ,
            CC=" ".join([target.prefix + "gcc", *target.flags]),
            CROSS_COMPILE=target.prefix,
            CFLAGS=_CFLAGS % work,
            LC_ALL="C",
        )
        with step("building musl for " + target.name):
            words = ["./configure", "--target=" + target.triplet, "--prefix=" + home]
            run([*words, *_CONFIGURED], _WHY, cwd=top, environment=environment)
            for name in _UNUSED:
                shutil.rmtree(os.path.join(top, "src", name))
            words = ["make", "-j%d" % (os.cpu_count() or 1)]
            goals = ["install-headers", "install-libs"]
            run([*words, *goals], _WHY, cwd=top, environment=environment)
    finally:
        shutil.rmtree(work)


def _unpack(work):
    home = cache.made("firmware/musl-" + SOURCES[0][1], _fetch)
    with tarfile.open(glob.glob(os.path.join(home, "musl_*.orig.tar.*"))[0]) as archive:
        archive.extractall(work)
        return os.path.join(work, archive.getnames()[0].split("/")[0])


def _fetch(home):
    reasons = []
    for suite, recorded in SOURCES:
        try:
            archive = debian.Archive(suite, kind="deb-src")
            version = archive.version("musl", ALLOWED, recorded)
            with step("fetching the sources of musl %s" % version):
                return archive.source("musl", version, home, original=True)
        except Unavailable as reason:
            reasons.append("%s: %s" % (suite, reason))
    raise Unavailable("musl: %s" % "; ".join(reasons))
