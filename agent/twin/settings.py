"""Which setting may change from afar, when it takes effect, and what may be told of it.

The settings are the members of the configuration file, by their paths (`mqtt.host`). The one rule:
what no row of RULES names takes a restart, and is on trial if it is of the link: a setting that is
new there must not be the one that a device cannot come back from.

Pure: dicts in, dicts out; the declarations come as an argument.
"""

import json

from agent import schema

FIXED = "fixed"  # the file's alone: another name or folder makes another device of it
LIVE = "live"  # at once
RECONNECT = "reconnect"  # with a new connection, which is made at once
RESTART = "restart"  # from the next start on

# path: when it takes effect, and whether it is on trial.
RULES = {
    "device": (FIXED, False),
    "root": (FIXED, False),
    "data": (FIXED, False),
    "log": (LIVE, False),
    "publish_log.level": (LIVE, False),
    "publish_log.rate": (LIVE, False),
    "groups": (LIVE, False),
    "mqtt.host": (RECONNECT, True),
    "mqtt.port": (RECONNECT, True),
    "mqtt.fallbacks": (RECONNECT, True),
    "mqtt.tls": (RECONNECT, True),
    "mqtt.username": (RECONNECT, True),
    "mqtt.password": (RECONNECT, True),
    "mqtt.client_id": (RECONNECT, True),
    "mqtt.connect_timeout_s": (RECONNECT, True),
    "mqtt.websocket": (RECONNECT, True),
    "mqtt.keep_alive_s": (RECONNECT, False),
    "mqtt.backoff_first_s": (RECONNECT, False),
    "mqtt.backoff_most_s": (RECONNECT, False),
    "update": (RESTART, True),  # which may keep a start from its end
    "network": (RESTART, True),
    "sleep": (RESTART, True),
    "watchdog": (RESTART, True),  # one that bites too early never lets the device come up
}
_OTHER = (RESTART, False)
# What is not named of the link: a size, for one, that keeps the request that would mend it out.
_LINK = (RESTART, True)


def rule(path):
    """`(when, on_trial)` of a setting."""
    return RULES.get(path, _LINK if path.startswith("mqtt.") else _OTHER)


def walk(fields, prefix=""):
    """Yield `(path, field)` of every setting; an object that may be null is one setting."""
    for field in fields:
        path = prefix + field.name
        if field.kind == "object" and field.default is not None:
            yield from walk(field.fields, path + ".")
        else:
            yield path, field


def value_at(values, path):
    """What stands at `path`, None where nothing does."""
    for name in path.split("."):
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return values


def put_at(values, path, value):
    """Set what stands at `path`, in place."""
    *above, last = path.split(".")
    for name in above:
        values = values.setdefault(name, {})
    values[last] = value


def drop_at(values, path):
    """Take away what stands at `path`, in place, and objects that become empty by it."""
    name, _, rest = path.partition(".")
    inner = values.get(name)
    if rest and isinstance(inner, dict):
        drop_at(inner, rest)
        if inner:
            return
    if not rest or not inner:
        values.pop(name, None)


def merged(base, changes):
    """A new dict: `base` with the members of `changes` in place of its own, object by object."""
    result = dict(base)
    for name, value in changes.items():
        inner = result.get(name)
        if isinstance(value, dict):
            result[name] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[name] = value
    return result


def copied(values):
    """A copy that shares no dict with `values`."""
    return merged({}, values)


def changed(fields, before, after):
    """Paths of the settings that differ, in the order of their declaration."""
    return [path for path, _ in walk(fields) if value_at(before, path) != value_at(after, path)]


def public(fields, values):
    """`(settings, secrets)`: the values without the secrets, and the paths of secrets that are
    set."""
    shown, secrets = {}, []
    for path, field in walk(fields):
        value = value_at(values, path)
        if field.kind != "secret":
            put_at(shown, path, _shown(field, value, path, secrets))
        elif value is not None:
            secrets.append(path)
    return shown, secrets


def _shown(field, value, path, secrets):
    """`value` without the secrets in it, whose paths go into `secrets`."""
    if not field.fields or value is None:
        return value
    if field.kind == "list":
        items = enumerate(value)
        return [_shown(field.fields[0], v, "%s[%d]" % (path, i), secrets) for i, v in items]
    words = {}
    for inner in field.fields:
        found, at = value.get(inner.name), "%s.%s" % (path, inner.name)
        if inner.kind != "secret":
            words[inner.name] = _shown(inner, found, at, secrets)
        elif found is not None:
            secrets.append(at)
    return words


def describe(fields, wanted=None):
    """Each setting as a JSON-able dict: its name, type, when it takes effect, if it is on trial.

    Those at the path `wanted`, or below it, with their whole declaration: of all settings that
    would be more than one answer holds.
    """
    told = []
    for path, field in walk(fields):
        if wanted is None:
            words = {"type": field.kind}
        elif path == wanted or path.startswith(wanted + "."):
            words = schema.describe(field)
        else:
            continue
        words["name"] = path
        words["applies"], words["trial"] = rule(path)
        told.append(words)
    return told


def size_of(values):
    """Bytes of `values` as JSON. Raises ValueError or TypeError for what is none."""
    return len(json.dumps(values))
