"""What a board is to hold: the agent compiled, what starts it, its configuration and keys.

The one rule: the same files and options give the same bytes, and what cannot work is refused here,
before a board is touched.
"""

import json
import os
import tempfile

from releases import building, installing
from releases.depot import Depot

import agent
from agent import config, keys, schema
from agent.errors import BadConfig, BadJson
from agent.strict_json import parse_object
from agent.update import release

from .plan import ROOT, Wanted

FAR = 2**31 - 1  # what is put on a board by hand does not expire
CONFIG = "/agent.json"
SHARED = ("limpet_start.py", "boot.py")
LAST = "main.py"  # once it is there the board starts the agent

# What else may be left out, by the names that `tools/firmware --without` has for it.
PARTS = {
    "devices": ("agent/devices/[a-z]*", "agent/commands/device_*"),
    "apps": ("agent/apps/*", "agent/commands/app.*"),
    "update": ("agent/update/*", "agent/commands/update.*"),
}


class ContentProblem(Exception):
    """What was given cannot go onto a board; the message says why."""


def from_tree(root, sequence, parts=()):
    """{path in a slot: bytes} of the agent in a folder, as a release `sequence` of its own.

    What no board can run is left out, and the `parts` named.
    """
    with open(os.path.join(root, "firmware/boards/boards.json"), encoding="utf-8") as file:
        omitted = json.load(file)["left_out"]
    omitted += [pattern for part in parts for pattern in PARTS[part]]
    return slot_of(building.collect(root, building.AGENT, True, omitted), sequence)


def slot_of(files, sequence):
    """{path in a slot: bytes} of a release made of {path: (bytes, mode)}, signed by nobody."""
    words = {
        "product": "limpet-agent",
        "channel": "flash",
        "version": agent.VERSION,
        "sequence": sequence,
        "floor": 0,
        "expires": FAR,
        "keyring": 1,
        "needs": (("mpy", str(building.MPY_VERSION)), ("start", "1")),
    }
    with tempfile.TemporaryDirectory() as folder:
        depot = Depot(folder)
        with open(building.build(depot, files, words), "rb") as file:
            body = file.read()
        # Nobody signed it, and nobody will ask: the agent reads what is in its own slot. The line
        # is there since it is part of the form.
        data = body + release.sign_line("ed25519", "0" * 64, bytes(64))
        depot.write(data, "releases", "limpet-agent", "flash", sequence)
        return from_depot(depot, "limpet-agent", "flash", sequence)


def from_depot(depot, product, channel, sequence):
    """{path in a slot: bytes} of a release."""
    found, _ = installing.contents(depot, product, channel, sequence)
    return {path: data for path, (data, _) in found.items()}


def wanted(root, slot, sequence, settings=None, secrets=None, extra=()):
    """The Wanted: `settings` and `secrets` are bytes of agent.json and keys.json, or None.

    `extra` are pairs of a path on the board and bytes.
    """
    outside = {}
    for name in SHARED:
        outside["%s/%s" % (ROOT, name) if name != "boot.py" else "/boot.py"] = _read(root, name)
    for path, data in extra:
        if not path.startswith("/") or path.startswith(ROOT + "/"):
            raise ContentProblem("%s: expected a whole path, outside %s" % (path, ROOT))
        outside[path] = data
    if settings is not None:
        values = check_settings(settings)
        if secrets is not None:
            check_secrets(secrets)
            outside[keys_path(values)] = secrets
        outside[CONFIG] = settings
    elif secrets is not None:
        raise ContentProblem(
            "keys go into the data folder, which the configuration names: give it"
        )
    outside["/" + LAST] = _read(root, LAST)
    return Wanted(slot, outside, sequence)


def _read(root, name):
    with open(os.path.join(root, "firmware", name), "rb") as file:
        return file.read()


def without_agent(wanted):
    """The same for a board whose firmware has the agent, and what starts it."""
    start = "%s/%s" % (ROOT, SHARED[0])
    outside = {path: data for path, data in wanted.outside.items() if path != start}
    return wanted._replace(slot=None, outside=outside)


def check_settings(data):
    """The values in an agent.json. Raises ContentProblem, its message naming the member."""
    if len(data) > config.MAX_FILE_BYTES:
        raise ContentProblem("more than %d bytes" % config.MAX_FILE_BYTES)
    try:
        return config.parse(data)
    except BadConfig as error:
        raise ContentProblem("the configuration: %s" % error.message) from error


def check_secrets(data):
    """Refuse what the agent would not take as keys.json; no secret is repeated."""
    try:
        schema.check(keys.FILE_FIELDS, parse_object(data), BadConfig)
    except (BadConfig, BadJson) as error:
        raise ContentProblem("the keys: %s" % error.message) from error


def keys_path(values):
    """Where the agent looks for keys.json; a board's working folder is its root."""
    return "/" + values["data"].strip("/") + "/" + keys.PROVISION


def check_named(wanted, present):
    """Refuse a configuration that names a file which neither is on the board nor comes there."""
    data = wanted.outside.get(CONFIG)
    if data is None:
        if CONFIG not in present.files:
            raise ContentProblem("the board has no /agent.json: give it one with --config")
        return
    values = check_settings(data)
    for member, path in files_named(values):
        whole = "/" + path.lstrip("/")
        if whole not in wanted.outside and whole not in present.files:
            raise ContentProblem(
                "%s: %s is not on the board; --put FILE=%s" % (member, path, whole)
            )


def settings_of(wanted):
    """The values of the configuration that is to be put there, or None."""
    data = wanted.outside.get(CONFIG)
    return None if data is None else check_settings(data)


def named_paths(wanted):
    """Paths on the board of what the configuration names."""
    values = settings_of(wanted)
    return [] if values is None else ["/" + path.lstrip("/") for _, path in files_named(values)]


def files_named(values):
    """(member, path) of each file that a configuration names."""
    update = values["update"] or {}
    for place, tls in (("mqtt.tls", values["mqtt"]["tls"]), ("update.tls", update.get("tls"))):
        for name in ("ca", "certificate", "key"):
            if (tls or {}).get(name):
                yield "%s.%s" % (place, name), tls[name]
    if update:
        yield "update.keyring", update["keyring"]


__all__ = ["PARTS", "ContentProblem", "from_depot", "from_tree", "wanted"]
