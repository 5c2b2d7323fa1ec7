"""What each part of limpetd costs: bytes in the file, and memory once it is used.

The one rule: every figure is read from the file that is shipped. A part is a group of
firmware/linux/packing.py, packed as a whole; within the core a folder's share is that of its
unpacked bytes. The heap is read under qemu-user, in the file itself.
"""

import json
import os
import subprocess
from collections import namedtuple

from provision import Unavailable, package

from firmwares import linux, packing, targets

# What an armhf file may have in all, in bytes: with TLS, where 500,000 is the aim, and without.
BOUNDS = {True: 460_000, False: 380_000}
# What the bounds leave out of count: stand-ins for hardware, which `--without fakes` leaves out.
UNBOUNDED = ("fakes",)
# What each part may take of it, packed; what has no row here may take OTHER.
PARTS = {"core": 80_000, "devices": 35_000, "work": 52_000}
OTHER = 10_000

# file: bytes in the file; code: bytes of memory once unpacked, outside the heap; heap: bytes of
# heap once loaded, or None where it was not measured; bound: of `file`, None: has none.
Row = namedtuple("Row", ("part", "file", "code", "heap", "bound"))

# Loads the agent as it starts, then each part; a module that cannot be had here is no matter.
_MEASURE = """
import sys, gc
sys.path[:] = ['.frozen']
def taken():
    gc.collect()
    return gc.mem_alloc()
def load(names):
    before = taken()
    for name in names.split(','):
        try:
            __import__(name)
        except (ImportError, AttributeError):
            pass
    return taken() - before
for part, names in %r:
    print(part, load(names))
"""


def rows(name, program):
    """The Rows of `program`, built by `linux.program` for the target `name`; the core's first."""
    with open(os.path.join(os.path.dirname(program), linux.PACKED), encoding="utf-8") as file:
        report = json.load(file)
    heap = _heap(name, program, report)
    core = report[packing.CORE]
    whole = sum(core["modules"].values())  # as .mpy
    yield _row(packing.CORE, core, heap)
    folders = {}
    for path, size in core["modules"].items():
        folder = os.path.dirname(path)
        folders[folder] = folders.get(folder, 0) + size
    for folder, size in sorted(folders.items()):
        share = [size * core[figure] // whole for figure in ("packed", "code")]
        yield Row("  " + folder, *share, None, None)
    for part in sorted(report):
        if part != packing.CORE:
            yield _row(part, report[part], heap)


def _row(part, group, heap):
    return Row(part, group["packed"], group["code"], heap.get(part), PARTS.get(part, OTHER))


def _heap(name, program, report):
    """{part: bytes of heap once it is loaded, after the core}; {} where the file cannot be run."""
    emulator = targets.TARGETS[name].emulator
    try:
        words = package.emulator("qemu-user-static", emulator) if emulator else []
    except Unavailable:
        return {}
    parts = [(packing.CORE, "agent.app")]
    for part in sorted(report):
        if part != packing.CORE:
            parts.append((part, ",".join([module_name(path) for path in report[part]["modules"]])))
    command = [*words, program, "--python", "-X", "heapsize=2m", "-c", _MEASURE % (parts,)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Unavailable("the heap of %s: %s" % (name, done.stderr.strip()))
    return {part: int(size) for part, size in [line.split() for line in done.stdout.splitlines()]}


def module_name(path):
    """The name under which the module at `path` of the tree is imported in the file."""
    return packing.imported(path)[: -len(".py")].replace("/__init__", "").replace("/", ".")
