"""`limpet key`: make keys, and let devices know them.

Rule: a seed leaves its file in no form; a device's secret is printed by `show` alone, which says
so, and goes over the wire wrapped under another key.
"""

import json
import os

from .. import keys
from ..errors import KeyFileError
from . import commands


def new(names):
    """Make a key."""
    stem = os.path.splitext(os.path.basename(names.file))[0]
    key = keys.new(stem if names.name is None else names.name)
    keys.save(key, names.file)
    print(f"{key.name}: a new key in {names.file}, which nobody else should ever read")


def show(names):
    """What is in a key: its name, or what one device has to know."""
    key = keys.load(names.file)
    if names.device is None:
        print(key.name)
        return
    commands.note(f"this is a secret between {key.name} and {names.device}")
    entry = key.provision_for(names.device, names.permissions)
    print(json.dumps({"keys": [entry]}, indent=2))


def give(fleet, names):
    """Let a device know a key, or another secret of one that it knows."""
    key = keys.load(names.file)
    if fleet.sealer is None:
        raise KeyFileError(
            f"a secret travels wrapped under a key that {names.device} has: --key FILE"
        )
    device, name = names.device, key.name
    params = {
        "name": name,
        "permissions": list(names.permissions),
        "under": fleet.sealer.key.name,
        "wrapped": fleet.sealer.wrap(device, name, key.secret_for(device)),
        "signer": key.public(),
    }
    told = fleet.call(device, "key.replace" if names.replace else "key.add", params)
    expected = key.fingerprint_for(device)
    found = told.get("replaced_by" if names.replace else "fingerprint")
    if found != expected:
        raise KeyFileError(f"{device} holds another secret for {name} than it was given")
    print(f"{device} knows {name} ({expected}): {', '.join(names.permissions)}")


ALONE = {"new": new, "show": show}
