"""`limpet schedule`: what a device runs by itself.

Rule: as `commands.py`; a device's words are shown, nothing is reckoned here.
"""

from .commands import note, reachable
from .present import print_table, printable, readable

HEAD = ("NAME", "STATE", "NEXT", "RUNS", "LAST")


def schedule(fleet, names):
    """One action on the schedules of a device."""
    reachable(fleet, names.device)
    _ACTIONS.get(names.action, _act)(fleet, names)


def _call(fleet, names, params):
    return fleet.call(names.device, "schedule." + names.action, params)


def _list(fleet, names):
    found, after = [], ""
    while True:
        page = _call(fleet, names, {"after": after})
        found += page["schedules"]
        if not page["more"] or not page["schedules"]:
            break
        after = page["schedules"][-1]["name"]
    if names.json:
        print(readable(found))
        return
    if not found:
        note(f"{names.device} runs nothing by itself; limpet schedule --help shows how")
        return
    rows = [
        (printable(s["name"]), printable(s["state"]), _next(s), str(s["runs"]), _last(s))
        for s in found
    ]
    colours = ["red" if _has_failed(said) else "green" for said in found]
    print_table(HEAD, rows, len(HEAD) - 1, colours)


def _last(said):
    """`2026-11-20T12:00:00Z failed, not-found: no such file; 3 failed`."""
    last = said.get("last")
    if not isinstance(last, dict):
        return "-"
    words = [last.get("at"), last.get("state")]
    if "at_uptime_s" in last:
        words[0] = f"{last['at_uptime_s']} s after the start"
    text = " ".join(printable(word) for word in words if word)
    error = last.get("error")
    if isinstance(error, dict):
        text += f", {printable(error.get('code'))}"
        if error.get("message"):
            text += f": {printable(error['message'])}"
    elif "result" in last:
        text += f", {printable(last['result'])}"
    if said.get("failed"):
        text += f"; {printable(said['failed'])} failed since the start"
    return text


def _has_failed(said):
    return isinstance(said.get("last"), dict) and said["last"].get("state") != "done"


def _next(said):
    run = said.get("next")
    return _describe_run(run) if run else "-"


def _describe_run(run):
    """`2026-12-24T18:00:00Z, in 3 h 5 min`; of an `every`: `in 40 s`."""
    due = run.get("local") or run.get("due")
    words = [] if due is None else [printable(due)]
    if isinstance(run.get("in_s"), int | float):
        words.append(_in(run["in_s"]))
    return ", ".join(words) or "-"


def _in(seconds):
    if seconds < 0:
        return "now"
    for size, unit, smaller, small in (
        (86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"),
    ):  # fmt: skip
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"in {int(seconds // size)} {unit}" + (f" {rest} {small}" if rest else "")
    return f"in {int(seconds)} s"


def _add(fleet, names):
    params = {"name": names.name, "method": names.method, "replace": names.replace}
    params.update(names.timing, params=names.params)
    _show(_call(fleet, names, params), names)


def _preview(fleet, names):
    params = dict(names.timing)
    for member, value in (("name", names.name), ("runs", names.runs), ("from", names.start)):
        if value is not None:
            params[member] = value
    said = _call(fleet, names, params)
    if names.json:
        print(readable(said))
        return
    for run in said["runs"]:
        print(_describe_run(run))
    if not said["runs"]:
        note("no run would ever be due")


def _get(fleet, names):
    print(readable(_call(fleet, names, {"name": names.name})))


def _act(fleet, names):
    said = _call(fleet, names, {"name": names.name})
    if names.json:
        print(readable(said))
    elif "state" in said:
        _show(said, names)
    elif "run" in said:
        print(f"{names.name}: started as {printable(said['run'])}")
    else:
        print(f"{names.name}: removed")


def _show(said, names):
    if names.json:
        print(readable(said))
        return
    text = f"{printable(said.get('name'))}: {printable(said.get('state'))}"
    run = said.get("next")
    print(text + (f"; next {_describe_run(run)}" if run else ""))


_ACTIONS = {"list": _list, "add": _add, "preview": _preview, "get": _get}
