"""Packs files into the archive that a kernel starts from: cpio's `newc` form.

The one rule: the same files give the same bytes. Source: the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst.
"""

DIRECTORY, FILE, LINK = 0o040755, 0o100755, 0o120777


class Archive:
    """Collects entries; `bytes()` gives the archive."""

    def __init__(self):
        self._parts = []
        self._count = 0
        self._folders = set()

    def folder(self, name):
        """Add a folder, and those that it is in, unless they are there."""
        if name and name not in self._folders:
            self.folder(name.rpartition("/")[0])
            self._folders.add(name)
            self._add(name, DIRECTORY, b"")

    def file(self, name, content):
        """Add a file, executable by all, and the folders that it is in."""
        self.folder(name.rpartition("/")[0])
        self._add(name, FILE, content)

    def link(self, name, target):
        """Add a symbolic link."""
        self._add(name, LINK, target.encode())

    def bytes(self):
        """The whole archive."""
        self._add("TRAILER!!!", 0, b"")
        self._count -= 1
        return b"".join(self._parts)

    def _add(self, name, mode, content):
        self._count += 1
        encoded = name.encode() + b"\0"
        numbers = (self._count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % number for number in numbers) + encoded
        self._parts.append(head + b"\0" * (-len(head) % 4))
        self._parts.append(content + b"\0" * (-len(content) % 4))
