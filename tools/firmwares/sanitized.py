"""MicroPython for this machine with `_linux`, under AddressSanitizer and UBSan: for one test.

The one rule: an error that a sanitizer finds ends the program with a status other than 0.
"""

import hashlib
import os
import shutil
import tempfile

from provision import cache
from provision.build import MODULES
from provision.steps import run, step

from firmwares import linux

_CHECKS = "-fsanitize=address,undefined"
# MicroPython itself passes NULL with a length of 0 to memcpy, which is nobody's error.
_CFLAGS = _CHECKS + " -fno-sanitize=nonnull-attribute -fno-sanitize-recover=undefined"
_OPTIONS = (
    "VARIANT=standard", "MICROPY_PY_THREAD_GIL=1", "MICROPY_PY_BTREE=0", "MICROPY_PY_FFI=0",
    "MICROPY_PY_SSL=0", "MICROPY_VFS_FAT=0", "MICROPY_VFS_LFS1=0", "MICROPY_VFS_LFS2=0",
    "COPT=-O1", "STRIP=", "CFLAGS_EXTRA=" + _CFLAGS, "LDFLAGS_EXTRA=" + _CHECKS,
)  # fmt: skip
# The collector reads whole stacks, frames that have ended included; it never frees at the end;
# `_linux` handles SIGBUS itself.
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:handle_sigbus=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def program():
    """The path of the interpreter, built first if it is missing (about a minute)."""
    digest = hashlib.sha256(repr((_OPTIONS, linux.sources())).encode())
    for path in linux.ingredients():
        if path.startswith(MODULES):
            with open(path, "rb") as file:
                digest.update(file.read())
    name = "firmware/sanitized-" + digest.hexdigest()[:12]
    return os.path.join(cache.made(name, _make), "micropython")


def _make(home):
    work = tempfile.mkdtemp(prefix="limpet-sanitized-")
    try:
        manifest = os.path.join(work, "manifest.py")
        open(manifest, "w").close()
        options = [*_OPTIONS, "BUILD=" + work, "FROZEN_MANIFEST=" + manifest]
        port = os.path.join(linux.sources(), "ports/unix")
        why = "building MicroPython with sanitizers"
        with step(why):
            run(["make", "-j2", "-C", port, "USER_C_MODULES=" + MODULES, *options], why)
        shutil.move(os.path.join(work, "micropython"), home)
    finally:
        shutil.rmtree(work)
