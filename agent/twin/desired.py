"""A desired document: bytes in, a record out, and whether it is new.

    {"id": "2026-11-24.1", "settings": {"log": "debug", "mqtt": {"keep_alive_s": 30}},
     "within_s": 120, "confirm": "online", "if_revision": 7}

It says all that is to differ from the configuration file: what it does not name is as the file has
it. The one rule: none takes effect twice, and none after a younger one. With keys it is sealed, in
the form `left`, and its counter must be above that of every one taken before, whoever sealed that:
a broker that keeps old documents cannot bring one back. Without keys the copy that the broker
keeps is known by its digest.

Pure.
"""

import hashlib
from binascii import hexlify
from collections import namedtuple

from agent import schema
from agent.commands.message import is_ascii
from agent.errors import BadJson, BadParams
from agent.strict_json import parse_object

NEW, AGAIN, STALE = range(3)
MAX_WITHIN_S = 86400
MAX_ID = 64

# Parameters of a change, wherever it comes from.
TRIAL_FIELDS = (
    schema.integer(
        "within_s",
        120,
        low=1,
        high=MAX_WITHIN_S,
        unit="s",
        about="what is on trial goes back unless it is confirmed in that time",
    ),
    schema.text(
        "confirm",
        "caller",
        choices=("caller", "online"),
        about="online: it confirms itself once calls are subscribed to under the new settings",
    ),
    schema.integer(
        "if_revision", None, low=0, about="only if that is the revision in force, else conflict"
    ),
)
FIELDS = (
    schema.text("id", low=1, high=MAX_ID, about="which document `reported` answers"),
    schema.anything("settings", about="an object as the configuration file"),
) + TRIAL_FIELDS

# id        text
# settings  dict, not checked yet
# options   a dict of TRIAL_FIELDS
Desired = namedtuple("Desired", ("id", "settings", "options"))


def digest_of(payload):
    """What the device knows a document by that the broker may bring again."""
    return hexlify(hashlib.sha256(payload).digest()[:8]).decode()


def judge(digest, number, last_digest, last_number):
    """NEW, AGAIN (the one that was answered last) or STALE; `number` None: it has no seal."""
    if digest == last_digest:
        return AGAIN
    if number is not None and number <= last_number:
        return STALE
    return NEW


def parse(body):
    """The Desired in `body`. Raises BadJson or BadParams."""
    values = schema.check(FIELDS, parse_object(body), BadParams)
    if not is_text(values["id"]):
        raise BadParams("id: expected ASCII characters only")
    if not isinstance(values["settings"], dict):
        raise BadParams("settings: expected an object")
    options = {field.name: values[field.name] for field in TRIAL_FIELDS}
    return Desired(values["id"], values["settings"], options)


def id_of(body):
    """The id in a document that may be wrong in every other way; None where there is none."""
    try:
        identity = parse_object(body).get("id")
    except BadJson:
        return None
    return identity if is_text(identity) else None


def is_text(identity):
    """Whether `identity` can be told again as it came."""
    return isinstance(identity, str) and 0 < len(identity) <= MAX_ID and is_ascii(identity)
