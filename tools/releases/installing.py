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
    files, floor = contents(depot, product, channel, sequence)
    slot = os.path.join(root, "a")
    if os.path.exists(slot):
        raise building.BuildProblem("%s: there is a slot already" % root)
    for path, (data, mode) in files.items():
        _write(slot, path, data, mode)
    digest = sha256(files[starting.MANIFEST][0]).hexdigest()
    state = starting.change(starting.FIRST, sequence=sequence, digest=digest, floor=floor)
    starting.write_state(starting.Files(), root, state)
    shutil.copy(START, os.path.join(root, "limpet_start.py"))


def contents(depot, product, channel, sequence):
    """All that a slot with a release holds, {path: (bytes, mode)}, and the release's floor."""
    description, data = depot.description(product, channel, sequence)
    files = {".limpet/release": (data, "644")}
    for folder in description.folders:
        files[".limpet/" + folder.tree] = (depot.read("blobs", folder.tree), "644")
    lines = ["limpet-manifest 1 %d" % sequence, "%s .limpet/release" % sha256(data).hexdigest()]
    for path, file in building.files_of(depot, description):
        files[path] = (depot.read("files", file.hash), file.mode)
        lines.append("%s %s" % (file.hash, path))
    files[starting.MANIFEST] = (("\n".join(lines) + "\n").encode(), "644")
    return files, description.floor


def _write(slot, path, data, mode):
    full = os.path.join(slot, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data)
    os.chmod(full, int(mode, 8))


__all__ = ["depots", "install"]
