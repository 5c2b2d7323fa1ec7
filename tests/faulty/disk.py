"""A disk whose power can be cut at every single operation.

It stands where `agent.store.Files` stands. What was written is kept in two states: what a reader
sees now, and what the medium holds. `cut()` throws away the first and leaves the second, torn as a
real medium may leave it. The one rule: nothing reaches the medium but by a sync, except by the
luck of the write-back, which `luck` decides for each file: 'none', 'all', or a number of bytes.
"""


class PowerCut(Exception):
    """The power went at this operation."""


class Disk:
    """Files in memory; `cut_at` is the number of the operation that the power goes at, None
    never."""

    def __init__(self, cut_at=None, luck="none"):
        self.operations = 0
        self.cut_at = cut_at
        self.luck = luck
        self.full = False
        self._seen = {}  # path: bytes, what a reader sees
        self._medium = {}  # path: bytes, what survives
        self._named = set()  # paths whose name is on the medium

    def read(self, path, limit):
        """As Files.read."""
        data = self._seen.get(path)
        return None if data is None else data[:limit]

    def write(self, path, data):
        """As Files.write: truncate, write, sync, each an operation."""
        self._change(path, b"")
        self._step()
        if self.full:
            self._change(path, data[: len(data) // 2])
            raise OSError(28)
        self._change(path, data)
        self._step()
        self._medium[path] = data

    def sync_folder(self, path):
        """As Files.sync_folder."""
        self._step()
        self._named.update(self._seen)

    def _change(self, path, data):
        old = self._medium.get(path)
        self._seen[path] = data
        if self.luck == "all":
            self._medium[path] = data
            self._named.add(path)
        elif self.luck != "none":
            self._medium[path] = data[: self.luck] if data else (old or b"")[: self.luck]
            self._named.add(path)

    def _step(self):
        if self.operations == self.cut_at:
            raise PowerCut()
        self.operations += 1

    def cut(self):
        """The power goes and comes back: only what the medium holds is there."""
        self._seen = {p: d for p, d in self._medium.items() if p in self._named}
        self._medium = dict(self._seen)
        self.cut_at = None
