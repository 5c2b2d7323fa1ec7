"""What stands for updates where there are none.

The one rule: an agent whose configuration has no `update` holds nothing of what updates need.
"""

from agent.errors import LimpetError


class Nothing:
    """No updates here; `reason` says why. What stands for an Updater."""

    restarts = is_busy = False
    due = slot = None

    def __init__(self, reason):
        self.reason = reason
        self.checks = []
        self.veto = None

    def step(self, now):
        """Nothing to do."""

    def connected(self, is_up):
        """Nobody to tell."""


def start(registry, make):
    """The Updater that `make()` gives, or a Nothing; its family of commands either way."""
    try:
        found = make()
        found.subscribe()
    except LimpetError as error:
        found = Nothing(error.message)
    except Exception as error:  # noqa: BLE001 - what cannot be updated must still be reached
        found = Nothing("%s: %s" % (type(error).__name__, error))

    def load(name):
        from agent.commands import update

        return update.commands(found)

    registry.add_families(("update",), load)
    return found
