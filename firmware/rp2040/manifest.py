"""What the firmware of an RP2040 carries frozen: the agent, but for what only Linux can run.

The one rule: what is frozen runs from flash as it lies there, and takes heap only for its tables.
`boot.py` and `main.py` are not in it: a frozen one would win over the owner's.
"""
# ruff: noqa: F821 - a manifest's functions are given to it by MicroPython

import fnmatch
import os

LEFT_OUT = (
    "compat/micropython.py",
    "agent/devices/*_cpython.py",
    "agent/devices/*_ffi.py",
    "agent/devices/*_linux.py",
    "agent/system_calls/*",
    "agent/update/slots_esp32.py",
    "agent/update/slots_image.py",
)


def modules(folder):
    """The paths of the modules in a folder of the tree, from there on, in a fixed order."""
    top = os.path.join("..", "..", folder)
    for path, inner, names in os.walk(top):
        inner.sort()
        for name in sorted(names):
            found = os.path.relpath(os.path.join(path, name), top)
            if name.endswith(".py") and not is_left_out(folder + "/" + found):
                yield found


def is_left_out(path):
    """Whether a pattern names the module."""
    return any([fnmatch.fnmatch(path, pattern) for pattern in LEFT_OUT])


freeze("$(PORT_DIR)/modules", ("_boot.py", "rp2.py"), opt=3)
package("agent", tuple(modules("agent")), base_path="../..", opt=3)
for path in modules("compat"):
    module(path, base_path="../../compat", opt=3)
module("limpet_start.py", base_path="..", opt=3)
