"""What a device says it can do (`rpc.list`, `rpc.describe`), in readable form.

Rule: a device of another version may say more or less than is known here: what is missing is left
out, what is unknown is not shown, and neither is an error.
"""

import json

from .present import entries, printable

_KINDS = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "text": "a string",
    "secret": "a string",
    "object": "an object",
    "list": "a list",
    "any": "any value",
}
_COUNTED = {"text": " characters", "secret": " characters", "list": " items"}


def families(device, listed) -> list[str]:
    """The lines for a whole device: a line for each family of commands."""
    names = [_word(command, "name") for command in listed if isinstance(command, dict)]
    found = {}
    for name in names:
        family, _, short = name.partition(".")
        found.setdefault(family, []).append(short)
    pairs = [(family, ", ".join(shorts)) for family, shorts in found.items()]
    family = next(iter(found))
    return [
        *entries(pairs, indent=""),
        "",
        f"limpet describe {device} {family} tells what these do,",
        f"limpet describe {device} {names[0]} what one takes; --all lists everything.",
    ]


def all_commands(device, listed) -> list[str]:
    """The lines for each of some commands."""
    commands = [command for command in listed if isinstance(command, dict)]
    pairs = [(_word(command, "name"), _word(command, "about")) for command in commands]
    return [*entries(pairs, indent=""), "", f"limpet describe {device} COMMAND tells more of one."]


def one_command(device, said) -> list[str]:
    """The lines for one command."""
    name = _word(said, "name")
    rules = f"permission {_word(said, 'permission')}, repeat rule {_word(said, 'repeat')}"
    result = [name, *entries([("", _word(said, "about"))], indent=""), f"  {rules}", ""]
    fields = [field for field in said.get("params") or [] if isinstance(field, dict)]
    if fields:
        result += ["parameters:", *entries(list(_parameters(fields)))]
    else:
        result.append("It takes no parameters.")
    words = [_example(field) for field in fields if field.get("required")]
    return [*result, "", "call it:", "  " + " ".join(["limpet call", device, name, *words])]


def _parameters(fields, path=""):
    for field in fields:
        name = path + _word(field, "name")
        yield name, _meaning(field)
        if isinstance(field.get("fields"), list):
            inner = [item for item in field["fields"] if isinstance(item, dict)]
            yield from _parameters(inner, name + ("[]." if field.get("type") == "list" else "."))


def _meaning(field):
    kind = _KINDS.get(_word(field, "type")) or _word(field, "type")
    choices = field.get("choices")
    if isinstance(choices, list):
        options = " or ".join(_json(choice) for choice in choices)
        kind = options if field.get("type") == "text" else f"{kind}{_span(field)} or {options}"
    else:
        kind += _span(field)
    if "unit" in field:
        kind += f" ({_word(field, 'unit')})"
    if not field.get("required"):
        default = field.get("default")
        kind += ", may be left out" if default is None else f", else {_json(default)}"
    about = _word(field, "about")
    return f"{kind}; {about}" if about else kind


def _span(field):
    low, high = field.get("low"), field.get("high")
    counted = _COUNTED.get(_word(field, "type"), "")
    if low is not None and high is not None:
        return f" {'of' if counted else 'from'} {_json(low)} to {_json(high)}{counted}"
    if low is not None:
        return f" of at least {_json(low)}{counted}"
    if high is not None:
        return f" of at most {_json(high)}{counted}"
    return ""


def _example(field):
    # A value made up from the bounds reads as if it were one to use: name what belongs there.
    name = _word(field, "name")
    return f"{name}={name.upper()}"


def _word(mapping, name):
    value = mapping.get(name)
    return "" if value is None else printable(value)


def _json(value):
    return printable(json.dumps(value, ensure_ascii=False))
