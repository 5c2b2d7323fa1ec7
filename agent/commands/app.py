"""`app.*`: the apps of the device's owner: had, looked at, started, stopped, undone, removed.

The one rule: an app comes by a signed release, or by the word of who may bring code. Starting one
imports it on the main thread, which answers nobody meanwhile.
"""

from agent import schema
from agent.commands.registry import INLINE, Command, task

_NAME = (schema.text("name", low=1, high=24),)
_MAX_RELEASE = 3584  # agent.update.release has the bound; it is not loaded for a number
_RELEASE = (
    schema.text("release", low=1, high=_MAX_RELEASE, about="as tools/release builds it"),
    schema.boolean("downgrade", False, about="an older one too, down to the floor"),
)
_TASK = task(None, None, True)


def commands(host, installer):
    """The family's commands, over an apps.host.Host; `installer(make)` gives the Installer, which
    is made if need be, or None. Raises Unavailable."""

    def words_of(entry):
        words = entry.words()
        found = installer(False)
        if found is not None:
            words["release"] = found.words(entry.name)
        return words

    def look(params):
        host.look()
        return {"apps": [words_of(entry) for entry in host.all()], "surplus": host.surplus}

    def get(params):
        entry = host.find(params["name"])
        return dict(words_of(entry), folder=entry.folder, traceback=entry.traceback)

    def made(call):
        return lambda params: words_of(call(params["name"]))

    def installing(is_signed):
        def install(params, job):
            words = (params["release"], params["downgrade"], is_signed, job)
            return installer(True).install(*words)

        return install

    def remove(params):
        installer(True).remove(params["name"])
        return {"removed": params["name"]}

    def go_back(params):
        return installer(True).go_back(params["name"])

    calls = (
        look, get, made(host.start), made(host.stop), made(host.replace),
        installing(True), installing(False), go_back, remove,
    )  # fmt: skip
    return [
        Command("app." + row[0], calls[at], row[1], row[2], row[3], row[4], row[5])
        for at, row in enumerate(_ROWS)
    ]


_ROWS = (
    ("list", (), "read", "repeat", INLINE,
     "Each app with state, version, release, what is wrong; `surplus` names those too many."),
    ("get", _NAME, "read", "repeat", INLINE,
     "One app, with the traceback of its last failure."),
    ("start", _NAME, "act", "once", INLINE,
     "Start an app, now and with the agent. The app."),
    ("stop", _NAME, "act", "once", INLINE,
     "Stop an app until it is started by a call; its runs are asked to end. The app."),
    ("replace", _NAME, "update", "once", INLINE,
     "Run what lies in the app's folder now in place of what runs. The app."),
    ("install", _RELEASE, "update", "resume", _TASK,
     "Fetch a signed release of an app, try it, keep it if it is well. The app."),
    ("install_unsigned", _RELEASE, "code", "resume", _TASK,
     "As install, of what nobody has signed: its caller vouches for it."),
    ("rollback", _NAME, "update", "once", INLINE,
     "Back to the app's release before this one, which is still here. The app."),
    ("remove", _NAME, "update", "once", INLINE,
     "Take an installed app away; what it has stored stays. {removed}"),
)  # fmt: skip
