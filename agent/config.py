"""The configuration file: one JSON object, declared here, checked whole before anything starts.

The one rule: an error names the path of the wrong member and what would be right; nothing is
guessed and no secret is repeated. Reading the file is all the I/O there is.
"""

import json

from agent import schema
from agent.errors import BadConfig, BadJson, LimpetError
from agent.store import Files, check_folder
from agent.strict_json import parse_object
from agent.twin import settings

MAX_FILE_BYTES = 16384  # it is held whole in memory, once as text and once as values

RESERVED_NAMES = ("all", "group", "release", "blob", "reply")
NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

_TLS = (
    schema.text("ca", None, low=1, high=255, about="file of the authorities trusted, PEM or DER"),
    schema.text("certificate", None, low=1, high=255, about="file of this device's certificate"),
    schema.text("key", None, low=1, high=255, about="its key's file; null: in the same file"),
    schema.text("name", None, low=1, high=255, about="in the broker's certificate; null: host"),
    schema.boolean("verify", True, about="false: whoever answers is taken for the broker"),
)

_FALLBACK = (
    schema.text("host", low=1, high=255),
    schema.integer("port", 1883, low=1, high=65535),
)

_MQTT = (
    schema.text("host", "127.0.0.1", low=1, high=255, about="name or address of the broker"),
    schema.integer("port", 1883, low=1, high=65535, about="with tls most brokers have 8883"),
    schema.sequence(
        "fallbacks",
        schema.structure("broker", _FALLBACK),
        [],
        high=8,
        about="brokers to try, in this order, while that one cannot be had",
    ),
    schema.structure("tls", _TLS, None, about="{} is TLS with the system's authorities"),
    schema.text(
        "websocket", None, low=1, high=255, about="the URL's path, /mqtt: over HTTP; null: plain"
    ),
    schema.text("username", None, high=256),
    schema.secret("password", None, high=256),
    schema.text("client_id", None, low=1, high=64, about="the device's id where it is not given"),
    schema.integer("keep_alive_s", 60, low=5, high=65535, unit="s"),
    schema.integer("connect_timeout_s", 10, low=1, high=300, unit="s"),
    schema.number(
        "backoff_first_s", 1, low=0.01, high=300, unit="s", about="after a first failure"
    ),
    schema.number("backoff_most_s", 300, low=0.01, high=3600, unit="s"),
    schema.integer(
        "maximum_packet_bytes",
        4096,
        low=256,
        high=262144,
        unit="B",
        about="largest packet taken; memory for it is set aside once",
    ),
    schema.integer(
        "maximum_reply_bytes",
        8192,
        low=512,
        high=262144,
        unit="B",
        about="largest response; what is larger is answered with an error",
    ),
    schema.integer(
        "session_expiry_s",
        3600,
        low=0,
        high=604800,
        unit="s",
        about="how long the broker keeps calls for a device that is away (MQTT 5)",
    ),
    schema.integer(
        "receive_maximum", 20, low=1, high=256, about="requests that the broker may have under way"
    ),
)

_CLOCK = (
    schema.text(
        "synced_file",
        "/run/systemd/timesync/synchronized",
        about="exists once the system vouches for its clock; null where nobody does",
    ),
    schema.sequence(
        "ntp",
        schema.structure(
            "server",
            (
                schema.text("host", low=1, high=255),
                schema.integer("port", 123, low=1, high=65535),
            ),
        ),
        [],
        high=8,
        about="time servers, asked in this order; with tls before the first connection",
    ),
    schema.boolean("ntp_sets", False, about="the system's clock too, which TLS goes by"),
)

_ROOT = (
    schema.text("name", low=1, high=32, about="what paths begin with: NAME/folder/file"),
    schema.text("path", low=1, high=255, about="the folder; links in this very path are followed"),
    schema.boolean("write", False, about="true: not only to be read"),
)

_JOURNAL = (
    schema.integer(
        "entries",
        200,
        low=16,
        high=1000000,
        about="commands remembered so that none takes effect twice; beyond it: busy",
    ),
    schema.integer("kib", 64, low=32, high=1048576, unit="KiB", about="its size on the medium"),
)

_JOBS = (
    schema.integer("kept", 16, low=1, high=64, about="under way or ended; each up to 1 KiB"),
    schema.integer(
        "retention_s", 86400, low=60, high=30 * 86400, unit="s", about="of those that ended"
    ),
)

_WATCHDOG = (
    schema.text("path", low=1, high=64, about="/dev/watchdog0; on a board wdt0"),
    schema.integer("timeout_s", 60, low=2, high=65535, unit="s"),
    schema.integer("pretimeout_s", 0, low=0, high=65534, unit="s", about="0: none"),
)

_SERVICE = (
    schema.text(
        "ready",
        "online",
        choices=("online", "start"),
        about="when a service manager is told READY: online, once the broker accepted; or at once",
    ),
)

_PUBLISH_LOG = (
    schema.text(
        "level",
        None,
        choices=("error", "warning", "info", "debug"),
        about="log lines up to it are published; null: none, unless somebody follows",
    ),
    schema.integer("rate", 5, low=1, high=100, unit="1/s", about="lines beyond it are counted"),
)

_OUTBOX = (
    schema.integer(
        "messages", 1000, low=30, high=16384, about="events and samples kept for the broker"
    ),
    schema.integer(
        "kib", 64, low=16, high=1048576, unit="KiB", about="their size; the log takes twice that"
    ),
)

_CHANNEL = (
    schema.text("name", low=1, high=32, about="samples leave on data/NAME"),
    schema.text("method", low=1, high=64, about="a command of rule repeat, read or act"),
    schema.anything("params", None, about="an object, as the method takes it"),
    schema.number("every_s", low=0.1, high=86400, unit="s"),
    schema.integer("batch", 30, low=1, high=500, about="samples in one message"),
    schema.integer(
        "within_s", 300, low=0, high=86400, unit="s", about="a power cut costs at most so much"
    ),
)

_WINDOW = (
    schema.integer("first", low=0, high=1439, unit="min", about="minute of the day, UTC"),
    schema.integer("last", low=0, high=1439, unit="min", about="the first minute after it"),
)

_DEPOT = (
    schema.structure("window", _WINDOW, None, about="when a restart into a release may be"),
    schema.text("url", None, low=1, high=255, about="http(s)://HOST[:PORT]/PATH; null: over MQTT"),
    schema.structure("tls", _TLS, None, about="of https; null: the system's authorities"),
    schema.integer("rate", 0, low=0, high=100000000, unit="B/s", about="of fetching; 0: no limit"),
)

_APPS = (
    schema.text("keyring", None, low=1, high=255, about="file of the first keyring for apps"),
    schema.integer("healthy_s", 20, low=0, high=86400, unit="s", about="then it is confirmed"),
    schema.integer("within_s", 300, low=5, high=86400, unit="s", about="or else it goes back"),
) + _DEPOT

_UPDATE = (
    schema.text("keyring", low=1, high=255, about="file of the first keyring that is trusted"),
    schema.text("product", "limpet-agent", low=1, high=32),
    schema.text("channel", "stable", low=1, high=32, about="which releases this device follows"),
    schema.text(
        "policy", "auto", choices=("auto", "ask"), about="ask: fetched, and tried by update.apply"
    ),
    schema.text(
        "beacon", None, low=1, high=32, about="key whose word for the time an update waits for"
    ),
    schema.integer("tries", 3, low=1, high=10, about="starts that a new release gets"),
    schema.integer("healthy_s", 60, low=0, high=86400, unit="s", about="then it is confirmed"),
    schema.integer("within_s", 600, low=5, high=86400, unit="s", about="or else it goes back"),
) + _DEPOT

_ADDRESS = (
    schema.text("ip", low=7, high=18, about="with the length of the mask: 10.0.0.5/24"),
    schema.text("gateway", low=7, high=15),
    schema.text("dns", low=7, high=15),
)

_WIFI = (
    schema.text("ssid", low=1, high=32),
    schema.secret("password", None, low=8, high=64, about="null: an open network"),
    schema.structure("address", _ADDRESS, None, about="null: DHCP"),
)

_ETHERNET = (
    schema.anything("options", None, about="an object: what the board's network.LAN takes"),
    schema.structure("address", _ADDRESS, None, about="null: DHCP"),
)

_NETWORK = (
    schema.sequence(
        "wifi", schema.structure("network", _WIFI), [], high=8, about="tried in this order"
    ),
    schema.structure("ethernet", _ETHERNET, None, about="taken where its cable is in"),
    schema.text("country", None, low=2, high=2, about="whose radio rules hold"),
    schema.text("hostname", None, low=1, high=32, about="null: the device's id"),
    schema.boolean("power_save", None, about="of the radio; null: as the board has it"),
    schema.integer("join_s", 20, low=5, high=120, unit="s", about="for one network to be joined"),
)

_SLEEP = (
    schema.integer(
        "period_s", low=10, high=604800, unit="s", about="wakes so far apart; schedules sooner"
    ),
    schema.number(
        "linger_s",
        3,
        low=0.5,
        high=3600,
        unit="s",
        about="awake so long after the last thing done",
    ),
    schema.integer(
        "patience_s", 120, low=10, high=86400, unit="s", about="sleeps again without a connection"
    ),
)

FIELDS = (
    schema.text("device", low=1, high=64, about="the device's id in every topic: A-Z a-z 0-9 _ -"),
    schema.text("root", "limpet", low=1, high=64, about="first level of every topic"),
    schema.structure("mqtt", _MQTT, {}),
    schema.integer(
        "workers",
        "auto",
        low=0,
        high=16,
        choices=("auto",),
        about="threads that run commands; auto: 1 where threads are safe, else 0",
    ),
    schema.text(
        "data",
        None,
        low=1,
        high=255,
        about="folder for what survives a restart; data/DEVICE where it is not given",
    ),
    schema.structure("journal", _JOURNAL, {}),
    schema.sequence(
        "files",
        schema.structure("root", _ROOT),
        None,
        high=16,
        about="folders that fs.* reaches; [] for none; not given: `files` in the data folder",
    ),
    schema.structure("jobs", _JOBS, {}),
    schema.structure("outbox", _OUTBOX, {}),
    schema.sequence(
        "channels",
        schema.structure("channel", _CHANNEL),
        [],
        high=16,
        about="what is read again and again, and sent in batches",
    ),
    schema.sequence("groups", schema.text("group", low=1, high=64), [], high=16),
    schema.structure("clock", _CLOCK, {}),
    schema.structure(
        "watchdog",
        _WATCHDOG,
        None,
        about="restarts the machine when the agent hangs, or is not started again in time",
    ),
    schema.structure("update", _UPDATE, None, about="updates, where limpet_start.py starts it"),
    schema.structure("sleep", _SLEEP, None, about="asleep but for what there is to do"),
    schema.structure("network", _NETWORK, None, about="a board's; null: the system's is used"),
    schema.structure("apps", _APPS, {}, about="of apps that come by releases of their own"),
    schema.text("log", "info", choices=("error", "warning", "info", "debug")),
    schema.structure("publish_log", _PUBLISH_LOG, {}),
    schema.structure("service", _SERVICE, {}),
)


def load(path):
    """Read and check the file at `path`; returns a dict with every member of FIELDS.

    Raises BadConfig, its message beginning with the path.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadConfig("%s: cannot be read: %s" % (path, error))
    if len(data) > MAX_FILE_BYTES:
        raise BadConfig("%s: more than %d bytes" % (path, MAX_FILE_BYTES))
    try:
        return parse(data)
    except BadConfig as error:
        raise BadConfig("%s: %s" % (path, error.message))


def parse(data):
    """Check the bytes of a configuration; returns a dict. Raises BadConfig."""
    try:
        return check(parse_object(data))
    except BadJson as error:
        raise BadConfig(_with_line(error.message, data))


def _with_line(message, data):
    """The message with line and column, as editors count them, in place of `at byte N`."""
    head, mark, rest = message.partition("at byte ")
    digits, colon, tail = rest.partition(":")
    if not mark or not colon:
        return message
    before = data[: int(digits)]
    line = before.count(b"\n") + 1
    column = len(before) - (before.rfind(b"\n") + 1) + 1
    return "%sline %d, column %d:%s" % (head, line, column, tail)


def check(document):
    """Check a configuration, a dict; returns one with every member. Raises BadConfig."""
    values = schema.check(FIELDS, document, BadConfig)
    if values["data"] is None:
        # With the name in it: two devices started in one folder must not share a journal.
        values["data"] = "data/" + values["device"]
    for path, name in _names(values):
        check_name(path, name)
    for path, text, is_fit, wanted in _texts(values["mqtt"]):
        if text is not None and not all([is_fit(character) for character in text]):
            raise BadConfig("%s: expected %s" % (path, wanted))
    if values["network"] is not None:
        _check_network(values["network"])
    if values["sleep"] is not None:
        from agent import duty

        duty.check(values, BadConfig)
    roots = [root["name"] for root in values["files"] or ()]
    if len(set(roots)) < len(roots):
        raise BadConfig("files: two roots have one name")
    channels = [one["name"] for one in values["channels"]]
    if len(set(channels)) < len(channels):
        raise BadConfig("channels: two have one name")
    if values["device"] in RESERVED_NAMES:
        raise BadConfig("device: %s is reserved" % values["device"])
    return values


def _check_network(values):
    try:
        from agent import network
    except ImportError:
        raise BadConfig("network: left out of this firmware, which uses the system's")
    network.check(values, BadConfig)


def probe(values):
    """Raise BadConfig where a file that `values` name cannot be read, or the folder be made."""
    for name in ("ca", "certificate", "key"):
        path = (values["mqtt"]["tls"] or {}).get(name)
        if path is not None:
            try:
                if Files().read(path, 1) is None:
                    raise OSError("it is not there")
            except OSError as error:
                raise BadConfig("mqtt.tls.%s: %s: cannot be read: %s" % (name, path, error))
    try:
        check_folder(values["data"])
    except LimpetError as error:
        raise BadConfig("data: %s" % error.message)


def _is_host_character(character):
    return "!" <= character <= "~"


def _is_character(character):
    """Whether MQTT may carry it (section 1.5.4): brokers close on control characters."""
    return character >= " " and not "\x7f" <= character <= "\x9f"


def _texts(mqtt):
    """(path, value, what each character must be, the same in words), of values for a broker."""
    hosts = [("mqtt.host", mqtt["host"])]
    for index, one in enumerate(mqtt["fallbacks"]):
        hosts.append(("mqtt.fallbacks[%d].host" % index, one["host"]))
    if mqtt["tls"]:
        hosts.append(("mqtt.tls.name", mqtt["tls"]["name"]))
    for path, host in hosts:
        yield path, host, _is_host_character, "ASCII characters without a space"
    for name in ("username", "client_id"):
        yield "mqtt." + name, mqtt[name], _is_character, "no control character"


def _names(values):
    yield "device", values["device"]
    for level in values["root"].split("/"):
        yield "root", level
    for index, group in enumerate(values["groups"]):
        yield "groups[%d]" % index, group
    for index, one in enumerate(values["channels"]):
        yield "channels[%d].name" % index, one["name"]
    for index, root in enumerate(values["files"] or ()):
        yield "files[%d].name" % index, root["name"]


def check_name(path, name):
    """Raise BadConfig unless `name` may stand as a level of a topic."""
    if not name or any([character not in NAME_CHARACTERS for character in name]):
        raise BadConfig('%s: "%s": made of A-Z a-z 0-9 _ - only' % (path, name))


def describe():
    """Every member with its kind, default and meaning, a line or two each, for a person."""
    lines = []
    for path, field in settings.walk(FIELDS):
        default = "required" if field.required else "default %s" % json.dumps(field.default)
        lines.append("%s: %s; %s" % (path, schema.expectation(field), default))
        if field.about:
            lines.append("    " + field.about)
        lines += _inner_lines(field, path)
    return "\n".join(lines)


def _inner_lines(field, path):
    """Lines for the members of an object that may be null, or of a list's items."""
    inner = field.fields or ()
    if field.kind == "list":
        inner, path = inner[0].fields or (), path + "[]"
    for one in inner:
        default = "required" if one.required else "default %s" % json.dumps(one.default)
        about = "; " + one.about if one.about else ""
        yield "    %s.%s: %s; %s%s" % (path, one.name, schema.expectation(one), default, about)
