"""An agent whose loop, or one of whose threads, fails when its groups are set to that word."""

import sys

ROOT = __file__.rsplit("/", 3)[0] if __file__.count("/") > 2 else "."
sys.path.insert(0, ROOT)

from agent import __main__ as command  # noqa: E402, I001 - the path finds it, it finds compat/
import threading  # noqa: E402
from agent.app import Agent  # noqa: E402
from agent.operate import crash  # noqa: E402

crash.FIRST_DELAY_S = 0.2


def fail():
    """What a thread does here."""
    raise RuntimeError("planted in a thread")


class Crashing(Agent):
    """See the head of this file. Only in its first boot: the settings stay."""

    failed = False

    def step(self):
        super().step()
        twin = self.optional.twin
        groups = self.config["groups"] if twin is None else twin.wanted["groups"]
        if groups == ["loop"] and self.boot.number == 1:
            raise RuntimeError("planted in the loop")
        if groups == ["thread"] and not self.failed:
            self.failed = True
            threading.Thread(target=fail, name="victim").start()


command.Agent = Crashing
sys.exit(command.main(sys.argv[1:]))
