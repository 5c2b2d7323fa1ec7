"""From a command line to an exit status.

Rule: nothing leaves here as a traceback that a user could have caused; Ctrl-C and a reader that
went away (`limpet watch | head`) end it without a word.
"""

import importlib
import os
import sys

from ..client import TIMEOUT_S, Fleet
from ..errors import FleetError
from . import commands, config, key
from .arguments import parse, read_object
from .explain import BROKEN_PIPE, DONE, INTERRUPTED, explain, status_of
from .present import paint, wrapped

COMMANDS = {
    "ls": commands.ls,
    "call": commands.call,
    "describe": commands.describe,
    "watch": commands.watch,
    "logs": config.logs,
    "config": config.config,
    "key": key.give,
}
# Those that need more libraries: the module, whose function is called like the command.
LATE = {name: "files" for name in ("cp", "cat", "rm", "mv", "mkdir")}
LATE.update(run="run", shell="shell", rollout="rollout", data="data")
LATE.update({name: "releases" for name in ("app", "update", "beacon")})
LATE.update({"jobs": "jobs", "cancel": "jobs", "schedule": "schedule"})


def main(argv=None) -> int:
    """Run `limpet` with these arguments (else the process's); returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at its end; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _run(argv):
    names = parse(argv)
    if names.version:
        print(_version())
        return DONE
    if names.command == "call" and names.params is None:
        names.params = read_object(sys.stdin.read(), names.parser)
    try:
        if names.command == "key" and names.action in key.ALONE:
            key.ALONE[names.action](names)
            return DONE
        with _fleet(names) as fleet:
            return _guarded(fleet, names)
    except FleetError as error:
        return _fail(error, None)


def _guarded(fleet, names):
    """Run the command while the connection is there to explain its failure."""
    try:
        return _command(names.command)(fleet, names) or DONE
    except FleetError as error:
        return _fail(error, fleet)


def _command(name):
    if name in COMMANDS:
        return COMMANDS[name]
    return getattr(importlib.import_module("." + LATE[name], __package__), name)


def _fleet(names):
    return Fleet(
        getattr(names, "broker", None),
        getattr(names, "root", "limpet"),
        ca=getattr(names, "ca", None),
        timeout=getattr(names, "timeout", TIMEOUT_S),
        key=getattr(names, "key", None),
        notice=commands.note,
    )


def _fail(error, fleet):
    first, *others = explain(error, fleet)
    text = "\n".join([*wrapped(f"limpet: {first}", sys.stderr), *_remedies(others)])
    head, rest = text[:7], text[7:]
    print(paint(head, "red", sys.stderr) + rest, file=sys.stderr)
    return status_of(error)


def _remedies(lines):
    for line in lines:
        yield from wrapped("  " + line, sys.stderr)


def _version():
    from importlib import metadata  # slow to import, and seldom asked for

    try:
        return "limpet " + metadata.version("limpet")
    except metadata.PackageNotFoundError:
        return "limpet, from a checkout"
