"""Families that are loaded when the first of their commands is asked for: files, code.

The one rule: the main thread loads, and an agent that is asked for none of it holds none of it.
"""

from collections import namedtuple

FAMILIES = ("fs", "shell", "python", "system")

# What a family may need of the agent; `file` is the configuration's, None where there is none.
Context = namedtuple("Context", ("config", "file", "clock", "executor"))


def load_family(name, context):
    """The commands of the family called `name`."""
    return _LOADERS[name](context)


def _load_files(context):
    from agent.commands import fs
    from agent.files.tree import make_tree

    config = context.config
    mqtt = config["mqtt"]
    tls = mqtt["tls"] or {}
    # The configuration may hold a password, so that no command may read it.
    secrets = [context.file, tls.get("key"), tls.get("certificate")]
    tree = make_tree(config["files"], config["data"], secrets)
    return fs.commands(fs.Files(tree, mqtt["maximum_packet_bytes"], mqtt["maximum_reply_bytes"]))


def _load_shell(context):
    from agent import system_calls
    from agent.commands import shell

    system_calls.prepare()
    return shell.commands()


def _load_python(context):
    from agent.commands import python

    return python.commands(python.make_sessions("."))


def _load_system(context):
    from agent.commands import system_more

    return system_more.commands(context.clock, context.executor)


_LOADERS = {
    "fs": _load_files,
    "shell": _load_shell,
    "python": _load_python,
    "system": _load_system,
}
