"""Builds the firmware of an RP2040: MicroPython's rp2 port, our board, the agent frozen.

The one rule: all that it is made of is our tree and Debian's packages, checked by apt and unpacked
in the cache; compiler and C library are always those of one suite, so that the same source gives
the same bytes. No package is installed but what `NEEDED` names.
"""

import glob
import os
import shutil
import struct
import sys
import tempfile

from provision import cache, debian
from provision.build import patches
from provision.steps import run, step
from provision.system import ensure_packages

from firmwares import linux

NAME = "firmware.uf2"
NEEDED = ["gcc", "libc6-dev", "make", "patch", "cmake"]
_WHY = "building the firmware of an RP2040"
_OURS = ("agent", "compat", "firmware/rp2040")
_FILES = ("firmware/limpet_start.py", "firmware/manifest.py", "firmware/boards/boards.json")

# suite, {package: versions allowed, the one recorded}. The SDK and the USB stack are those that
# MicroPython 1.26 was made for; the compiler of the oldest suite runs on every newer one too.
SDK = (
    "trixie",
    {
        "pico-sdk-source": ([">= 2.1", "<< 2.2"], "2.1.1-1"),
        "tinyusb-source": ([">= 0.18", "<< 0.19"], "0.18.0+dfsg-1"),
    },
)
COMPILER = (
    "bookworm",
    {
        "gcc-arm-none-eabi": ([">= 15:12.2", "<< 15:13"], "15:12.2.rel1-1"),
        "binutils-arm-none-eabi": ([">= 2.40", "<< 2.41"], "2.40-2+18+b1"),
        "libnewlib-arm-none-eabi": ([">= 3.3", "<< 3.4"], "3.3.0-1.3+deb12u1"),
        "libnewlib-dev": ([">= 3.3", "<< 3.4"], "3.3.0-1.3+deb12u1"),
    },
)
# Of the libraries for every ARM core the one that is used: the others take 700 MB.
_CORE = os.path.join("thumb", "v6-m", "nofp")

FLASH = 0x10000000  # where the processor sees its flash
FLASH_BYTES = 2 << 20
FILES_BYTES = 1 << 20  # as firmware/rp2040/mpconfigboard.h has it
_PAGE = 256
_FAMILY = 0xE48BFF56  # of the RP2040, in Microsoft's list for UF2


def firmware():
    """The path of the firmware, built first if it is missing."""
    folder = "firmware/rp2040-" + key()[:12]
    return os.path.join(cache.made(folder, make), NAME)


def key():
    """Changes with everything that the firmware is made of; hexadecimal text."""
    found = []
    for folder in _OURS:
        for ending in ("py", "h", "cmake"):
            pattern = os.path.join(linux.ROOT, folder, "**", "*." + ending)
            found += glob.glob(pattern, recursive=True)
    found += [os.path.join(linux.ROOT, path) for path in _FILES]
    return linux.digest(sorted(found) + patches() + [__file__], SDK, COMPILER)


def make(home):
    """Build it, leaving the firmware and the linker's map in the folder `home`."""
    ensure_packages(NEEDED, _WHY)
    tools, parts = compiler(), sdk()
    work = tempfile.mkdtemp(prefix="limpet-firmware-")
    try:
        top = os.path.join(work, "micropython")
        shutil.copytree(linux.sources(), top, symlinks=True)
        shutil.rmtree(os.path.join(top, "lib", "tinyusb"), ignore_errors=True)
        shutil.copytree(os.path.join(parts, "tinyusb"), os.path.join(top, "lib", "tinyusb"))
        shutil.copytree(os.path.join(parts, "pico-sdk"), os.path.join(work, "pico-sdk"))
        for folder in _OURS:
            shutil.copytree(os.path.join(linux.ROOT, folder), os.path.join(work, "limpet", folder))
        for path in _FILES:
            place = os.path.join(work, "limpet", path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copy(os.path.join(linux.ROOT, path), place)
        with step("building the firmware of an RP2040 (about a minute)"):
            _build(work, top, os.path.join(tools, "usr", "bin"))
        with open(os.path.join(work, "build", "firmware.bin"), "rb") as file:
            image = file.read()
        with open(os.path.join(home, NAME), "wb") as file:
            file.write(uf2(image))
        shutil.move(os.path.join(work, "build", "firmware.elf.map"), home)
    finally:
        shutil.rmtree(work)


def _build(work, top, tools):
    board = os.path.join(work, "limpet", "firmware", "rp2040")
    options = [
        "-DMICROPY_BOARD=LIMPET",
        "-DMICROPY_BOARD_DIR=" + board,
        "-DMICROPY_FROZEN_MANIFEST=" + os.path.join(board, "manifest.py"),
        "-DPICO_SDK_PATH_OVERRIDE=" + os.path.join(work, "pico-sdk"),
        "-DPICO_NO_PICOTOOL=1",
        "-DPython3_EXECUTABLE=" + sys.executable,
    ]
    mapped = "-ffile-prefix-map=%s=." % work
    environment = dict(
        linux.steady(top, work),
        PATH=tools + os.pathsep + os.environ["PATH"],
        MICROPY_MPYCROSS=os.path.join(top, "mpy-cross", "build", "mpy-cross"),
        **dict.fromkeys(("CFLAGS", "CXXFLAGS", "ASMFLAGS"), mapped),
    )
    build = os.path.join(work, "build")
    port = os.path.join(top, "ports", "rp2")
    run(["cmake", "-S", port, "-B", build, *options], _WHY, environment=environment)
    command = ["make", "-j%d" % (os.cpu_count() or 1), "-C", build, "firmware"]
    run(command, _WHY, environment=environment)


def compiler():
    """The folder with gcc, binutils and newlib for a Cortex-M0+, got first if they are missing."""
    name = "firmware/arm-none-eabi-" + linux.digest([], COMPILER)[:12]
    return cache.made(name, _unpack_compiler)


def _unpack_compiler(target):
    _unpack(COMPILER, target)
    place = os.path.join(target, "usr", "lib", "arm-none-eabi")
    newlib = os.path.join(place, "newlib")
    libraries = glob.glob(os.path.join(target, "usr", "lib", "gcc", "arm-none-eabi", "*"))
    for folder in (newlib, *libraries):
        for kind in ("thumb", "arm"):
            _keep_only(os.path.join(folder, kind), os.path.join(folder, _CORE))
    # Unpacked elsewhere than in /usr, gcc looks for the C library beside itself.
    os.symlink("newlib", os.path.join(place, "lib"))
    os.symlink("../../include/newlib", os.path.join(place, "include"))
    # The SDK has everything linked as C++, and nothing in it is: an empty library will do.
    archiver = os.path.join(target, "usr", "bin", "arm-none-eabi-ar")
    run([archiver, "rc", os.path.join(newlib, "libstdc++.a")], _WHY)
    shutil.rmtree(os.path.join(target, "usr", "share"), ignore_errors=True)


def _keep_only(folder, kept):
    """Remove all in a folder but what is in `kept`, or leads there."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if path == kept:
            continue
        if kept.startswith(path + os.sep):
            _keep_only(path, kept)
        elif os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def sdk():
    """The folder with the Pico's SDK and TinyUSB, got first if they are missing."""

    def unpack(target):
        _unpack(SDK, target)
        for name in ("pico-sdk", "tinyusb"):
            shutil.move(os.path.join(target, "usr", "src", name), os.path.join(target, name))
        shutil.rmtree(os.path.join(target, "usr"))

    return cache.made("firmware/pico-sdk-" + linux.digest([], SDK)[:12], unpack)


def _unpack(what, target):
    suite, packages = what
    archive = debian.Archive(suite)
    names = [
        "%s=%s" % (name, archive.version(name, allowed, recorded))
        for name, (allowed, recorded) in packages.items()
    ]
    with step("fetching %s from Debian %s" % (", ".join(names), suite)):
        archive.unpack_alone(names, target)


def uf2(image):
    """The image of a flash, from its beginning on, as a board takes it by USB."""
    pages = [image[at : at + _PAGE].ljust(_PAGE, b"\0") for at in range(0, len(image), _PAGE)]
    blocks = []
    for number, page in enumerate(pages):
        head = (0x0A324655, 0x9E5D5157, 0x2000, FLASH + number * _PAGE, _PAGE, number, len(pages))
        blocks.append(struct.pack("<8I", *head, _FAMILY) + page.ljust(476, b"\0"))
    return b"".join([block + struct.pack("<I", 0x0AB16F30) for block in blocks])
