"""`app.*`: the apps of the device's owner, looked at, started, stopped, replaced.

The one rule: an app comes to the device by a release or by its owner's hand, never by a command of
this family. Starting one imports it on the main thread, which answers nobody meanwhile.
"""

from agent import schema
from agent.commands.registry import INLINE, Command

_NAME = (schema.text("name", low=1, high=24),)


def commands(host):
    """The family's commands, over an apps.host.Host."""

    def look(params):
        host.look()
        return {"apps": host.list(), "surplus": host.surplus}

    def get(params):
        entry = host.find(params["name"])
        words = entry.words()
        words["folder"] = entry.folder
        words["traceback"] = entry.traceback
        return words

    rows = (
        ("list", look, (), "read", "repeat",
         "Each app with state, version and what is wrong; `surplus` names those too many."),
        ("get", get, _NAME, "read", "repeat", "One app, with the traceback of its last failure."),
        ("start", lambda p: host.start(p["name"]).words(), _NAME, "act", "once",
         "Start an app, now and with the agent. The app."),
        ("stop", lambda p: host.stop(p["name"]).words(), _NAME, "act", "once",
         "Stop an app until it is started by a call; its runs are asked to end. The app."),
        ("replace", lambda p: host.replace(p["name"]).words(), _NAME, "update", "once",
         "Run what lies in the app's folder now in place of what runs. The app."),
    )  # fmt: skip
    return [
        Command("app." + verb, call, params, permission, repeat, INLINE, about)
        for verb, call, params, permission, repeat, about in rows
    ]
