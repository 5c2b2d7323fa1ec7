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
from ..many import is_target
from ..topics import check_device_name
from . import data, long_work, places, release_words, run, shell_words, waves

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
  limpet jobs pump-7                       what runs there, and how far it is
  limpet schedule pump-7                   what runs there by itself, and when
  limpet watch                             see devices come and go
  limpet logs -f pump-7                    its log, as it comes
  limpet data pump-7 level -f              samples of a channel, as they come
  limpet config pump-7                     its settings, and how to change them
  limpet app install pump-7 greenhouse/    bring an app of yours to it
  limpet update pump-7 0.2.0.release       bring a release of the agent to it
  limpet rollout 0.2.0.release all         bring a release to them, in waves
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

What takes long becomes a job: a bar shows how far it is, its log lines come
aside, and the result is printed at its end. Ctrl-C cancels it.
  limpet call pump-7 flash.test --no-wait       only start it: {"job": "..."}
  limpet jobs pump-7                            what is under way there
  limpet call pump-7 flash.test --run-for 60    ended by the device after 60 s

Many at once, one line for each that answers:
  limpet call all system.ping
  limpet call group/north valve.open degrees=45 --spread 10

What a device is offline for is not sent, but with --wait: it may come back.
  limpet call pump-7 system.ping --wait --timeout 3600

When no answer came, the command may have run all the same. Each request has
an id, and a device runs an id once: repeating the call with --id brings the
stored answer, or runs it if it has not run.
"""
DESCRIBE_EXAMPLES = """\
examples:
  limpet describe pump-7                   the families of its commands
  limpet describe pump-7 system            what each command of a family does
  limpet describe pump-7 system.echo       one command: types, units, ranges
  limpet describe pump-7 --all             what each command does
"""
WATCH_EXAMPLES = """\
One line for each device as it is now, then one for each change, until Ctrl-C:
  limpet watch
  limpet watch pump-7 pump-8
  limpet watch --json | jq -r 'select(.status.state=="offline").device'
"""
LOGS_EXAMPLES = """\
The device's last log lines, with its uptime in seconds; with -f those that come,
until Ctrl-C, and over its restarts. It publishes them only while somebody
follows. What it leaves out, above the rate, is told.
  limpet logs pump-7
  limpet logs -f pump-7
  limpet logs -f pump-7 --level debug --rate 100
  limpet logs -f pump-7 --json | jq -r 'select(.level=="error").text'
"""
CONFIG_EXAMPLES = """\
  limpet config pump-7                        settings in force, and what waits
  limpet config pump-7 describe               every setting, and when it applies
  limpet config pump-7 describe mqtt          these: range, default, meaning
  limpet config pump-7 set log=debug mqtt.keep_alive_s=30
  limpet config pump-7 set --unset log        as in its configuration file again

What could cut the link (broker, password, TLS...) is on trial: it goes back by
itself unless it is confirmed, over the broker that the device is at then:
  limpet config pump-7 set mqtt.host=new.example --within 300
  LIMPET_BROKER=mqtt://new.example limpet config pump-7 confirm
  limpet config pump-7 revert                 or go back at once

For a device that is away, leave all that is to differ from its file:
  limpet config pump-7 want log=debug --confirm online

A secret stays off the command line, which others on this machine may see:
  limpet call pump-7 config.set --json - < change.json
"""
LS_EXAMPLES = f"""\
examples:
  limpet ls
  limpet ls --json | jq -r '.[] | select(.status.state=="online").device'
{places.LS_PLACES}
online: it is connected. offline: it went, or its link was cut. sleeping: it
comes back by itself. BOOT counts its starts. CLOCK says how far its wall clock
can be believed: synced, somebody vouches for it; restored, it is no earlier
than the last time the device stored; unset, nobody knows.
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
    if (
        rest
        and names.command in ("call", "config", "schedule")
        and not any(word.startswith("-") for word in rest)
    ):
        # argparse gives up collecting name=value at the first option between them.
        words = "params" if names.command == "call" else "words"
        setattr(names, words, [*getattr(names, words), *rest])
    elif rest:
        parser.error(f"{rest[0]} is not understood here")
    if names.command is None and not names.version:
        parser.error(f"which command? {', '.join(parser.commands)}")
    if names.command == "config":
        _check_config(names, parser.commands["config"])
    if names.command == "schedule":
        long_work.check_schedule(names, parser.commands["schedule"], _pairs)
    if names.command == "data":
        data.check(names, parser.commands["data"])
    if names.command == "app":
        release_words.check(names, parser.commands["app"])
    if names.command == "rollout":
        waves.check(names, parser.commands["rollout"])
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
    shell = add("shell", "a prompt on a device", shell_words.EXAMPLES)
    shell_words.add(shell, _device, _seconds)
    run.add(add("run", "run a program on a device", run.EXAMPLES), _device, _seconds)
    _add_call(add("call", "run a command on a device", CALL_EXAMPLES))
    long_work.add(add, _device)
    release_words.add(add, _device, _seconds)
    waves.add(add, _device_or_many)
    _add_describe(add("describe", "say what a device can do", DESCRIBE_EXAMPLES))
    _add_watch(add("watch", "print each change of state as it comes", WATCH_EXAMPLES))
    _add_logs(add("logs", "show a device's log, and follow it", LOGS_EXAMPLES))
    data.add(add("data", "show a device's samples, and follow them", data.EXAMPLES), _device)
    _add_config(add("config", "show and change a device's settings", CONFIG_EXAMPLES))
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
    parser.add_argument("device", type=_device_or_many,
                        help="its name; all, or group/NAME, for many")  # fmt: skip
    parser.add_argument("method", help="as limpet describe DEVICE lists them")
    parser.add_argument("params", nargs="*", metavar="name=value", default=[],
                        help="its parameters, as the examples below show")  # fmt: skip
    parser.add_argument("--json", metavar="OBJECT",
                        help="the parameters as one JSON object; - reads stdin")  # fmt: skip
    parser.add_argument("--raw", action="store_true", help="print the result on one line")
    parser.add_argument("--ttl", type=_seconds, metavar="SECONDS",
                        help="the device must not start it later (as --timeout)")  # fmt: skip
    parser.add_argument("--id", help="repeat the request with this id instead of a new one")
    parser.add_argument("--wait", action="store_true",
                        help="send it though the device is offline, and wait")  # fmt: skip
    parser.add_argument("--no-wait", action="store_true",
                        help="print the name of the job that it becomes, and end")  # fmt: skip
    parser.add_argument("--run-for", type=_seconds, metavar="SECONDS",
                        help="have it ended if it runs longer")  # fmt: skip
    parser.add_argument("--spread", type=_seconds, metavar="SECONDS", default=1.0,
                        help="with many: each answers within this, by chance (1)")  # fmt: skip


def _device_or_many(text):
    return text if is_target(text) else _device(text)


def _add_describe(parser):
    parser.add_argument("device", type=_device)
    parser.add_argument("method", nargs="?", metavar="FAMILY or COMMAND")
    parser.add_argument("--all", action="store_true", help="every command with what it does")
    parser.add_argument("--json", action="store_true", help="the device's own words, as JSON")


def _add_watch(parser):
    parser.add_argument("devices", nargs="*", type=_device, metavar="DEVICE",
                        help="only these (all)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_logs(parser):
    parser.add_argument("device", type=_device)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--level", choices=("error", "warning", "info", "debug"), default="info",
                        help="and above (info)")  # fmt: skip
    parser.add_argument("--rate", type=int, default=20, metavar="LINES",
                        help="at most so many a second (20)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_config(parser):
    parser.add_argument("device", type=_device)
    parser.add_argument("action", nargs="?", default="get", choices=CONFIG_ACTIONS,
                        metavar="ACTION", help=", ".join(CONFIG_ACTIONS) + " (get)")  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="name=value", default=[],
                        help="for get and describe: a setting or a group of them")  # fmt: skip
    parser.add_argument("--unset", action="append", default=[], metavar="NAME",
                        help="with set: as the configuration file has it")  # fmt: skip
    parser.add_argument("--within", type=_whole_seconds, metavar="SECONDS",
                        help="a trial ends then (120)")  # fmt: skip
    parser.add_argument("--confirm", choices=("caller", "online"),
                        help="online: by itself, once it can be called (caller)")  # fmt: skip
    parser.add_argument("--if-revision", type=int, metavar="N",
                        help="only if nobody has changed anything since revision N")  # fmt: skip
    parser.add_argument("--id", help="with want: what the answer names (the time)")
    parser.add_argument("--json", action="store_true", help="the device's own words, as JSON")


CONFIG_ACTIONS = ("get", "describe", "set", "want", "confirm", "revert")


def _check_config(names, parser):
    """What the words after the action are: `settings` by path, or `path`."""
    names.settings, names.path = {}, None
    if names.action in ("set", "want"):
        names.settings = _pairs(names.words, parser)
        if names.action == "set" and not names.settings and not names.unset:
            parser.error("set what? name=value, or --unset NAME")
    elif names.action in ("get", "describe") and len(names.words) == 1:
        names.path = names.words[0]
    elif names.words:
        parser.error(f"{names.words[0]} is not understood after {names.action}")


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


def _whole_seconds(text):
    try:
        seconds = int(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 86400 seconds")
    return seconds


def _params(names, parser):
    """The parameters of a call: a dict, or what stands after --json (None: read stdin)."""
    if names.json is not None and names.params:
        parser.error("give the parameters as name=value or with --json, not both")
    if names.json is not None:
        return None if names.json == "-" else read_object(names.json, parser)
    return _pairs(names.params, parser)


def _pairs(words, parser):
    """`name=value` words as a dict."""
    params = {}
    for word in words:
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
