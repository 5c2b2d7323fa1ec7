"""What may stand on the command line, and the help that teaches it.

Rule: nothing is done here; what comes out is checked as far as it can be without a broker. A wrong
command line gets one line that says what is wrong and where to read on, and status 2.
"""

import argparse
import json

from ..address import DEFAULT, VARIABLE
from ..client import TIMEOUT_S
from ..errors import AddressError
from ..keys import VARIABLE as KEY_VARIABLE
from ..topics import check_device_name
from . import places

DESCRIPTION = "Reach Limpet devices through an MQTT broker."
EXAMPLES = f"""\
examples:
  export {VARIABLE}=mqtt://ann:secret@broker.example
  limpet ls                                which devices there are
  limpet describe pump-7                   what pump-7 can do
  limpet describe pump-7 system.echo       what one command takes
  limpet call pump-7 system.info           run a command, print its result
  limpet call pump-7 system.echo text=hi   the same with a parameter
  limpet cp pump.conf pump-7:files/        copy files to it, and back
  limpet watch                             see devices come and go
  limpet key --help                        seal what you ask, and let few ask

exit status:
  0  done
  1  the device answered with an error
  2  the command line is wrong
  3  no answer in time, or no such device
  4  the broker cannot be reached, or refuses
"""
CALL_EXAMPLES = """\
A value is read as JSON where it is JSON, else as a string:
  limpet call pump-7 valve.open degrees=45 mode=fast slowly=true
  limpet call pump-7 label.set text='"45"'      the string 45, not the number
  limpet call pump-7 plan.set --json '{"steps": [1, 2]}'
  limpet call pump-7 plan.set --json - < plan.json

When no answer came, the command may have run all the same. Each request has
an id, and a device runs an id once: repeating the call with --id brings the
stored answer, or runs it if it has not run.
"""
DESCRIBE_EXAMPLES = """\
examples:
  limpet describe pump-7                   every command, by name
  limpet describe pump-7 system.echo       one command: types, units, ranges
"""
WATCH_EXAMPLES = """\
One line for each device as it is now, then one for each change, until Ctrl-C:
  limpet watch
  limpet watch pump-7 pump-8
  limpet watch --json | jq -r 'select(.status.state=="offline").device'
"""
LS_EXAMPLES = f"""\
examples:
  limpet ls
  limpet ls --json | jq -r '.[] | select(.status.state=="online").device'
{places.LS_PLACES}
online: it is connected. offline: it went, or its link was cut. sleeping: it
comes back by itself. BOOT counts its starts; CLOCK says whether its wall clock
can be believed.
"""
KEY_EXAMPLES = f"""\
A key is one secret file. A device knows it by its name and holds a secret made
of it for that device alone; what it may do is the device's to say. With a key
on, requests are sealed, and only sealed answers are taken.

A first key gets to a device by hand, into keys.json in its data directory:
  limpet key new ann.key
  limpet key show ann.key pump-7 --permissions all > keys.json
A restart takes it; remove the file then, it holds a secret. Every other key
goes over the wire, wrapped under that one:
  export {KEY_VARIABLE}=ann.key
  limpet key new bob.key
  limpet key give bob.key pump-7 --permissions read,act
  limpet call pump-7 key.list
  limpet call pump-7 key.withdraw name=bob

permissions: read act files code update admin, or all of them: all
"""
PERMISSIONS = ("read", "act", "files", "code", "update", "admin")


class _Parser(argparse.ArgumentParser):
    """argparse, with errors on one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=26)


def parse(argv):
    """The command line as a namespace: `command`, and what belongs to it. Exits when wrong."""
    parser = _build()
    names, rest = parser.parse_known_args(argv)
    if rest and names.command == "call" and not any(word.startswith("-") for word in rest):
        # argparse gives up collecting name=value at the first option between them.
        names.params = [*names.params, *rest]
    elif rest:
        parser.error(f"{rest[0]} is not understood here")
    if names.command is None and not names.version:
        parser.error(f"which command? {', '.join(parser.commands)}")
    if names.command == "call":
        names.parser = parser.commands["call"]
        names.params = _params(names, names.parser)
    return names


def _build():
    common = _common()
    parser = _Parser("limpet", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=_Help,
                     parents=[common])  # fmt: skip
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands",
                                     parser_class=_Parser)  # fmt: skip
    parser.commands = commands.choices

    def add(name, help, epilog):
        return commands.add_parser(
            name, help=help, description=help[0].upper() + help[1:] + ".", epilog=epilog,
            formatter_class=_Help, parents=[common],
        )  # fmt: skip

    _add_ls(add("ls", "list the devices and their state, or a device's files", LS_EXAMPLES))
    places.add(add)
    _add_call(add("call", "run a command on a device", CALL_EXAMPLES))
    _add_describe(add("describe", "say what a device can do", DESCRIBE_EXAMPLES))
    _add_watch(add("watch", "print each change of state as it comes", WATCH_EXAMPLES))
    _add_key(add("key", "make keys, and let devices know them", KEY_EXAMPLES), common)
    return parser


def _common():
    """The options that may stand before a command and after it."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("connection")
    group.add_argument(
        "--broker", metavar="URL",
        help=f"mqtt://user:password@host:port, or mqtts:// for TLS; else ${VARIABLE}, "
             f"else {DEFAULT}. Others on this machine may see a command line: keep a password "
             "in the variable",
    )  # fmt: skip
    group.add_argument(
        "--ca", metavar="FILE", help="with mqtts://, trust these certificates (PEM)"
    )
    group.add_argument("--root", help="topic above all devices (limpet)")
    group.add_argument("--key", metavar="FILE",
                       help=f"seal requests with this key; else with ${KEY_VARIABLE}")  # fmt: skip
    group.add_argument("--timeout", type=_seconds, metavar="SECONDS",
                       help=f"how long to wait for an answer ({TIMEOUT_S:g})")  # fmt: skip
    return common


def _add_ls(parser):
    places.add_ls(parser)
    parser.add_argument("--json", action="store_true",
                        help="all that each device says of itself, as JSON")  # fmt: skip


def _add_call(parser):
    parser.add_argument("device", type=_device)
    parser.add_argument("method", help="as limpet describe DEVICE lists them")
    parser.add_argument("params", nargs="*", metavar="name=value", default=[],
                        help="its parameters, as the examples below show")  # fmt: skip
    parser.add_argument("--json", metavar="OBJECT",
                        help="the parameters as one JSON object; - reads stdin")  # fmt: skip
    parser.add_argument("--raw", action="store_true", help="print the result on one line")
    parser.add_argument("--ttl", type=_seconds, metavar="SECONDS",
                        help="the device must not start it later (as --timeout)")  # fmt: skip
    parser.add_argument("--id", help="repeat the request with this id instead of a new one")


def _add_describe(parser):
    parser.add_argument("device", type=_device)
    parser.add_argument("method", nargs="?")
    parser.add_argument("--json", action="store_true", help="the device's own words, as JSON")


def _add_watch(parser):
    parser.add_argument("devices", nargs="*", type=_device, metavar="DEVICE",
                        help="only these (all)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_key(parser, common):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions",
                                    required=True, parser_class=_Parser)  # fmt: skip

    def add(name, help):
        return actions.add_parser(name, help=help, description=help + ".", formatter_class=_Help,
                                  parents=[common])  # fmt: skip

    def file(action):
        action.add_argument("file", metavar="FILE")

    def rights(action, default):
        action.add_argument("--permissions", type=_permissions, default=default, metavar="LIST",
                            help="as read,act, or all" + ("" if default is None else " (read)"),
                            required=default is None)  # fmt: skip

    new = add("new", "make a key and keep it in FILE")
    file(new)
    new.add_argument("--name", help="what devices call it (the file's name without its ending)")
    show = add("show", "print the name in FILE; with DEVICE, keys.json for that device: a secret")
    file(show)
    show.add_argument("device", metavar="DEVICE", nargs="?", type=_device)
    rights(show, ("read",))
    give = add("give", "let DEVICE know the key in FILE; --key has to be an admin there")
    file(give)
    give.add_argument("device", metavar="DEVICE", type=_device)
    rights(give, None)
    give.add_argument("--replace", action="store_true",
                      help="the device knows a key of that name: this one takes its place when "
                           "it is first used")  # fmt: skip


def _permissions(text):
    words = PERMISSIONS if text == "all" else tuple(text.split(","))
    for word in words:
        if word not in PERMISSIONS:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(PERMISSIONS)}, all")
    return words


def _device(text):
    try:
        return check_device_name(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _params(names, parser):
    """The parameters of a call: a dict, or what stands after --json (None: read stdin)."""
    if names.json is not None and names.params:
        parser.error("give the parameters as name=value or with --json, not both")
    if names.json is not None:
        return None if names.json == "-" else read_object(names.json, parser)
    params = {}
    for word in names.params:
        name, equals, value = word.partition("=")
        if not equals or not name:
            parser.error(f"{word!r} is not name=value")
        if name in params:
            parser.error(f"{name} is given twice")
        params[name] = _value(value)
    return params


def read_object(text, parser):
    """The JSON object that `--json` was given. Ends with a usage error for anything else."""
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        parser.error(f"--json: not JSON: {error}")
    if not isinstance(value, dict):
        parser.error("--json: parameters go by name, in an object: {...}")
    return value


def _value(text):
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text


def _not_json(name):
    raise ValueError(f"{name} is not JSON")
