"""`app.json`: what an app says of itself before any of its code runs. Pure.

The one rule: what is wrong is said with the path of the member, and then nothing of the app runs.
"""

from agent import schema
from agent.errors import BadConfig, BadJson
from agent.strict_json import parse_object

FILE = "app.json"
MAX_BYTES = 2048  # it is held whole in memory
MAX_NAME = 24  # with a verb of 39 characters a method still has its 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

FIELDS = (
    schema.text("name", low=1, high=MAX_NAME, about="of the module too: a-z, then a-z 0-9 _"),
    schema.text("version", low=1, high=32),
    schema.text("about", "", high=200, about="a sentence for a person"),
    schema.boolean("required", False, about="the device is not well while this app is not up"),
)


def parse_manifest(data):
    """The members of `app.json` as a dict. Raises BadConfig."""
    if len(data) > MAX_BYTES:
        raise BadConfig("%s: %d bytes; at most %d" % (FILE, len(data), MAX_BYTES))
    try:
        found = parse_object(data)
    except BadJson as error:
        raise BadConfig("%s: %s" % (FILE, error.message))
    found = schema.check(FIELDS, found, BadConfig)
    check_name(found["name"])
    return found


def check_name(name):
    """Raise BadConfig unless `name` can be an app's."""
    if not name or name[0] not in _LETTERS or len(name) > MAX_NAME:
        raise BadConfig(
            "name: %r: it begins with a-z and has at most %d characters" % (name, MAX_NAME)
        )
    for character in name:
        if character not in _LETTERS and character not in "0123456789_":
            raise BadConfig("name: %r: it is made of a-z 0-9 _" % name)
