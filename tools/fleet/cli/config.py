"""`limpet logs` and `limpet config`: a device's log and settings at the terminal.

Rule: as `commands.py`; results to stdout, words aside to stderr.
"""

import datetime
import sys

from .. import settings
from ..errors import BadReply, CallError
from .commands import known, note
from .present import compact, entries, paint, printable, readable

_COLOURS = {"error": "red", "warning": "yellow", "info": "green", "debug": "dim"}


def logs(fleet, names):
    """The last log lines; with -f what comes, too."""
    known(fleet, names.device)
    if not names.follow:
        found = settings.recent_log(fleet, names.device)
        _print_lines([line for line in found.lines if _is_wanted(line[1], names.level)], names)
        if not found.lines:
            note(f"{names.device} has logged nothing since its start")
        return
    for batch in settings.follow_log(fleet, names.device, names.level, names.rate):
        if batch.boot is not None:
            note(f"{names.device} restarted: boot {compact(batch.boot)}")
        if batch.dropped:
            note(f"{batch.dropped} lines were left out by {names.device}: above the rate")
        _print_lines(batch.lines, names)


def _is_wanted(level, most):
    order = list(_COLOURS)
    return level not in order or order.index(level) <= order.index(most)


def _print_lines(lines, names):
    for uptime_ms, level, text in lines:
        if names.json:
            line = compact({"uptime_ms": uptime_ms, "level": level, "text": text})
        else:
            word = paint(printable(level).ljust(7), _COLOURS.get(level, "dim"), sys.stdout)
            line = f"{uptime_ms / 1000:11.3f} {word} {printable(text)}"
        print(line, flush=True)


def config(fleet, names):
    """Settings: seen, changed, confirmed."""
    known(fleet, names.device)
    _ACTIONS[names.action](fleet, names)


def _get(fleet, names):
    said = _object(fleet, names, "config.get", {})
    if names.path is not None:
        value = said.get("settings")
        for name in names.path.split("."):
            if not isinstance(value, dict) or name not in value:
                _say_why_not(said, names)
                return
            value = value[name]
        print(readable(value))
    elif names.json:
        print(readable(said))
    else:
        _show(names.device, said)


def _say_why_not(said, names):
    if names.path in (said.get("secrets") or []):
        note(f"{names.path} is set; it is a secret, which no device tells")
    else:
        raise CallError("bad-params", f"there is no setting {names.path} that is set",
                        None, names.device, "config.get")  # fmt: skip


_TOLD = ("low", "high", "unit", "choices", "default")


def _describe(fleet, names):
    params = {} if names.path is None else {"path": names.path}
    said = fleet.call(names.device, "config.describe", params)
    if not isinstance(said, list):
        raise BadReply(f"{names.device} does not describe its settings in a form known here")
    if names.json:
        print(readable(said))
        return
    pairs = []
    for words in said:
        trial = ", on trial" if words.get("trial") else ""
        parts = [f"{words.get('type')}; applies: {words.get('applies')}{trial}"]
        parts += [f"{name} {compact(words[name])}" for name in _TOLD if name in words]
        if words.get("about"):
            parts.append(words["about"])
        pairs.append((printable(str(words.get("name"))), printable("; ".join(parts))))
    print("\n".join(entries(pairs, "")))


def _options(names):
    given = {
        "within_s": names.within,
        "confirm": names.confirm,
        "if_revision": names.if_revision,
    }
    return {name: value for name, value in given.items() if value is not None}


def _nested(pairs):
    """`{"mqtt.host": "x"}` as `{"mqtt": {"host": "x"}}`."""
    result = {}
    for path, value in pairs.items():
        *above, last = path.split(".")
        place = result
        for name in above:
            inner = place.setdefault(name, {})
            place = inner if isinstance(inner, dict) else place
        place[last] = value
    return result


def _set(fleet, names):
    params = {"settings": _nested(names.settings), **_options(names)}
    if names.unset:
        params["unset"] = names.unset
    said = _object(fleet, names, "config.set", params)
    _told(names, said)


def _want(fleet, names):
    identity = names.id or datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    document = {"id": identity, "settings": _nested(names.settings), **_options(names)}
    said = settings.want(fleet, names.device, document, fleet.timeout)
    answer = said["desired"]
    reason = answer.get("reason")
    if answer.get("state") == "refused":
        words = reason if isinstance(reason, dict) else {}
        code, message = str(words.get("code")), str(words.get("message"))
        raise CallError(code, message, words.get("data"), names.device, "desired")
    _told(names, said)


def _end_trial(fleet, names):
    said = _object(fleet, names, "config." + names.action, {})
    _told(names, said)


def _told(names, said):
    if names.json:
        print(readable(said))
        return
    trial = said.get("trial")
    device = names.device
    if isinstance(trial, dict):
        if trial.get("waits"):
            note(f"on trial from the next start on: limpet call {device} system.restart")
        else:
            note(f"on trial: it goes back in {compact(trial.get('left_s'))} s unless it is "
                 f"confirmed (over the broker that the device is at then): "
                 f"limpet config {device} confirm")  # fmt: skip
    if said.get("pending_restart"):
        names_of = ", ".join(map(str, said["pending_restart"]))
        note(f"waits for a restart: {names_of}: limpet call {device} system.restart")
    print(f"revision {compact(said.get('revision'))}")


def _show(device, said):
    """Settings that differ from the file first, then how things stand."""
    changed = said.get("changed") or []
    pairs = [(path, compact(value)) for path, value in _flat(said.get("settings") or {})]
    pairs += [(path, "(set; a secret)") for path in said.get("secrets") or []]
    width = max((len(path) for path, _ in pairs), default=0)
    for path, value in sorted(pairs):
        mark = "*" if path in changed else " "
        print(printable(f"{mark} {path.ljust(width)}  {value}"))
    if changed:
        note("* differs from the device's configuration file")
    trial, last, answer = (said.get(name) for name in ("trial", "last_trial", "desired"))
    if isinstance(trial, dict):
        note(f"on trial: {compact(trial)}")
    if said.get("pending_restart"):
        note("waits for a restart: " + ", ".join(map(str, said["pending_restart"])))
    if isinstance(last, dict) and last.get("state") == "reverted":
        note(f"the last trial went back: {last.get('reason')}")
    if isinstance(answer, dict):
        note(f"the desired document {answer.get('id')}: {answer.get('state')}")


def _flat(values, prefix=""):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _object(fleet, names, method, params):
    said = fleet.call(names.device, method, params)
    if not isinstance(said, dict):
        raise BadReply(f"{names.device} answered {method} in a form that is not known here")
    return said


_ACTIONS = {
    "get": _get,
    "describe": _describe,
    "set": _set,
    "want": _want,
    "confirm": _end_trial,
    "revert": _end_trial,
}
