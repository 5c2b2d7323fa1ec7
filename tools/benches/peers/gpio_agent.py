"""The agent with a GPIO chip whose driver answers at once, for benches: `gpio.read` is its own.

    gpio_agent.py --config FILE

One rule: everything but the kernel's part is what a device runs: policy, family, request codes.
"""

import sys

ROOT = __file__.rsplit("/", 4)[0]
sys.path.insert(0, ROOT)

from agent.__main__ import serve  # noqa: E402, I001 - found through the path; it finds compat/
from agent import config  # noqa: E402
from agent.app import Agent  # noqa: E402
from agent.devices import gpio, ioctl  # noqa: E402

CHIP = "/dev/gpiochip0"


class File:
    """What is opened."""

    def close(self):
        """Nothing was."""


class Transport:
    """A driver that says yes."""

    target = ioctl.this_machine()

    def open(self, path, writable=False):
        """Any path."""
        return ioctl.Device(path, File(), lambda file, number, argument: 0, self.target)

    def adopt(self, descriptor, path):
        """What the chip gave."""
        return self.open(path)


def main(arguments):
    """Serve as the agent does."""
    agent = Agent(config.load(arguments[1]))
    agent.hardware.devices.put("gpio", gpio.Chips(Transport()))
    span = {"kind": "pin", "where": CHIP, "first": 0, "last": 7, "write": False}
    agent.gate.keyring.policy["hardware"] = [span]
    return serve(agent)


sys.exit(main(sys.argv[1:]))
