"""What limpetd carries frozen: its entry, and what starts it from a slot.

The one rule: what is frozen runs from the file as it lies there; all else is packed, by
`packing.py`, and is found as if it were frozen.
"""
# ruff: noqa: F821 - a manifest's functions are given to it by MicroPython

module("limpetd.py", base_path=".", opt=3)
module("limpet_start.py", base_path="..", opt=3)  # before anything of the agent
