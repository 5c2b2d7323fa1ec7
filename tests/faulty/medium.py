"""A file system whose power can be cut at every single operation; folders and open files too.

It stands where `limpet_start.Files` and `slots_files.Files` stand. Names and contents are kept in
two states: what a reader sees now, and what the medium holds. The one rule: nothing is certain
but what was synced: contents by the file's own sync, names by the sync of their folder. What
becomes of the rest at `cut()` is decided by `luck`:

    none    it is lost                    all    it arrived, but for the operation that was cut
    torn    as all, and half of that one  lfs    names arrived, contents that were closed as well
    fat     names arrived, contents in part     kill   only the process ended
    a number: each by a coin of that seed
"""

import random


class PowerCut(Exception):
    """The power went at this operation."""


FOLDER = "folder"
LUCKS = ("none", "all", "torn", "lfs", "fat", "kill")


class _Node:
    def __init__(self):
        self.seen = b""
        self.kept = b""
        self.closed = b""


class _Open:
    """An open file."""

    def __init__(self, medium, node, mode):
        self._medium = medium
        self._writes = mode != "rb"
        self.node = node
        self._at = 0

    def read(self, count):
        """As of a file."""
        data = self.node.seen[self._at : self._at + count]
        self._at += len(data)
        return data

    def readinto(self, buffer):
        """As of a file."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self):
        """As of a file."""
        end = self.node.seen.find(b"\n", self._at)
        return self.read((len(self.node.seen) if end < 0 else end + 1) - self._at)

    def seek(self, at, whence=0):
        """As of a file."""
        self._at = at if whence == 0 else len(self.node.seen) + at
        return self._at

    def write(self, data):
        """As of a file: one operation."""
        data = bytes(data)
        self._medium.step(lambda: self._put(data[: len(data) // 2]))
        if self._medium.full:
            raise OSError(28)
        self._put(data)
        return len(data)

    def _put(self, data):
        old = self.node.seen
        self.node.seen = old[: self._at] + data + old[self._at + len(data) :]
        self._at += len(data)

    def close(self):
        """As of a file."""
        if self._writes:
            self.node.closed = self.node.seen

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if not error or error[0] is None:
            self.close()


class Medium:
    """`cut_at` is the number of the operation that the power goes at, None never."""

    def __init__(self, cut_at=None, luck="none"):
        self.operations = 0
        self.cut_at = cut_at
        self.luck = luck
        self.full = False
        self.fills_at = None  # the operation from which on it is full
        self._seen = {"r": FOLDER}
        self._kept = {"r": FOLDER}

    def step(self, half=None):
        """One operation, or the end."""
        if self.operations == self.cut_at:
            if self.luck == "torn" and half:
                half()
            raise PowerCut()
        self.operations += 1
        if self.fills_at is not None and self.operations > self.fills_at:
            self.full = True

    def open(self, path, mode):
        """As Files.open: one operation if it makes or empties a file."""
        node = self._seen.get(path)
        if mode == "wb":
            self._check_parent(path)
            self.step()
            if self.full:
                raise OSError(28)
            if not isinstance(node, _Node):
                node = self._seen[path] = _Node()
            node.seen = b""
        elif not isinstance(node, _Node):
            raise OSError(2)
        return _Open(self, node, mode)

    def _check_parent(self, path):
        if self._seen.get(path.rsplit("/", 1)[0]) != FOLDER:
            raise OSError(2)

    def sync(self, file):
        """As Files.sync: one operation."""
        self.step()
        file.node.kept = file.node.closed = file.node.seen

    def sync_folder(self, path):
        """As Files.sync_folder: one operation."""
        self.step()
        for one in set(self._children(self._kept, path)) - set(self._children(self._seen, path)):
            del self._kept[one]
        for one in self._children(self._seen, path):
            self._kept[one] = self._seen[one]

    def _children(self, names, folder):
        start = folder + "/"
        return [one for one in names if one.startswith(start) and "/" not in one[len(start) :]]

    def entries(self, folder):
        """As Files.entries."""
        if self._seen.get(folder) != FOLDER:
            raise OSError(2)
        rows = [(path.rsplit("/", 1)[1], path) for path in self._children(self._seen, folder)]
        return [(name, "d" if self._seen[path] == FOLDER else "f") for name, path in sorted(rows)]

    def mkdir(self, path):
        """As Files.mkdir: one operation."""
        self._check_parent(path)
        self.step()
        if path in self._seen:
            raise OSError(17)
        self._seen[path] = FOLDER

    def remove(self, path):
        """As Files.remove: one operation."""
        self.step()
        if not isinstance(self._seen.get(path), _Node):
            raise OSError(2)
        del self._seen[path]

    def rmdir(self, path):
        """As Files.rmdir: one operation."""
        self.step()
        if self._children(self._seen, path):
            raise OSError(39)
        del self._seen[path]

    def rename(self, old, new):
        """As os.rename: one operation, whole or not at all."""
        self.step()
        self._seen[new] = self._seen.pop(old)

    def make_executable(self, path):
        """As Files.make_executable."""

    def cut(self):
        """The power goes and comes back."""
        luck = self.luck
        if luck == "kill":
            self._forget_handles()
            return
        coin = random.Random(luck) if isinstance(luck, int) else None
        names = {}
        for path in sorted(set(self._seen) | set(self._kept)):
            names_arrive = coin.random() < 0.5 if coin else luck != "none"
            found = (self._seen if names_arrive else self._kept).get(path)
            if found is not None:
                names[path] = found
        whole = {}
        for path in sorted(names):
            if path == "r" or path.rsplit("/", 1)[0] in whole:
                whole[path] = names[path]
        for node in set(one for one in whole.values() if isinstance(one, _Node)):
            node.seen = self._content(node, luck, coin)
        self._seen = whole
        self._forget_handles()
        self._kept = dict(whole)

    def _content(self, node, luck, coin):
        if coin:
            luck = coin.choice(("none", "all", "fat", "zeros"))
        if luck == "none":
            return node.kept
        if luck == "lfs":
            return node.closed
        if luck == "fat":
            return node.kept if node.seen == node.kept else node.seen[: len(node.seen) // 2]
        if luck == "zeros" and node.seen != node.kept:
            return bytes(len(node.seen))
        return node.seen

    def _forget_handles(self):
        for path, node in list(self._seen.items()):
            if isinstance(node, _Node):
                made = _Node()
                made.seen = made.closed = node.seen
                made.kept = node.kept if self.luck == "kill" else node.seen
                if self._kept.get(path) is node:
                    self._kept[path] = made
                self._seen[path] = made
        self.cut_at = None
