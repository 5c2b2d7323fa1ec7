"""What stands for updates where there are none.

The one rule: an agent whose configuration has no `update` holds nothing of what updates need.
"""

from agent.errors import Unavailable


class Nothing:
    """No updates here; `reason` says why. What stands for an Updater."""

    restarts = False
    due = slot = None

    def __init__(self, reason):
        self.reason = reason

    def step(self, now):
        """Nothing to do."""

    def connected(self, is_up):
        """Nobody to tell."""


def start(registry, make):
    """The Updater that `make()` gives, or a Nothing; its family of commands either way."""
    try:
        found = make()
    except Unavailable as error:
        found = Nothing(error.message)
    if not isinstance(found, Nothing):
        found.subscribe()

    def load(name):
        from agent.commands import update

        return update.commands(found)

    registry.add_families(("update",), load)
    return found
