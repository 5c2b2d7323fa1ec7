"""`update.*`: which release runs, which is offered, and what to do about it."""

from agent import schema
from agent.commands.no_update import Nothing
from agent.commands.registry import INLINE, RESTART, Command, task
from agent.errors import Unavailable

_MAX_RELEASE = 3584  # agent.update.release has the bound; it is not loaded for a number


def commands(updater):
    """The family's commands."""

    def need():
        if isinstance(updater, Nothing):
            raise Unavailable(updater.reason)
        return updater

    def check(params):
        need().check()
        return updater.status()

    def apply(params, job):
        wanted = job.resume_from
        if wanted is None or not need().knows(wanted):
            need().apply(params["release"], params["downgrade"])
        return need().follow(job, wanted)

    def confirm(params):
        need().confirm()
        return updater.status()

    def rollback(params):
        need().go_back()
        return RESTART

    rows = (
        ("status", lambda params: need().status(), (), "read", "repeat", _STATUS),
        ("check", check, (), "update", "repeat", _CHECK),
        ("apply", apply, _APPLY_PARAMS, "update", "resume", _APPLY),
        ("confirm", confirm, (), "update", "once", _CONFIRM),
        ("rollback", rollback, (), "update", "once", _ROLLBACK),
    )
    return [
        Command(
            "update." + name,
            call,
            params,
            permission,
            repeat,
            _WATCHED if name == "apply" else INLINE,
            about,
        )
        for name, call, params, permission, repeat, about in rows
    ]


_WATCHED = task(None, None, True)
_STATUS = "State, slot, release in use, what is in the other slot, why the last one went back."
_CHECK = "Look once more at the release that is offered. The status."
_APPLY = "Fetch and try a release, one that failed here too, or what is staged. The status."
_CONFIRM = "What is on trial is good: its caller knows better than the health check. The status."
_ROLLBACK = "Back to the release before this one, which is still here. Answered after it: {boot}"
_APPLY_PARAMS = (
    schema.text("release", None, low=1, high=_MAX_RELEASE, about="signed, as built"),
    schema.boolean("downgrade", False, about="an older one too, down to the floor"),
)
