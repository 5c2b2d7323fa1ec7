"""A sysfs in memory: `files` is a dict of path: text. The contract is that of `sysfs`.

`hooks` has for a path what is called with each text written there, before it is kept: drivers
make other files appear, or refuse by OSError.
"""

from agent.devices import faults
from agent.devices.sysfs import Tree

_ENOENT = 2


class FakeTree(Tree):
    """Files that a test or a fake driver may change at any time."""

    def __init__(self, files, hooks=()):
        super().__init__("/sys")
        self.files = files
        self.hooks = dict(hooks)
        self.written = []

    def names(self, folder, start=""):
        """The names in a folder."""
        head = folder + "/"
        found = {path[len(head) :].split("/")[0] for path in self.files if path.startswith(head)}
        return sorted([name for name in found if name.startswith(start)])

    def read(self, path, default=None):
        """The text of a file."""
        if path in self.files:
            return str(self.files[path]).strip()
        if default is not None:
            return default
        raise faults.from_os(faults.os_error(_ENOENT), self._path(path), "read")

    def write(self, path, value):
        """Keep a text, after its hook."""
        try:
            if path not in self.files:
                raise faults.os_error(_ENOENT)
            if path in self.hooks:
                self.hooks[path](str(value))
        except OSError as error:
            raise faults.from_os(error, self._path(path), "write %s to" % value)
        self.files[path] = str(value)
        self.written.append((path, str(value)))
