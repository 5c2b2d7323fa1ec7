"""The agent on a board's network, for tests: its module `network` is tests/fake_network.py.

    networked_agent.py AIR --config FILE

The access points are what the file AIR holds, a JSON object of ssids and passwords, at any moment.
"""

import json
import sys

ROOT = __file__.rsplit("/", 3)[0]
sys.path.insert(0, ROOT)
sys.path.append(ROOT + "/compat")  # what the interpreter has of its own comes first
sys.path.append(ROOT + "/tests")

import fake_network  # noqa: E402 - found through the path

sys.modules["network"] = fake_network

from agent.__main__ import main  # noqa: E402 - found through the path; it finds compat/ in turn


class Station(fake_network.WLAN):
    """One that looks at the air of now."""

    def isconnected(self):
        """Whether it is."""
        with open(sys.argv[1]) as file:
            fake_network.WORLD.air = json.loads(file.read())
        return super().isconnected()


fake_network.WLAN = Station

if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
