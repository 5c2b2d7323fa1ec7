"""The commands that this device knows, each declared once.

The one rule: what a command declares is all that a caller, the executor and `rpc.describe` go by;
there is no second list. Owner: the main thread, which adds all of them before the first request.
"""

import hashlib
import json
from binascii import hexlify
from collections import namedtuple

from agent import schema
from agent.errors import BadParams, UnknownMethod

# name        family.verb
# call        call(params) -> a JSON-able result; params is a dict of the declared members
# params      a tuple of schema fields
# permission  what a caller must hold: read, act, files, code, update, admin
# repeat      'once': takes effect once; 'repeat': harmless to run again; 'resume': continues
# inline      True: it takes microseconds and waits for nothing, so that it runs at once on the
# main             thread, and answers even when every worker is stuck
# about       a sentence for a person, ending in what the result holds
Command = namedtuple(
    "Command", ("name", "call", "params", "permission", "repeat", "inline", "about")
)

PERMISSIONS = ("read", "act", "files", "code", "update", "admin")
REPEAT_RULES = ("once", "repeat", "resume")


class Registry:
    """Commands by name."""

    def __init__(self):
        self._commands = {}

    def add(self, commands):
        """Make `commands` known. A wrong declaration raises ValueError: it is ours to mend."""
        for command in commands:
            if command.name in self._commands:
                raise ValueError("%s is declared twice" % command.name)
            if command.permission not in PERMISSIONS or command.repeat not in REPEAT_RULES:
                raise ValueError("%s: a wrong permission or repeat rule" % command.name)
            self._commands[command.name] = command

    def find(self, name):
        """The command called `name`. Raises UnknownMethod."""
        command = self._commands.get(name)
        if command is None:
            raise UnknownMethod("%s: this device has no such command; rpc.list names all" % name)
        return command

    def names(self):
        """Every name, sorted."""
        return sorted(self._commands)

    def checked_params(self, command, params):
        """`params` with defaults filled in. Raises BadParams with the path of the wrong one."""
        if not params and not command.params:
            return params
        return schema.check(command.params, params, BadParams)

    def digest(self):
        """A short hash of all declarations: it changes when a command does."""
        total = hashlib.sha256()
        for name in self.names():
            words = describe(self._commands[name])
            total.update(canonical(words).encode())
        return hexlify(total.digest()[:8]).decode()


def summarise(command):
    """What `rpc.list` tells of a command."""
    return {
        "name": command.name,
        "permission": command.permission,
        "repeat": command.repeat,
        "about": command.about,
    }


def describe(command):
    """What `rpc.describe` tells of a command."""
    words = summarise(command)
    words["params"] = [schema.describe(field) for field in command.params]
    return words


def canonical(value):
    """JSON text that is the same for the same value, whatever order its members came in.

    A dict has no order on MicroPython, so that json.dumps alone would give another text each run.
    """
    if isinstance(value, dict):
        pairs = ["%s:%s" % (json.dumps(name), canonical(value[name])) for name in sorted(value)]
        return "{%s}" % ",".join(pairs)
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join([canonical(item) for item in value])
    return json.dumps(value)
