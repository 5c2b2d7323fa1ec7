"""The files of one device: copied both ways, in parts, and checked.

Rule: a copy that was interrupted goes on from what is there, at both ends, whatever interrupted
it; a file takes its new content once all of it is there and its SHA-256 is right. A name that a
device tells is used on this computer only if it is a plain name.
"""

import base64
import collections
import contextlib
import hashlib
import json
import os
import time

from .errors import CallError, FileError, NoAnswer, Unreachable

WINDOW = 8  # parts under way at once
PATIENCE_S = 60.0  # how long to wait for a device that went away in the middle
REPLY_WITHIN_S = 3600  # the longest that a device takes
PAUSE_S = 0.3  # before asking again
LEAST_RATE = 500_000  # bytes that the slowest device hashes in a second
MOST_PART = 48 * 1024
_FRAME = 560  # bytes of a packet beside the parameters: topics, id, seal
_READ = 1 << 20


class Files:
    """`Files(fleet, "pump-7").upload("a.txt", "files/a.txt")`.

    `patience` is how long a copy waits for a device that does not answer, in seconds since it
    last got on. Raises CallError for what the device refuses, FileError, and what a call raises.
    """

    def __init__(self, fleet, device, patience=PATIENCE_S):
        self._fleet = fleet
        self.device = device
        self._patience = patience
        self._limits = None

    def roots(self):
        """What `fs.roots` tells: {roots, packet_bytes, part_bytes}."""
        if self._limits is None:
            self._limits = self._call("roots")
        return self._limits

    def list(self, path):
        """The entries of a folder, by name: dicts of name, type, size, modified."""
        after = ""
        while True:
            page = self._call("list", path=path, after=after)
            for entry in page["entries"]:
                yield dict(entry, name=plain_name(entry["name"]))
            if not page["more"] or not page["entries"]:
                return
            after = page["entries"][-1]["name"]

    def stat(self, path):
        """What is there, or None: a dict of type, size, modified, executable."""
        try:
            return self._call("stat", path=path)
        except CallError as error:
            if error.code == "not-found":
                return None
            raise

    def hash(self, path, size):
        """The SHA-256 of the file's first `size` bytes, as hex."""
        return self._call("hash", size, path=path, length=size)["sha256"]

    def remove(self, path):
        self._call("remove", path=path)

    def move(self, path, to, replace=False):
        self._call("move", path=path, to=to, replace=replace)

    def make_folder(self, path):
        self._call("make_folder", path=path)

    def read(self, path, offset=0, size=None):
        """The bytes of a file in parts, from `offset` to `size`, else to its end."""
        step = self.roots()["part_bytes"]
        while size is None or offset < size:
            wanted = step if size is None else min(step, size - offset)
            told = self._call("read", path=path, offset=offset, size=wanted)
            data = base64.b64decode(told["data"])
            if not data:
                return
            yield data
            offset += len(data)

    # Copying

    def upload(self, local, path, told=None):
        """Copy a file to the device; `told(done, size)` hears how far it is.

        Returns False if it had that content already.
        """
        with open(local, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = _hash(file, size)
            executable = bool(os.fstat(file.fileno()).st_mode & 0o100)
            if self._has(path, size, content, executable):
                _tell(told, size, size)
                return False
            words = {"path": path, "sha256": content, "size": size, "executable": executable}
            for attempt in (1, 2):
                self._put(file, words, told)
                try:
                    self._call("finish", size, path=path, sha256=content, size=size)
                    return True
                except CallError as error:
                    # After a power cut of the device what is there may be torn.
                    if error.code not in ("wrong-content", "incomplete") or attempt == 2:
                        raise
        return True

    def _has(self, path, size, content, executable):
        found = self.stat(path)
        if found is None or found["type"] != "file" or found.get("size") != size:
            return False
        if executable and not found.get("executable"):
            return False
        return self.hash(path, size) == content

    def _put(self, file, words, told):
        def ask(offset):
            return self._submit("put", dict(words, offset=offset, data=_read_part(offset)))

        def _read_part(offset):
            file.seek(offset)
            data = file.read(min(step, words["size"] - offset))
            return base64.b64encode(data).decode()

        step = self._part_bytes(words)
        have = self._call("put", **words)["have"]
        _tell(told, have, words["size"])
        run = _Window(self, ask, lambda: self._call("put", **words)["have"], step)
        for end, result in run.parts(have, words["size"]):
            if result["have"] < end:
                run.go_back(result["have"])
            _tell(told, run.done, words["size"])

    def _part_bytes(self, words):
        room = self.roots()["packet_bytes"] - _FRAME - len(json.dumps(words))
        return min(MOST_PART, max(30, room // 4 * 3))

    def download(self, path, local, told=None):
        """Copy a file from the device. Returns False if `local` had that content already."""
        found = self.stat(path)
        if found is None or found["type"] != "file":
            raise FileError(f"{self.device}:{path} is no file")
        size = found["size"]
        content = self.hash(path, size)
        if os.path.isfile(local) and os.path.getsize(local) == size:
            with open(local, "rb") as file:
                if _hash(file, size) == content:
                    _tell(told, size, size)
                    return False
        folder, name = os.path.split(os.path.abspath(local))
        partial = os.path.join(folder, f".{name}.{content[:12]}.part")
        self._get(path, partial, size, told)
        with open(partial, "rb") as file:
            if _hash(file, size) != content or os.path.getsize(partial) != size:
                os.remove(partial)
                raise FileError(f"{self.device}:{path} changed while it was copied: copy it again")
            os.fsync(file.fileno())
        if found.get("executable"):
            os.chmod(partial, os.stat(partial).st_mode | 0o111 & ~_umask())
        os.replace(partial, local)
        return True

    def _get(self, path, partial, size, told):
        step = min(MOST_PART, self.roots()["part_bytes"])
        with open(partial, "ab") as file:
            have = min(os.path.getsize(partial), size)
            file.truncate(have)
            _tell(told, have, size)

            def ask(offset):
                wanted = min(step, size - offset)
                return self._submit("read", {"path": path, "offset": offset, "size": wanted})

            run = _Window(self, ask, lambda: file.tell(), step)
            for end, result in run.parts(have, size):
                data = base64.b64decode(result["data"])
                if len(data) < end - file.tell():
                    raise FileError(f"{self.device}:{path} has become shorter")
                file.write(data[: end - file.tell()])
                _tell(told, end, size)

    # Calls

    def _submit(self, verb, params):
        members = {"reply_within": min(self._fleet.timeout, REPLY_WITHIN_S)}
        return self._fleet.submit(self.device, "fs." + verb, params, members=members)

    def _call(self, verb, work_bytes=0, **params):
        """One command; asked again while the device is away, with the id of the first time."""
        timeout = self._fleet.timeout + work_bytes / LEAST_RATE
        id = None
        until = time.monotonic() + self._patience
        while True:
            call = self._fleet.submit(self.device, "fs." + verb, params, timeout=timeout, id=id)
            id = call.id
            try:
                return call.result()
            except (NoAnswer, Unreachable, CallError) as error:
                if not is_passing(error) or time.monotonic() > until:
                    raise
            time.sleep(PAUSE_S)


class _Window:
    """Parts of a file on their way, a few at a time, in order."""

    def __init__(self, files, ask, where, step):
        self._files = files
        self._ask = ask
        self._where = where
        self._step = step
        self._width = WINDOW
        self._under_way = collections.deque()
        self._next = 0
        self.done = 0

    def parts(self, start, size):
        """Yield (end of the part, its result) for each part from `start` on."""
        self._next = self.done = start
        until = None
        while self.done < size:
            while self._next < size and len(self._under_way) < self._width:
                end = min(size, self._next + self._step)
                self._under_way.append((end, self._ask(self._next)))
                self._next = end
            end, call = self._under_way.popleft()
            try:
                result = call.result()
            except (NoAnswer, Unreachable, CallError) as error:
                until = until or time.monotonic() + self._files._patience
                if not is_passing(error) or time.monotonic() > until:
                    raise
                self._drain()
                time.sleep(PAUSE_S)
                self._next = self.done = self._where()
                continue
            until = None
            self.done = end
            yield end, result

    def go_back(self, have):
        """What came behind a gap was not taken: go on from `have`, fewer at a time."""
        self._drain()
        self._width = max(1, self._width // 2)
        self._next = self.done = have

    def _drain(self):
        while self._under_way:
            with contextlib.suppress(NoAnswer, Unreachable, CallError):
                self._under_way.popleft()[1].result()


def is_passing(error):
    """Whether it may be over soon: the device restarts, or is busy."""
    return not isinstance(error, CallError) or error.code in ("busy", "expired", "stale")


def plain_name(name):
    """The name itself. Raises FileError for one that would lead elsewhere on this computer."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise FileError(f"the device tells a file called {name!r}, which is no name")
    if os.sep in name or (os.altsep and os.altsep in name):
        raise FileError(f"the device tells a file called {name!r}, which is no name here")
    return name


def _hash(file, size):
    total = hashlib.sha256()
    file.seek(0)
    left = size
    while left > 0:
        data = file.read(min(_READ, left))
        if not data:
            break
        total.update(data)
        left -= len(data)
    return total.hexdigest()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _tell(told, done, size):
    if told is not None:
        told(done, size)
