"""A disk whose power can be cut at every single operation.

It stands where `agent.store.Files` and `agent.records.LogFiles` stand. What was written is kept in
two states: what a reader sees now, and what the medium holds. `cut()` throws away the first and
leaves the second, torn as a real medium may leave it. The one rule: nothing reaches the medium but
by a sync, except by the luck of the write-back, which `luck` decides for each write: 'none',
'all', a number of bytes, or 'zeros': the length arrives and the content does not. A removed file
is back after a cut, unless its folder was synced or the luck is 'all'.
A process that is killed leaves what a reader sees: then the test does not call `cut()`, and only
sets `cut_at` to None.
"""


class PowerCut(BaseException):
    """The power went at this operation; nothing that runs can catch it and go on."""


class Disk:
    """Files in memory; `cut_at` is the number of the operation that the power goes at, None
    never."""

    def __init__(self, cut_at=None, luck="none"):
        self.operations = 0
        self.cut_at = cut_at
        self.luck = luck
        self.full = False
        self.read_only = False
        self.syncs = 0
        self._seen = {}  # path: bytes, what a reader sees
        self._medium = {}  # path: bytes, what survives
        self._named = set()  # paths whose name is on the medium

    def read(self, path, limit):
        """As Files.read."""
        data = self._seen.get(path)
        return None if data is None else data[:limit]

    def read_part(self, path, offset, limit):
        """As LogFiles.read_part."""
        if path not in self._seen:
            raise OSError(2)
        return self._seen[path][offset : offset + limit]

    def names(self, folder):
        """As LogFiles.names."""
        start = folder + "/"
        return [path[len(start) :] for path in self._seen if path.startswith(start)]

    def write(self, path, data):
        """As Files.write: truncate, write, sync, each an operation."""
        self._check_writable()
        self._change(path, b"")
        self._step()
        if self.full:
            self._change(path, data[: len(data) // 2])
            raise OSError(28)
        self._change(path, data)
        self._step()
        self._medium[path] = data
        self.syncs += 1

    def append(self, path, data):
        """As LogFiles.append: write, sync, each an operation."""
        self._check_writable()
        old = self._seen.get(path, b"")
        if self.full and data:
            data = data[: len(data) // 2]
        self._seen[path] = old + data
        if self.luck == "all":
            self._keep(path, old + data)
        elif self.luck == "zeros":
            self._keep(path, old + bytes(len(data)))
        elif self.luck != "none":
            self._keep(path, old + data[: self.luck])
        self._step()
        if self.full and data:
            raise OSError(28)
        self._medium[path] = old + data
        self.syncs += 1

    def sync(self, path):
        """As Files.sync: one operation."""
        self._check_writable()
        self._step()
        self._medium[path] = self._seen[path]
        self.syncs += 1

    def remove(self, path):
        """As LogFiles.remove: one operation."""
        self._check_writable()
        self._step()
        if path not in self._seen:
            raise OSError(2)
        del self._seen[path]
        if self.luck == "all":
            self._named.discard(path)
            self._medium.pop(path, None)

    def sync_folder(self, path):
        """As Files.sync_folder."""
        self._check_writable()
        self._step()
        self._named = set(self._seen)
        self.syncs += 1

    def _check_writable(self):
        if self.read_only:
            raise OSError(30)

    def _keep(self, path, data):
        self._medium[path] = data
        self._named.add(path)

    def _change(self, path, data):
        old = self._medium.get(path)
        self._seen[path] = data
        if self.luck == "all":
            self._keep(path, data)
        elif self.luck == "zeros":
            self._keep(path, bytes(len(data)))
        elif self.luck != "none":
            self._keep(path, data[: self.luck] if data else (old or b"")[: self.luck])

    def _step(self):
        if self.operations == self.cut_at:
            raise PowerCut()
        self.operations += 1

    def cut(self):
        """The power goes and comes back: only what the medium holds is there."""
        self._seen = {p: d for p, d in self._medium.items() if p in self._named}
        self._medium = dict(self._seen)
        self.cut_at = None
