"""The first release put on a device's medium, as if it had been fetched and confirmed there.

The one rule: what it leaves is what limpet_start.py and the agent themselves would have left.
"""

import os
import shutil
from hashlib import sha256

import limpet_start as starting

from . import building
from . import depot as depots

START = os.path.abspath(starting.__file__)


def install(depot, product, channel, sequence, root):
    """Put a release into slot a of `root`, and what starts it beside it."""
    description, data = depot.description(product, channel, sequence)
    slot = os.path.join(root, "a")
    if os.path.exists(slot):
        raise building.BuildProblem("%s: there is a slot already" % root)
    os.makedirs(os.path.join(slot, ".limpet"))
    lines = ["limpet-manifest 1 %d" % sequence, "%s .limpet/release" % sha256(data).hexdigest()]
    _write(slot, ".limpet/release", data, "644")
    for folder in description.folders:
        _write(slot, ".limpet/" + folder.tree, depot.read("blobs", folder.tree), "644")
    for path, file in building.files_of(depot, description):
        _write(slot, path, depot.read("files", file.hash), file.mode)
        lines.append("%s %s" % (file.hash, path))
    manifest = ("\n".join(lines) + "\n").encode()
    _write(slot, starting.MANIFEST, manifest, "644")
    digest = sha256(manifest).hexdigest()
    state = starting.change(
        starting.FIRST, sequence=sequence, digest=digest, floor=description.floor
    )
    starting.write_state(starting.Files(), root, state)
    shutil.copy(START, os.path.join(root, "limpet_start.py"))


def _write(slot, path, data, mode):
    full = os.path.join(slot, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data)
    os.chmod(full, int(mode, 8))


__all__ = ["depots", "install"]
