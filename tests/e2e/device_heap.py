"""Prints what the families of device commands cost of heap, as JSON; runs on MicroPython.

    micropython tests/e2e/device_heap.py

`loaded` are the modules of devices that an agent has which touches none; `before` its heap in
bytes; `families` what each adds, in their order, once its commands are asked for.
"""

import gc
import json
import sys

ROOT = __file__.rsplit("/", 3)[0]
sys.path[0:0] = [ROOT]
sys.path.append(ROOT + "/compat")

from agent import app  # noqa: E402, F401 - all that an agent loads
from agent.commands import device, hardware  # noqa: E402


def taken():
    """Bytes of heap in use."""
    gc.collect()
    return gc.mem_alloc()


def main():
    """Load one family after the other."""
    loaded = sorted([name for name in sys.modules if name.startswith("agent.devices")])
    before = taken()
    families = {}
    here = hardware.Hardware()
    kept = []
    for name in sorted(device.FAMILIES):
        start = taken()
        kept.append(device.load_family(name, here))
        families[name] = taken() - start
    print(json.dumps({"loaded": loaded, "before": before, "families": families}))


main()
