"""What drivers tell and take in files: sysfs, one value to a file.

The one rule: what a caller named becomes part of a path only after `child` has found it in its
folder. Errors are DeviceErrors. `sysfs_fake` keeps the same contract over a dict.
"""

import os

from agent.devices import faults


def make(use):
    """The kernel's own."""
    return Tree("/sys")


class Tree:
    """The files under `root`; paths are relative to it."""

    def __init__(self, root):
        self._root = root

    def names(self, folder, start=""):
        """The names in a folder that begin with `start`, sorted; [] where there is none."""
        try:
            return sorted([n for n in os.listdir(self._path(folder)) if n.startswith(start)])
        except OSError:
            return []

    def child(self, folder, name):
        """`folder/name`, checked to be there. Raises DeviceError telling what is."""
        have = self.names(folder)
        if name not in have:
            words = ", ".join(have) or "nothing"
            raise faults.refusal(name, "not in %s, which has %s" % (folder, words), "unavailable")
        return folder + "/" + name

    def read(self, path, default=None):
        """The text of a file, stripped; `default`, where one is given, if it cannot be read."""
        try:
            with open(self._path(path)) as file:
                return file.read().strip()
        except OSError as error:
            if default is not None:
                return default
            raise faults.from_os(error, self._path(path), "read")

    def number(self, path, default=None):
        """The integer in a file; `default`, where one is given, if there is none."""
        text = self.read(path, None if default is None else "")
        try:
            return int(text)
        except ValueError:
            if default is not None:
                return default
            raise faults.refusal(self._path(path), "expected a number, got %r" % text, "failed")

    def write(self, path, value):
        """Write a number or a text into a file that is there."""
        try:
            os.stat(self._path(path))  # opening for writing would make it
            with open(self._path(path), "w") as file:
                file.write(str(value))
        except OSError as error:
            raise faults.from_os(error, self._path(path), "write %s to" % value)

    def _path(self, path):
        return self._root + "/" + path
