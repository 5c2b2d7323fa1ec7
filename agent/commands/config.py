"""`config.*`: settings, seen and changed from afar.

The one rule: a change here and a desired document go the same way, `tuning.change`. No answer
holds a secret.
"""

from agent import schema
from agent.commands.registry import INLINE, Command
from agent.errors import BadParams
from agent.twin import settings
from agent.twin.desired import MAX_ID, TRIAL_FIELDS

_SET = (
    schema.anything("settings", None, "what to change: an object as the configuration file"),
    schema.sequence(
        "unset",
        schema.text("path", low=1, high=64),
        [],
        high=32,
        about="paths, as mqtt.host, that shall be as the configuration file has them",
    ),
) + TRIAL_FIELDS
_TRIAL = (schema.text("trial", None, low=1, high=MAX_ID, about="id of the trial; null: any"),)
_PATH = (schema.text("path", None, low=1, high=64, about="of a setting or a group of them"),)

_ABOUT_SET = (
    "Change some settings, all or nothing. What could cut the link is on trial: it goes back by "
    "itself unless config.confirm comes under the new settings. What config.get tells."
)


# The name behind `config.`, parameters, permission, repeat rule, meaning.
_DECLARED = (
    (
        "get",
        (),
        "read",
        "repeat",
        "Settings in force, what waits for a restart, the trial, the last desired's answer.",
    ),
    (
        "describe",
        _PATH,
        "read",
        "repeat",
        "Each setting: type, when it applies, whether on trial; with a path its declaration.",
    ),
    ("set", _SET, "admin", "once", _ABOUT_SET),
    ("confirm", _TRIAL, "admin", "once", "What is on trial stays. What config.get tells."),
    ("revert", _TRIAL, "admin", "once", "Go back from what is on trial. What config.get tells."),
)


def commands(tuning, fields):
    """The family's commands, over agent.tuning.Tuning and the declared settings."""

    def describe(params):
        path = params["path"]
        told = settings.describe(fields, path)
        if not told:
            raise BadParams("path: there is no setting %s" % path)
        return told

    def change(params):
        patch = params["settings"]
        if patch is None:
            patch = {}
        if not isinstance(patch, dict):
            raise BadParams("settings: expected an object")
        options = {field.name: params[field.name] for field in TRIAL_FIELDS}
        return tuning.edit(patch, params["unset"], options)

    calls = {
        "get": lambda params: tuning.report(),
        "describe": describe,
        "set": change,
        "confirm": lambda params: tuning.confirm(params["trial"]),
        "revert": lambda params: tuning.revert(params["trial"]),
    }
    return [
        Command("config." + name, calls[name], params, permission, repeat, INLINE, about)
        for name, params, permission, repeat, about in _DECLARED
    ]
