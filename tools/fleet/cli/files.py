"""`limpet cp`, `cat`, `rm`, `mv`, `mkdir`, and `ls` of a device's folder.

Rule: results go to stdout, progress and all else to stderr; a bar is drawn for a terminal only.
"""

import contextlib
import datetime
import os
import posixpath
import sys

from tqdm import tqdm

from ..errors import CallError, FileError
from ..files import Files, plain_name
from . import commands
from .explain import UsageError
from .places import place as parse_place
from .present import aligned, paint, printable

MINUTE_FORMAT = "%Y-%m-%d %H:%M"


def cp(fleet, names):
    """Copy to one device, or from one."""
    devices = {place.device for place in names.sources}
    target = names.target
    if len(devices) != 1 or (target.device is None) == (None in devices):
        raise UsageError("one side is on a device, DEVICE:PATH, and the other on this computer")
    device = target.device or devices.pop()
    commands.reachable(fleet, device)
    files = Files(fleet, device, names.patience)
    copy = _Up(files, names) if target.device else _Down(files, names)
    several = len(names.sources) > 1
    with contextlib.closing(copy):
        for source in names.sources:
            copy.one(source.path, target.path, several)
    copy.report()


class _Copy:
    """What both directions have in common: the bar, the counts."""

    def __init__(self, files, names):
        self.files = files
        self.recursive = names.recursive
        self._quiet = names.quiet or not sys.stderr.isatty()
        self._bar = None
        self.copied = self.same = self.skipped = 0

    def follow(self, label, work):
        """Run `work(told)` under a bar of its own."""
        bar = tqdm(
            desc=printable(label), unit="B", unit_scale=True, unit_divisor=1024, leave=False,
            disable=self._quiet, file=sys.stderr, dynamic_ncols=True, mininterval=0.1,
        )  # fmt: skip
        self._bar = bar

        def told(done, size):
            if bar.total is None and done:
                bar.n = bar.initial = done  # what was there already is not speed
            bar.total = size
            bar.update(done - bar.n)

        with bar:
            if work(told):
                self.copied += 1
            else:
                self.same += 1

    def skip(self, path, why):
        self.skipped += 1
        commands.note(f"{path}: {why}; left out")

    def close(self):
        if self._bar is not None:
            self._bar.close()

    def report(self):
        words = [f"{self.copied} copied"]
        if self.same:
            words.append(f"{self.same} the same already")
        if self.skipped:
            words.append(f"{self.skipped} left out")
        if not self._quiet:
            commands.note(", ".join(words))


class _Up(_Copy):
    def one(self, source, target, several):
        if os.path.isdir(source) and not self.recursive:
            raise UsageError(f"{source} is a folder: -r copies folders")
        if not os.path.exists(source):
            raise FileError(f"{source}: there is no such file on this computer")
        target = self._target(source, target, several)
        if os.path.isdir(source):
            self._folder(source, target)
        else:
            self._file(source, target)

    def _target(self, source, target, several):
        if not target:
            target = self._default_root() + "/"
        if not target.endswith("/") and not several:
            found = self.files.stat(target)
            if found is None or found["type"] != "folder":
                return target
        name = os.path.basename(os.path.abspath(source))
        return posixpath.join(target, name)

    def _default_root(self):
        for root in self.files.roots()["roots"]:
            if root["write"]:
                return root["name"]
        raise FileError(f"{self.files.device} has no root that may be written to")

    def _folder(self, source, target):
        self.files.make_folder(target)
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            inner = posixpath.join(target, entry.name)
            if entry.is_dir(follow_symlinks=False):
                self._folder(entry.path, inner)
            elif entry.is_file(follow_symlinks=False):
                self._file(entry.path, inner)
            else:
                self.skip(entry.path, "neither a file nor a folder")

    def _file(self, source, target):
        try:
            self.follow(os.path.basename(source), lambda t: self.files.upload(source, target, t))
        except OSError as error:
            raise FileError(f"{source}: {error.strerror}") from None


class _Down(_Copy):
    def one(self, source, target, several):
        source = source.rstrip("/")
        if not source:
            raise UsageError("name a file or a folder: DEVICE:PATH, as limpet ls DEVICE: lists")
        found = self.files.stat(source)
        if found is None:
            raise FileError(f"{self.files.device}:{source}: there is no such file")
        if found["type"] == "folder" and not self.recursive:
            raise UsageError(f"{source} is a folder: -r copies folders")
        if several or target.endswith("/") or os.path.isdir(target):
            target = os.path.join(target, plain_name(posixpath.basename(source)))
        try:
            if found["type"] == "folder":
                self._folder(source, target)
            else:
                self._file(source, target)
        except OSError as error:
            raise FileError(f"{error.filename or target}: {error.strerror}") from None

    def _folder(self, source, target):
        os.makedirs(target, exist_ok=True)
        for entry in self.files.list(source):
            inner = posixpath.join(source, entry["name"])
            local = os.path.join(target, entry["name"])
            if entry["type"] == "folder":
                self._folder(inner, local)
            elif entry["type"] == "file":
                self._file(inner, local)
            else:
                self.skip(inner, f"a {entry['type']}")

    def _file(self, source, target):
        self.follow(
            posixpath.basename(source), lambda told: self.files.download(source, target, told)
        )


def ls(fleet, names):
    """A folder of a device, or its roots."""
    commands.reachable(fleet, names.place.device)
    files = Files(fleet, names.place.device)
    if not names.place.path and names.recursive:
        roots = [root["name"] for root in files.roots()["roots"] if not root.get("fault")]
        found = [entry for root in roots for entry in _entries(files, root, f"{root}/", True)]
        _print_entries(found, names.json)
        return
    if not names.place.path:
        for root in files.roots()["roots"]:
            free = root.get("free_bytes")
            words = root.get("fault") or ("may be written to" if root["write"] else "read only")
            if free is not None:
                words += f", {_size(free)} free"
            print(f"{printable(root['name'])}/  {printable(words)}")
        return
    path = names.place.path.rstrip("/")
    found = files.stat(path)
    if found is None:
        raise FileError(f"{files.device}:{path}: there is no such file")
    if found["type"] != "folder":
        found["name"] = posixpath.basename(path)
        _print_entries([found], names.json)
        return
    _print_entries(list(_entries(files, path, "", names.recursive)), names.json)


def _entries(files, path, prefix, recursive):
    for entry in files.list(path):
        name = entry["name"]
        yield dict(entry, name=prefix + name)
        if recursive and entry["type"] == "folder":
            yield from _entries(files, posixpath.join(path, name), f"{prefix}{name}/", True)


def _print_entries(entries, as_json):
    if as_json:
        print(commands.readable(entries))
        return
    if not entries:
        return
    rows = [
        (
            _size(entry["size"]).rjust(8) if "size" in entry else entry["type"].rjust(8),
            datetime.datetime.fromtimestamp(entry["modified"]).strftime(MINUTE_FORMAT),
            printable(entry["name"]) + ("/" if entry["type"] == "folder" else ""),
        )
        for entry in entries
    ]
    for entry, row in zip(entries, aligned(rows), strict=True):
        if entry["type"] == "folder":
            row[-1] = paint(row[-1], "bold", sys.stdout)
        print("  ".join(row))


def _size(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def cat(fleet, names):
    """The bytes of a file, as they are."""
    commands.reachable(fleet, names.place.device)
    for data in Files(fleet, names.place.device).read(names.place.path):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def rm(fleet, names):
    """Files, and with -r folders."""
    for place in names.places:
        commands.reachable(fleet, place.device)
        files = Files(fleet, place.device)
        path = place.path.rstrip("/")
        if names.recursive:
            _remove_below(files, path)
        try:
            files.remove(path)
        except CallError as error:
            if error.code == "not-empty" and not names.recursive:
                raise UsageError(f"{path} is a folder with something in it: -r") from None
            raise


def _remove_below(files, path):
    found = files.stat(path)
    if found is None or found["type"] != "folder":
        return
    for entry in list(files.list(path)):
        inner = posixpath.join(path, entry["name"])
        _remove_below(files, inner)
        files.remove(inner)


def mv(fleet, names):
    """Another name on the same device."""
    source = names.place
    to = parse_place(names.to)
    if to.device not in (None, source.device):
        raise UsageError("both names are on one device; limpet cp copies between machines")
    commands.reachable(fleet, source.device)
    files = Files(fleet, source.device)
    target = to.path
    found = None if target.endswith("/") else files.stat(target)
    if target.endswith("/") or (found and found["type"] == "folder"):
        target = posixpath.join(target, posixpath.basename(source.path.rstrip("/")))
    files.move(source.path, target, names.force)


def mkdir(fleet, names):
    """A folder."""
    commands.reachable(fleet, names.place.device)
    Files(fleet, names.place.device).make_folder(names.place.path)
