"""What limpetd carries frozen: the agent, what it needs of the standard library, its entry.

The one rule: everything here is frozen as it stands in the tree. Level 3 leaves out the line
numbers of tracebacks and asserts, of which device code has none.
"""
# ruff: noqa: F821 - a manifest's functions are given to it by MicroPython

import os

LEVEL = 3

package("agent", base_path="../..", opt=LEVEL)
for name in sorted(os.listdir("../../compat")):
    if name.endswith(".py"):
        module(name, base_path="../../compat", opt=LEVEL)
module("limpetd.py", base_path=".", opt=LEVEL)
