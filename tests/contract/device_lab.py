"""What a device's contract is tested on: fakes of several machines, and the lab's real devices.

The one rule: without $LIMPET_LAB no test touches a device of the machine that it runs on.
"""

import os

from agent.devices import Devices, codes, layout
from agent.devices.ioctl_fake import FakeTransport
from agent.errors import Unavailable

TARGETS = (
    ("fake-64", (codes.GENERIC, layout.LINUX_64)),
    ("fake-32", (codes.GENERIC, layout.LINUX_32)),
    ("fake-mips-be", (codes.MIPS, layout.Abi(4, 8, ">"))),
)


def transport_to(path):
    """A real transport if the lab has `path` and this runtime can reach it, else None."""
    return real("ioctl") if in_lab(path) else None


def in_lab(path):
    """Whether this is the lab, and has `path`."""
    try:
        return bool(os.getenv("LIMPET_LAB") and os.stat(path))
    except OSError:
        return False


def real(name):
    """A capability as this runtime has it, else None."""
    try:
        return Devices().use(name)
    except Unavailable:
        return None


class Fake:
    """A fake device at `path`: its `driver` and a `transport` to it."""

    def __init__(self, path, driver, target):
        self.driver = driver
        self.transport = FakeTransport({path: driver}, target)


class Real:
    """The lab's own device: nobody moves it but the lab."""

    driver = None

    def __init__(self, path):
        self.transport = transport_to(path)


def implementations(path, make_driver):
    """A fake for each of TARGETS, by `make_driver(target)`, and the lab's device if it is there.

    Each is what a test calls to start afresh.
    """
    found = [(name, _starter(path, make_driver, target)) for name, target in TARGETS]
    if transport_to(path):
        found.append(("linux", lambda: Real(path)))
    return found


def _starter(path, make_driver, target):
    return lambda: Fake(path, make_driver(target), target)
