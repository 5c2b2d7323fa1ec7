"""`update.*`: which release runs, which is offered, and what to do about it.

The one rule: an agent whose configuration has no `update` holds none of what updates need: it has
a Nothing in its place.
"""

from agent import schema
from agent.commands.registry import INLINE, RESTART, Command
from agent.errors import Unavailable

_MAX_RELEASE = 3584  # agent.update.release has the bound; it is not loaded for a number


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
    registry.add_families(("update",), lambda name: commands(found))
    return found


def commands(updater):
    """The family's commands."""

    def need():
        if isinstance(updater, Nothing):
            raise Unavailable(updater.reason)
        return updater

    def check(params):
        need().check()
        return updater.status()

    def apply(params):
        need().apply(params["release"], params["downgrade"])
        return RESTART if updater.restarts else updater.status()

    def confirm(params):
        need().confirm()
        return updater.status()

    def rollback(params):
        need().go_back()
        return RESTART

    rows = (
        ("status", lambda params: need().status(), (), "read", "repeat", _STATUS),
        ("check", check, (), "update", "repeat", _CHECK),
        ("apply", apply, _APPLY_PARAMS, "update", "once", _APPLY),
        ("confirm", confirm, (), "update", "once", _CONFIRM),
        ("rollback", rollback, (), "update", "once", _ROLLBACK),
    )
    return [
        Command("update." + name, call, params, permission, repeat, INLINE, about)
        for name, call, params, permission, repeat, about in rows
    ]


_STATUS = "State, slot, release in use, what is in the other slot, why the last one went back."
_CHECK = "Look once more at the release that is offered. The status."
_APPLY = "Try what is staged now, or fetch and try a release; one that failed here as well."
_CONFIRM = "What is on trial is good: its caller knows better than the health check. The status."
_ROLLBACK = "Back to the release before this one, which is still here. Answered after it: {boot}"
_APPLY_PARAMS = (
    schema.text("release", None, low=1, high=_MAX_RELEASE, about="signed, as built"),
    schema.boolean("downgrade", False, about="an older one too, down to the floor"),
)
