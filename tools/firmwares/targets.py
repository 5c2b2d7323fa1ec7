"""The machines that limpetd is built for, as data, and the compiler for each.

The one rule: the compiler is the distribution's own package, installed; the C library is musl,
built by `musl.py` in the cache, and reached by a specs file that names it there.
"""

import os
import shutil
from collections import namedtuple

from provision import Unavailable
from provision.system import ensure_packages

from firmwares import musl

# triplet  as musl's configure takes it      prefix    of the compiler
# flags    for the compiler                  emulator  a program of qemu-user
Target = namedtuple(
    "Target",
    ("name", "about", "triplet", "prefix", "packages", "flags", "emulator"),
)

_ALL = (
    Target(
        "armhf", "32-bit ARM from ARMv7 on, hard float, Thumb-2", "arm-linux-musleabihf",
        "arm-linux-gnueabihf-", ("gcc-arm-linux-gnueabihf",), ("-mthumb",), "qemu-arm-static",
    ),
    Target(
        "armel", "32-bit ARM from ARMv5TE on, soft float", "arm-linux-musleabi",
        "arm-linux-gnueabi-", ("gcc-arm-linux-gnueabi",), (), "qemu-arm-static",
    ),
    Target(
        "aarch64", "64-bit ARM", "aarch64-linux-musl",
        "aarch64-linux-gnu-", ("gcc-aarch64-linux-gnu",), (), "qemu-aarch64-static",
    ),
    Target(
        "x86-64", "64-bit PC", "x86_64-linux-musl",
        "x86_64-linux-gnu-", ("gcc",), (), None,
    ),
    Target(
        "riscv64", "64-bit RISC-V", "riscv64-linux-musl",
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


def compiler(target, folder):
    """The words that call the compiler for `target`; writes its specs file into `folder`."""
    ensure_packages(["make", "patch", "gcc", "libc6-dev", *target.packages], "building limpetd")
    if not shutil.which(target.prefix + "gcc"):
        raise Unavailable("building limpetd: there is no %sgcc on the PATH" % target.prefix)
    specs = os.path.join(folder, "musl.specs")
    with open(specs, "w", encoding="utf-8") as file:
        file.write(_SPECS.replace("{musl}", musl.folder(target)))
    return [target.prefix + "gcc", "-specs=" + specs, *target.flags]
