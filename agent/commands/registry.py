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
# mode        how it runs: INLINE, PLAIN or a Task
# about       a sentence for a person, ending in what the result holds
Command = namedtuple(
    "Command", ("name", "call", "params", "permission", "repeat", "mode", "about")
)

# INLINE: it takes microseconds and waits for nothing, so that it runs at once on the main thread,
# and answers even when every worker is stuck. PLAIN: on a worker, or in turn where there are none.
PLAIN, INLINE = 0, 1

# Long work: `call(params, job)`, a function or a generator; job.py says what it may do.
# timeout_s  how long it may run, None for ever; a request may say less
# most       how many of it may run at once, None: as many as the executor has room for
# on_main    True: a generator whose every step takes microseconds; it runs on the main thread
Task = namedtuple("Task", ("timeout_s", "most", "on_main"))


def task(timeout_s=None, most=None, on_main=False):
    """The mode of long work."""
    return Task(timeout_s, most, on_main)


TASK = task()

PERMISSIONS = ("read", "act", "files", "code", "update", "admin")
# What a `once` command returns to have the agent restarted: the journal ends it after the restart.
RESTART = object()
REPEAT_RULES = ("once", "repeat", "resume")


class Registry:
    """Commands by name."""

    def __init__(self):
        self._commands = {}
        self._families = {}  # name of a family that is not loaded yet: what loads it
        self._late = {}  # commands of families that were loaded since
        self._family_names = []

    def add_families(self, names, load):
        """Make families known whose commands `load(name)` gives when the first is asked for.

        The main thread's to call, as `find` and `names` are, since loading imports.
        """
        for name in names:
            self._families[name] = load
            self._family_names.append(name)

    def add(self, commands):
        """Make `commands` known. A wrong declaration raises ValueError: it is ours to mend."""
        self._add_to(self._commands, commands)

    def _add_to(self, place, commands):
        for command in commands:
            if command.name in self._commands or command.name in self._late:
                raise ValueError("%s is declared twice" % command.name)
            if command.permission not in PERMISSIONS or command.repeat not in REPEAT_RULES:
                raise ValueError("%s: a wrong permission or repeat rule" % command.name)
            if command.mode not in (PLAIN, INLINE) and not isinstance(command.mode, Task):
                raise ValueError("%s: the mode is PLAIN, INLINE or a Task" % command.name)
            place[command.name] = command

    def has_family(self, name):
        """Whether commands of that family are known, loaded or not."""
        return name in self._all_families()

    def remove(self, family):
        """Make the commands of a family unknown."""
        for name in [each for each in self._commands if _family(each) == family]:
            del self._commands[name]

    def find(self, name):
        """The command called `name`. Raises UnknownMethod."""
        command = self._commands.get(name)
        if command is None and self._family_names:
            self._load_family(_family(name))
            command = self._late.get(name)
        if command is None:
            raise UnknownMethod("%s: this device has no such command; rpc.list names all" % name)
        return command

    def _load_family(self, name):
        load = self._families.get(name)
        if load is not None:
            self._add_to(self._late, load(name))
            del self._families[name]

    def page(self, after, most, family=None):
        """Up to `most` names above `after`, of one family or of all, in order; whether there are
        more. Only families of which a name may be among them are loaded."""
        found = []
        for name in sorted(self._all_families()):
            if family not in (None, name) or name < after.split(".")[0]:
                continue
            if len(found) > most:
                break
            self._load_family(name)
            known = [n for n in list(self._commands) + list(self._late) if _family(n) == name]
            found += sorted([each for each in known if each > after])
        return found[:most], len(found) > most

    def _all_families(self):
        names = list(self._commands) + list(self._late)
        return set([_family(name) for name in names] + list(self._families))

    def checked_params(self, command, params):
        """`params` with defaults filled in. Raises BadParams with the path of the wrong one."""
        if not params and not command.params:
            return params
        return schema.check(command.params, params, BadParams)

    def digest(self):
        """A short hash of all declarations: it changes when a command does.

        A family that loads late counts by its name: it changes with the agent's version only,
        which `about` tells beside this.
        """
        total = hashlib.sha256()
        total.update(" ".join(sorted(self._family_names)).encode())
        for name in sorted(self._commands):
            words = describe(self._commands[name])
            total.update(canonical(words).encode())
        return hexlify(total.digest()[:8]).decode()


def _family(name):
    return name.split(".")[0]


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
    if isinstance(command.mode, Task):
        words["task"] = {"timeout_s": command.mode.timeout_s, "most": command.mode.most}
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
