"""What a member of a JSON object may hold, declared as data and checked in one place.

The configuration file, the settings and the parameters of every command are declared with it, so
that all of them give the same precise errors and describe themselves over the wire. The one rule:
`check` returns a new dict with every declared member in it, or raises with the path of the wrong
one. It is pure, and knows neither files nor MQTT.
"""

from collections import namedtuple

# name     of the member
# kind     one of KINDS
# required True: there is no default
# default  what stands for an absent member
# low,high bounds of a number, or of the length of a text or list; None: no bound
# unit     of a number, None where it has none
# choices  None, or a tuple of all that is allowed
# fields   of an 'object'; of a 'list' a tuple with the one field that each item follows
# about    a sentence for a person
Field = namedtuple(
    "Field",
    ("name", "kind", "required", "default", "low", "high", "unit", "choices", "fields", "about"),
)

REQUIRED = object()


def _field(kind, name, default, low, high, unit, choices, fields, about):
    required = default is REQUIRED
    value = None if required else default
    return Field(name, kind, required, value, low, high, unit, choices, fields, about)


def boolean(name, default=REQUIRED, about=""):
    """Declare true or false."""
    return _field("boolean", name, default, None, None, None, None, None, about)


def integer(name, default=REQUIRED, low=None, high=None, unit=None, choices=None, about=""):
    """Declare a whole number; `choices` may hold words that are allowed in its place."""
    return _field("integer", name, default, low, high, unit, choices, None, about)


def number(name, default=REQUIRED, low=None, high=None, unit=None, about=""):
    """Declare an integer or a finite float."""
    return _field("number", name, default, low, high, unit, None, None, about)


def text(name, default=REQUIRED, low=None, high=None, choices=None, about=""):
    """Declare a string, its length bounded by `low` and `high`."""
    return _field("text", name, default, low, high, None, choices, None, about)


def secret(name, default=REQUIRED, low=None, high=None, about=""):
    """Declare a string that no message ever repeats."""
    return _field("secret", name, default, low, high, None, None, None, about)


def anything(name, default=REQUIRED, about=""):
    """Declare a value of any JSON kind."""
    return _field("any", name, default, None, None, None, None, None, about)


def structure(name, fields, default=REQUIRED, about=""):
    """Declare an object with members of its own."""
    return _field("object", name, default, None, None, None, None, fields, about)


def sequence(name, item, default=REQUIRED, low=None, high=None, about=""):
    """Declare a list whose every item follows the field `item`."""
    return _field("list", name, default, low, high, None, None, (item,), about)


def check(fields, value, error, path=""):
    """Return `value`, a dict, with defaults filled in and every member checked.

    `error(message)` is raised with the path of the first wrong member: unknown ones first, since
    those are the usual slip of the pen.
    """
    if not isinstance(value, dict):
        raise error("%s: expected an object, got %s" % (path or "top level", _show(value)))
    known = {field.name for field in fields}
    for name in value:
        if name not in known:
            raise error("%s: unknown; known here: %s" % (_join(path, name), _list(known)))
    return {field.name: _member(field, value, error, path) for field in fields}


def _member(field, value, error, path):
    inner = _join(path, field.name)
    if field.name in value:
        return _check_value(field, value[field.name], error, inner)
    if field.required:
        raise error("%s: missing; expected %s" % (inner, expectation(field)))
    if field.kind == "object" and field.default is not None:
        return check(field.fields, field.default, error, inner)
    return list(field.default) if isinstance(field.default, list) else field.default


def _check_value(field, value, error, path):
    if field.choices and value in field.choices:
        return value
    if value is None and not field.required and field.default is None:
        return None  # null says "as if it were absent"
    if not KINDS[field.kind](value) or (field.choices and field.kind == "text"):
        raise _unexpected(field, value, error, path)
    if field.kind == "object":
        return check(field.fields, value, error, path)
    size = value if field.kind in ("integer", "number") else _length(value)
    if _outside(size, field.low, field.high):
        raise _unexpected(field, value, error, path)
    if field.kind == "list":
        item = field.fields[0]
        return [_check_value(item, v, error, "%s[%d]" % (path, i)) for i, v in enumerate(value)]
    return value


def _unexpected(field, value, error, path):
    shown = "something else" if field.kind == "secret" else _show(value)
    return error("%s: expected %s, got %s" % (path, expectation(field), shown))


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor NaN
    return _is_integer(value)


# In MicroPython as in CPython, True is an int: the kinds tell them apart.
KINDS = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "text": lambda value: isinstance(value, str),
    "secret": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "any": lambda value: True,
}


def _length(value):
    return len(value) if isinstance(value, (str, list)) else 0


def _outside(size, low, high):
    return (low is not None and size < low) or (high is not None and size > high)


def expectation(field):
    """What `field` takes, in words: `an integer from 1 to 65535 (s)`."""
    words = _EXPECTED[field.kind]
    span = _span(field)
    if field.choices:
        options = " or ".join(['"%s"' % choice for choice in field.choices])
        words = options if field.kind == "text" else "%s%s or %s" % (words, span, options)
    else:
        words += span
    return words + (" (%s)" % field.unit if field.unit else "")


_EXPECTED = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "text": "a string",
    "secret": "a string",
    "object": "an object",
    "list": "a list",
    "any": "a value",
}
_COUNTED = {"text": " characters", "secret": " characters", "list": " items"}


def _span(field):
    counted = _COUNTED.get(field.kind, "")
    lead = " of" if counted else ""
    if field.low is not None and field.high is not None:
        return "%s %s%s to %s%s" % (
            lead,
            "" if counted else "from ",
            field.low,
            field.high,
            counted,
        )
    if field.low is not None:
        return "%s at least %s%s" % (lead, field.low, counted)
    if field.high is not None:
        return "%s at most %s%s" % (lead, field.high, counted)
    return ""


def describe(field):
    """The declaration as a JSON-able dict, without what does not apply."""
    words = {"name": field.name, "type": field.kind, "required": field.required}
    if not field.required:
        words["default"] = field.default
    for name in ("low", "high", "unit", "choices", "about"):
        value = getattr(field, name)
        if value not in (None, ""):
            words[name] = value
    if field.fields:
        words["fields"] = [describe(inner) for inner in field.fields]
    return words


def _join(path, name):
    return "%s.%s" % (path, name) if path else name


def _list(names):
    return ", ".join(sorted(names)) or "no member"


SHOWN = 40  # characters of a wrong value that a message repeats: enough to recognise it


def _show(value):
    # A container is counted, not printed: its printing may recurse as deep as a peer likes.
    if isinstance(value, (dict, list)):
        return "%s of %d" % ("an object" if isinstance(value, dict) else "a list", len(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"%s"' % value if len(value) <= SHOWN else '"%s..."' % value[:SHOWN]
    return str(value)
