"""The machines that limpetd is built for, as data, and the C library for each.

The one rule: the compiler is the distribution's own package, installed; the C library is Debian's
musl for the target, unpacked in the cache, and reached by a specs file that names it there.
"""

import os
import shutil
from collections import namedtuple

from provision import Unavailable, cache, debian
from provision.steps import step
from provision.system import ensure_packages

# Where musl comes from: suite, and the version recorded there. The first suite that can be read
# and has it for the architecture decides; armel ended with trixie.
MUSL = (("forky", "1.2.6-1"), ("trixie", "1.2.5-3.1~deb13u1"), ("bookworm", "1.2.3-1"))
ALLOWED = [">= 1.2.3", "<< 1.3"]

# architecture  Debian's name     triplet   of the musl package
# prefix        of the compiler   flags     for the compiler; emulator  a program of qemu-user
Target = namedtuple(
    "Target",
    ("name", "about", "architecture", "triplet", "prefix", "packages", "flags", "emulator"),
)

_ALL = (
    Target(
        "armhf", "32-bit ARM from ARMv7 on, hard float, Thumb-2", "armhf", "arm-linux-musleabihf",
        "arm-linux-gnueabihf-", ("gcc-arm-linux-gnueabihf",), ("-mthumb",), "qemu-arm-static",
    ),
    Target(
        "armel", "32-bit ARM from ARMv5TE on, soft float", "armel", "arm-linux-musleabi",
        "arm-linux-gnueabi-", ("gcc-arm-linux-gnueabi",), (), "qemu-arm-static",
    ),
    Target(
        "aarch64", "64-bit ARM", "arm64", "aarch64-linux-musl",
        "aarch64-linux-gnu-", ("gcc-aarch64-linux-gnu",), (), "qemu-aarch64-static",
    ),
    Target(
        "x86-64", "64-bit PC", "amd64", "x86_64-linux-musl",
        "x86_64-linux-gnu-", ("gcc",), (), None,
    ),
    Target(
        "riscv64", "64-bit RISC-V", "riscv64", "riscv64-linux-musl",
        "riscv64-linux-gnu-", ("gcc-riscv64-linux-gnu",), (), "qemu-riscv64-static",
    ),
)  # fmt: skip
TARGETS = {target.name: target for target in _ALL}

# In place of gcc's own search for the system's C library; `%s` lets gcc find its own files.
_SPECS = """\
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem {musl}/include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem {musl}/include -isystem include%s

*link_libgcc:
-L{musl}/lib -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*startfile:
{musl}/lib/crt1.o {musl}/lib/crti.o crtbeginT.o%s

*endfile:
crtend.o%s {musl}/lib/crtn.o

*link:
-nostdlib -static

*esp_link:


*esp_options:


*esp_cpp_options:


"""


def musl(target):
    """The folder with musl's `include` and `lib` for `target`, got first if it is missing."""

    def make(folder):
        whole = os.path.join(folder, "whole")
        os.mkdir(whole)
        _unpack_musl(target, whole)
        for part in ("include", "lib"):
            shutil.move(os.path.join(whole, "usr", part, target.triplet), folder + "/" + part)
        shutil.rmtree(whole)

    return cache.made("firmware/musl-%s-%s" % (MUSL[0][1], target.name), make)


def _unpack_musl(target, whole):
    reasons = []
    for suite, recorded in MUSL:
        try:
            archive = debian.Archive(suite, target.architecture)
            version = archive.version("musl-dev", ALLOWED, recorded)
            with step("fetching musl %s for %s" % (version, target.name)):
                return archive.unpack_alone(["musl-dev=" + version], whole)
        except Unavailable as reason:
            reasons.append("%s: %s" % (suite, reason))
    raise Unavailable("musl for %s: %s" % (target.name, "; ".join(reasons)))


def compiler(target, folder):
    """The words that call the compiler for `target`; writes its specs file into `folder`."""
    ensure_packages(["make", "patch", "gcc", "libc6-dev", *target.packages], "building limpetd")
    if not shutil.which(target.prefix + "gcc"):
        raise Unavailable("building limpetd: there is no %sgcc on the PATH" % target.prefix)
    specs = os.path.join(folder, "musl.specs")
    with open(specs, "w", encoding="utf-8") as file:
        file.write(_SPECS.replace("{musl}", musl(target)))
    return [target.prefix + "gcc", "-specs=" + specs, *target.flags]
