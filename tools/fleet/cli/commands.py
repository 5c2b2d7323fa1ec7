"""The commands of `limpet`, one function each: `command(fleet, names)` prints and returns.

Rule: results go to stdout, everything else to stderr, so that a script can tell them apart.
Errors are raised; `main.py` turns them into words and a status.
"""

import datetime
import sys

from ..errors import BadReply, NoAnswer
from ..jobs import name_in
from ..many import is_target
from . import describe as words
from .explain import ANSWERED_ERROR, Offline, UsageError, no_such_device
from .present import (
    STATE_COLOURS,
    compact,
    lines,
    paint,
    print_table,
    printable,
    readable,
)

HEAD = ("DEVICE", "STATE", "BOOT", "RUNTIME", "AGENT", "CLOCK", "BOARD")


def ls(fleet, names):
    """All devices; or a folder of one."""
    if names.place is not None:
        from . import files  # with the bar's library, which is slow to import

        files.ls(fleet, names)
        return
    devices = fleet.devices().values()
    if names.json:
        print(readable([_as_json(device) for device in devices]))
        return
    if not devices:
        note(f"no device has shown up under {fleet.root}/ on {fleet.address} yet")
        return
    colours = [STATE_COLOURS[device.state] for device in devices]
    print_table(HEAD, map(_row, devices), 1, colours, is_fitted=True)
    for device in devices:
        _note_rival(device)


def _note_rival(device):
    """Say where a device suspects that another has its name."""
    if _is_rivalled(device):
        note(f"{device.name}: two devices seem to have this name, and close each other's "
             "connections; give one of them another")  # fmt: skip


def call(fleet, names):
    """One command, on one device or on many."""
    if is_target(names.device):
        return _call_many(fleet, names)
    if names.wait:
        device = known(fleet, names.device)
    else:
        device = reachable(fleet, names.device, names.method)
    if device.state != "online" and sys.stderr.isatty():
        note(f"{device.name} is {device.state}; waiting {fleet.timeout:g} s for it")
    try:
        under_way = fleet.submit(
            names.device, names.method, names.params, ttl=names.ttl, id=names.id,
            members=_members(names),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise UsageError(f"the request cannot be written as JSON: {error}") from None
    result = under_way.result()
    job = None if names.no_wait else name_in(result)
    if job is not None:
        from . import jobs  # with the bar's library, which is slow to import

        result = jobs.follow_to_end(fleet, names.device, job, names.method)
    print(compact(result) if names.raw else readable(result))
    return None


def since(device):
    """`offline since 2026-11-20T12:00:00Z`, as well as its status tells."""
    at = device.status.get("at")
    if not isinstance(at, int) or not 0 < at < 1 << 35:
        return "offline"
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if device.status.get("lost"):  # a will is as old as the connection that it tells the end of
        return f"offline: the link that it had from {moment} on was cut, nobody knows when"
    return f"offline since {moment}"


def _members(names):
    members = {}
    if names.no_wait:
        members["reply_within"] = 0
    if names.run_for is not None:
        members["timeout"] = names.run_for
    return members


def _call_many(fleet, names):
    """Print each device's answer as it comes; the status tells whether all were results."""
    count = failed = 0
    options = {"spread": names.spread, "id": names.id}
    if hasattr(names, "timeout"):
        options["timeout"] = names.timeout
    for device, said in fleet.call_all(names.device, names.method, names.params, **options):
        count += 1
        if isinstance(said, Exception):
            failed += 1
            words = paint("error", "red", sys.stdout) + "  " + printable(said)
        else:
            words = compact(said) if names.raw else printable(compact(said))
        print(f"{device}  {words}", flush=True)
    note(f"{count} answered" + (f", {failed} of them with an error" if failed else ""))
    if not count:
        raise NoAnswer(f"nobody answered as {names.device}", names.device, names.method, None)
    return ANSWERED_ERROR if failed else None


def describe(fleet, names):
    """What a device, or one of its commands, takes and gives."""
    known(fleet, names.device)
    if names.method and "." in names.method:
        said, show = (
            fleet.call(names.device, "rpc.describe", {"method": names.method}),
            words.one_command,
        )
        if not isinstance(said, dict):
            raise BadReply(f"{names.device} does not describe itself in a form known here")
    else:
        said = fleet.commands(names.device, names.method)
        show = words.all_commands if names.method or names.all else words.families
        if not said:
            called = f" called {names.method}.*" if names.method else ""
            raise UsageError(f"{names.device} has no commands{called}")
    print(readable(said) if names.json else "\n".join(show(names.device, said)))


def watch(fleet, names):
    """Every device as it is, then every change, until Ctrl-C."""
    known = fleet.devices()
    for name in names.devices:
        if name not in known:
            note(f"there is no device called {name} yet; waiting for it")
    if not names.devices and not known:
        note(f"no device has shown up under {fleet.root}/ on {fleet.address} yet; waiting")
    for change in fleet.watch():
        if names.devices and change.name not in names.devices:
            continue
        line = _change_as_json(change) if names.json else _change(change)
        print(line, flush=True)
        if change.after is not None and not (change.before and _is_rivalled(change.before)):
            _note_rival(change.after)


def _is_rivalled(device):
    return device.status.get("rival") is True


def note(text):
    """A word aside, for a person."""
    print("\n".join(f"limpet: {line}" for line in lines(text)), file=sys.stderr, flush=True)


def known(fleet, name):
    device = fleet.device(name)
    if device is None:
        raise no_such_device(fleet, name)
    return device


def reachable(fleet, name, method=None):
    """The device, which has to be there at once; `method` where --wait would send it later."""
    device = known(fleet, name)
    if device.state == "offline":
        raise Offline(f"{device.name} is {since(device)}", device.name, method, None)
    return device


def _row(device):
    return (
        device.name,
        device.state,
        _cell(device.status.get("boot")),
        _cell(_runtime(device.about.get("runtime"))),
        _cell(device.about.get("agent")),
        _cell(device.status.get("clock")),
        _cell(device.about.get("board")),
    )


def _runtime(said):
    """`micropython 1.26.1`, of an object with more in it."""
    if not isinstance(said, dict):
        return said
    return " ".join(str(said[name]) for name in ("name", "version") if name in said)


def _cell(value):
    if value is None or value == "":
        return "-"
    text = value if isinstance(value, str) else compact(value)
    return printable(text)


def _as_json(device):
    return {"device": device.name, "status": device.status, "about": device.about}


def _change(change):
    now = datetime.datetime.now().strftime("%H:%M:%S")
    if change.after is None:
        return f"{now}  {change.name}  gone: its status was taken away"
    state = change.after.state
    text = f"{now}  {change.name}  {paint(state, STATE_COLOURS[state], sys.stdout)}"
    if change.before and change.before.state == state:
        return f"{text}  {_difference(change.before, change.after)}"
    boot, clock = change.after.status.get("boot"), change.after.status.get("clock")
    return f"{text}  boot {_cell(boot)}  clock {_cell(clock)}"


def _difference(before, after):
    """What changed while the state stayed the same."""
    changed = [
        f"{printable(name)} {_cell(after.status.get(name))}"
        for name in sorted({*before.status, *after.status})
        if before.status.get(name) != after.status.get(name)
    ]
    if before.about != after.about:
        changed.append("tells something new of itself: limpet ls")
    return "  ".join(changed) or "said again"


def _change_as_json(change):
    body = {
        "time": datetime.datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "device": change.name,
        "was": change.before.state if change.before else None,
        "status": change.after.status if change.after else None,
        "about": change.after.about if change.after else None,
    }
    return compact(body)
