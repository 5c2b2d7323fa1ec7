"""Families that are loaded when the first of their commands is asked for: files, code.

The one rule: the main thread loads, and an agent that is asked for none of it holds none of it.
"""

FAMILIES = ("fs", "shell", "python")


def load_family(name, config, file):
    """The commands of the family called `name`; `file` is the configuration's, or None."""
    return _LOADERS[name](config, file)


def _load_files(config, file):
    from agent.commands import fs
    from agent.files.tree import make_tree

    mqtt = config["mqtt"]
    tls = mqtt["tls"] or {}
    # The configuration may hold a password, so that no command may read it.
    secrets = [file, tls.get("key"), tls.get("certificate")]
    tree = make_tree(config["files"], config["data"], secrets)
    return fs.commands(fs.Files(tree, mqtt["maximum_packet_bytes"], mqtt["maximum_reply_bytes"]))


def _load_shell(config, file):
    from agent import system_calls
    from agent.commands import shell

    system_calls.prepare()
    return shell.commands()


def _load_python(config, file):
    from agent.commands import python

    return python.commands(python.make_sessions("."))


_LOADERS = {"fs": _load_files, "shell": _load_shell, "python": _load_python}
