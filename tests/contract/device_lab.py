"""Real devices for the contract tests: only where a lab says that there are some to be used.

The one rule: without $LIMPET_LAB no test touches a device of the machine that it runs on.
"""

import os

from agent.devices import Devices, ioctl
from agent.errors import Unavailable


def transport_to(path):
    """A real transport if the lab has `path` and this runtime can reach it, else None."""
    if not os.getenv("LIMPET_LAB"):
        return None
    try:
        devices = Devices()
        devices.load("ioctl")
        os.stat(path)
        return ioctl.Transport(devices.load("file")[1])
    except (OSError, Unavailable):
        return None
