"""What the firmware of an RP2040 carries frozen: the agent, but for what only Linux can run.

The one rule: what it is made of is said in ../manifest.py, and here only what is left out of it,
and that of the port's own modules there are two.
"""
# ruff: noqa: F821 - a manifest's functions are given to it by MicroPython

LEFT_OUT = (
    "compat/micropython.py",
    "agent/devices/*_cpython.py",
    "agent/devices/*_ffi.py",
    "agent/devices/*_linux.py",
    "agent/system_calls/*",
    "agent/update/slots_esp32.py",
    "agent/update/slots_image.py",
)

freeze("$(PORT_DIR)/modules", ("_boot.py", "rp2.py"), opt=3)
include("../manifest.py", stock=False, left_out=LEFT_OUT)
