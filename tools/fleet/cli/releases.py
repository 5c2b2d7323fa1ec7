"""`limpet app`, `limpet update`, `limpet beacon`: releases for one device, as they go.

Rule: results go to stdout, all else to stderr. What a device fetches is served by the command
itself where it has it; what makes and serves releases is a checkout's, and imported when needed.
"""

import argparse
import contextlib
import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from ..errors import FileError
from ..jobs import name_in
from ..topics import check_device_name
from .commands import known, note
from .explain import UsageError, reason_of
from .jobs import follow_to_end
from .present import print_table, printable, readable

HEAD = ("APP", "STATE", "VERSION", "RELEASE", "REASON")
_COLOURS = {"up": "green", "failed": "red", "waiting": "yellow"}
_ROOT = Path(__file__).resolve().parents[3]
FAR = 2**31 - 1


def _kit(name):
    """A module of what makes and serves releases."""
    for place in ("tools", "", "compat", "firmware"):
        path = str(_ROOT / place) if place else str(_ROOT)
        if path not in sys.path:
            sys.path.append(path)
    try:
        return importlib.import_module("releases." + name)
    except ImportError as error:
        raise UsageError(
            f"releases are made and served from a checkout of Limpet: {error}"
        ) from None


@contextlib.contextmanager
def _serving(fleet, folder, ca):
    """Answer devices from the depot in `folder`, None for somebody else's."""
    if folder is None:
        yield
        return
    depot = _kit("depot").Depot(str(folder))
    server = _kit("publishing").Server(depot, None, None, fleet.root, fleet.address, ca).start()
    try:
        yield
    finally:
        server.close()


def _run(fleet, device, method, params):
    """Call, and follow the job that it becomes to its end."""
    result = fleet.call(device, method, params)
    job = name_in(result)
    return result if job is None else follow_to_end(fleet, device, job, method)


def app(fleet, names):
    """One action on the apps of a device."""
    known(fleet, names.device)
    if names.action == "ls":
        found = fleet.call(names.device, "app.list")
        print(readable(found)) if names.json else _print_apps(names.device, found["apps"])
        return
    if names.action == "install":
        words = _install(fleet, names)
    else:
        method = "app." + {"rm": "remove"}.get(names.action, names.action)
        words = fleet.call(names.device, method, {"name": names.name})
    if names.json:
        print(readable(words))
    elif names.action == "rm":
        print(f"{names.name}  removed")
    else:
        print(_line(words))


def _install(fleet, names):
    options = (getattr(names, "ca", None),)
    if not os.path.isdir(names.name):
        data = _read(names.name)
        with _serving(fleet, _depot_of(names.name), *options):
            params = {"release": data, "downgrade": names.downgrade}
            return _run(fleet, names.device, "app.install", params)
    with tempfile.TemporaryDirectory(prefix="limpet-app-") as folder:
        data = _build(fleet, names, folder)
        with _serving(fleet, folder, *options):
            method = "app.install" if names.sign else "app.install_unsigned"
            params = {"release": data, "downgrade": names.downgrade}
            return _run(fleet, names.device, method, params)


def _build(fleet, names, folder):
    """The release of an app's folder, its pieces in the depot in `folder`."""
    building, keys, signing = _kit("building"), _kit("keys"), _kit("signing")
    place = Path(names.name)
    try:
        manifest = json.loads((place / "app.json").read_text(encoding="utf-8"))
        name, version = str(manifest["name"]), str(manifest["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"{place}/app.json: {reason_of(error)}: an app says its name and version there"
        ) from None
    words = {
        "product": "app-" + name.replace("_", "-"),
        "channel": "stable",
        "version": version,
        "sequence": names.sequence or _next(fleet, names.device, name),
        "floor": 0,
        "expires": FAR,
        "keyring": names.keyring,
        "needs": (),
    }
    try:
        inner = sorted(one.name for one in place.iterdir() if not one.name.startswith((".", "__")))
        files = building.collect(str(place), inner)
        path = building.build(_kit("depot").Depot(folder), files, words)
        data = Path(path).read_bytes()
        if names.sign:
            secret = argparse.Namespace(passphrase_file=names.passphrase_file, passphrase_fd=None)
            data = signing.sign(data, keys.load(names.sign, keys.passphrase(secret)))
    except (building.BuildProblem, keys.KeyProblem, OSError) as error:
        raise FileError(str(error)) from None
    note(f"{name} {version}, release {words['sequence']}: {len(files)} files")
    return data.decode("ascii")


def _next(fleet, device, name):
    """A sequence above all that a device has seen of an app."""
    for one in fleet.call(device, "app.list")["apps"]:
        told = one.get("release")
        if one["name"] == name and isinstance(told, dict):
            return 1 + max(told[word] or 0 for word in ("sequence", "previous", "failed"))
    return 1


def _depot_of(path):
    """The depot that a release lies in, None if it lies elsewhere."""
    parents = Path(path).resolve().parents
    if len(parents) > 3 and parents[2].name == "releases" and (parents[3] / "blobs").is_dir():
        return parents[3]
    note(f"{path} lies in no depot: its pieces have to be served by tools/release serve")
    return None


def _read(path):
    try:
        data = Path(path).read_text(encoding="ascii")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    except ValueError:
        data = ""  # a release is ASCII
    if not data.startswith("limpet-release 1\n"):
        raise FileError(f"{path}: neither a folder nor a release")
    if "\nsign " not in data:
        raise FileError(f"{path}: nobody has signed it: tools/release sign {path} KEY.pem")
    return data


def _print_apps(device, found):
    if not found:
        note(f"{device} has no apps; limpet app install brings one")
        return
    print_table(HEAD, map(_row, found), 1, [_COLOURS.get(one.get("state")) for one in found])


def _row(one):
    told = one.get("release")
    release = "-"
    if isinstance(told, dict):
        release = f"{told.get('sequence')}{' on trial' if told.get('trial') else ''}"
        one = dict(one, reason=one.get("reason") or told.get("reason"))
    texts = (one.get("name"), one.get("state"), one.get("version"), release, one.get("reason"))
    return [printable(str(text)) if text else "" for text in texts]


def _line(words):
    told = words.get("release") if isinstance(words.get("release"), dict) else words
    text = f"{words.get('name')} {words.get('version', '')}  {words.get('state')}"
    if told.get("sequence"):
        text += f"  release {told['sequence']}{', on trial' if told.get('trial') else ''}"
    return printable(text)


def update(fleet, names):
    """A release of the agent to one device; without one, how it stands."""
    known(fleet, names.device)
    if names.rollback:
        told = fleet.call(names.device, "update.rollback", timeout=max(fleet.timeout, 60))
        print(f"{names.device}  went back: boot {told.get('boot')}")
        return
    if names.release is None:
        print(readable(fleet.call(names.device, "update.status")))
        return
    data = _read(names.release)
    with _serving(fleet, _depot_of(names.release), getattr(names, "ca", None)):
        fleet.beacon(names.device)
        params = {"release": data, "downgrade": names.downgrade}
        words = _run(fleet, names.device, "update.apply", params)
    print(
        printable(
            f"{names.device}  runs release {words.get('sequence')}, slot {words.get('slot')}"
        )
    )


def beacon(fleet, names):
    """Tell devices the time."""
    if not fleet.sealer:
        raise UsageError("a beacon has to be sealed: give --key, or $LIMPET_KEY")
    while True:
        wanted = list(fleet.devices()) if names.devices == ["all"] else names.devices
        for name in wanted:
            fleet.device(check_device_name(name))
            if fleet.beacon(name, names.newest):
                print(f"{name}  told", flush=True)
            elif names.every is None:
                note(f"{name} is away: it hears no beacon")
        if names.every is None:
            return
        time.sleep(names.every)
