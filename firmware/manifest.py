"""The agent frozen into a board's firmware: for a build of MicroPython's own ports.

    make BOARD=RPI_PICO_W FROZEN_MANIFEST=/path/to/limpet/firmware/manifest.py
    idf.py -D MICROPY_BOARD=ESP32_GENERIC -D MICROPY_FROZEN_MANIFEST=... build

The one rule: what a stock firmware of the board carries is in it too, and of the agent all but
what no board can run (boards/boards.json). What is frozen runs from flash and takes heap for its
tables alone, so that boards have room for it whose memory is too small for .mpy files. `boot.py`
and `main.py` are not in it: a frozen one would win over the owner's. tools/flash puts them there.
"""
# ruff: noqa: F821 - a manifest's functions are given to it by MicroPython

import fnmatch
import json
import os

with open("boards/boards.json") as file:
    options.defaults(stock=True, left_out=json.load(file)["left_out"])


def modules(folder):
    """The paths of the modules in a folder of the tree, from there on, in a fixed order."""
    top = os.path.join("..", folder)
    for path, inner, names in os.walk(top):
        inner.sort()
        for name in sorted(names):
            found = os.path.relpath(os.path.join(path, name), top)
            if name.endswith(".py") and not is_left_out(folder + "/" + found):
                yield found


def is_left_out(path):
    """Whether no board can run the module."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in options.left_out)


if options.stock:
    include("$(PORT_DIR)/boards/manifest.py")
package("agent", tuple(modules("agent")), base_path="..", opt=3)
for name in modules("compat"):
    module(name, base_path="../compat", opt=3)
module("limpet_start.py", base_path=".", opt=3)
