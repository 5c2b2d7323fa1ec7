"""Named roots, and the places below them that a caller may reach.

The one rule: what is found here lies below a root, on the root's own file system, behind no link,
in none of the kernel's own trees, and is none of the agent's secrets: neither the data folder
(keys, journal) nor the files of the configuration. The agent's secrets are known by what they are,
device and inode, whatever way leads to them; where the file system has no inodes, a root that
could hold them is refused as a whole.
"""

import os

from agent.commands.paths import parse
from agent.errors import Unavailable
from agent.files.faults import FileFault, fault

_KIND = 0o170000
FILE, FOLDER, LINK = 0o100000, 0o040000, 0o120000
KINDS = {FILE: "file", FOLDER: "folder", LINK: "link"}  # everything else is `other`

_MODE, _INODE, _DEVICE = 0, 1, 2  # of what os.stat returns


# What a process holds is told below /proc, the agent's environment too; every device is in /dev.
KERNEL_TREES = ("/proc", "/sys", "/dev")


def kind_of(found):
    """FILE, FOLDER, LINK or another kind, of what os.stat returned."""
    return found[_MODE] & _KIND


def _identity(found):
    return (found[_DEVICE], found[_INODE]) if found[_INODE] else None


def _check_kernel(path, found):
    """Raise FileFault for a root on the file system of one of the kernel's own trees."""
    for tree in KERNEL_TREES:
        try:
            device = os.stat(tree)[_DEVICE]
            # MicroPython makes up what it says of "/"; of "/." the kernel is asked.
            if device == found[_DEVICE] and device != os.stat("/.")[_DEVICE]:
                text = "%s: a root may not be in %s, where the kernel shows what is everybody's"
                raise FileFault("denied", text % (path, tree))
        except OSError:
            pass  # a board has none


class Root:
    """One row of the configuration. `make` says that the agent makes the folder itself."""

    def __init__(self, name, path, write, make=False):
        self.name = name
        self.path = path.rstrip("/") or "/"
        self.write = write
        self.make = make


class Secrets:
    """What no path may lead to. `folder` is the data folder, `files` are paths."""

    def __init__(self, folder, files):
        self._folder = folder
        self._files = [path for path in files if path]

    def identities(self):
        """Device and inode of each that there is; the files are looked for anew each time."""
        found = []
        for path in [self._folder] + self._files:
            try:
                found.append(_identity(os.stat(path)))
            except OSError:
                pass
        return [identity for identity in found if identity]

    def above(self):
        """Device and inode of every folder that holds one of them: none of these may move."""
        found = []
        for path in [self._folder] + self._files:
            path = path if path == self._folder else (path.rsplit("/", 1) + ["."])[0] or "/"
            while True:
                try:
                    identity = _identity(os.stat(path))
                except OSError:
                    break
                if identity is None or identity in found:
                    break
                found.append(identity)
                path += "/.."
        return found

    def check_root(self, root):
        """Without inodes: raise Unavailable for a root that holds one of them."""
        start = _whole(root.path).lower()
        for path in [self._folder] + self._files:
            path = _whole(path).lower() + "/"
            if path.startswith(start if start == "/" else start + "/"):
                text = "%s: it holds the agent's own data, which cannot be told apart here"
                raise Unavailable(text % root.name)


def _whole(path):
    base = "" if path.startswith("/") else os.getcwd().rstrip("/") + "/"
    return (base + path).rstrip("/") or "/"


class Place:
    """A name in an open folder; `close` it. `name` is None for a root itself."""

    def __init__(self, tree, path, root, folder, name):
        self._tree = tree
        self._calls = tree.calls
        self.path = path  # as the caller wrote it
        self.root = root
        self.name = name
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._calls.close_folder(self.folder)

    def beside(self, name):
        """A path, for the system, of another name in the same folder."""
        return self._calls.in_folder(self.folder, name)

    @property
    def folder_path(self):
        """A path, for the system, of the folder."""
        return self._calls.path_of(self.folder)

    @property
    def system_path(self):
        """A path, for the system, of this place."""
        return self.folder_path if self.name is None else self.beside(self.name)

    def look(self, name=None):
        """os.stat of the place, a link's own, or of another name beside it. Raises FileFault."""
        name = name or self.name
        try:
            if name is None:
                return os.stat(self.folder_path)
            found = self._calls.look(self.folder, name)
        except OSError as error:
            raise fault(self.path, error)
        self._tree.check_secret(self.path, found)
        return found

    def exists(self, name=None):
        """What `look` gives, None where there is nothing."""
        try:
            return self.look(name)
        except FileFault as error:
            if error.code == "not-found":
                return None
            raise

    def open(self, mode, name=None):
        """An open file: an ordinary one, of which nothing else was touched. Raises FileFault."""
        try:
            return self._calls.open_file(self.folder, name or self.name, mode, self._accept)
        except OSError as error:
            raise fault(self.path, error)

    def _accept(self, found):
        self._tree.check_secret(self.path, found)
        check_file(self.path, found)

    def make(self, name, executable):
        """Make an empty file in the folder. Raises FileFault."""
        try:
            self._calls.make_file(self.folder, name, executable)
        except OSError as error:
            raise fault(self.path, error)

    def check_writable(self):
        """Raise FileFault where the root is only to be read, or the place is a root itself."""
        if not self.root.write:
            text = "%s: the root %s is only to be read; its `write` in the configuration is false"
            raise FileFault("denied", text % (self.path, self.root.name))
        if self.name is None:
            raise FileFault("denied", "%s: a root stays as it is" % self.path)


def check_file(path, found):
    """Raise FileFault unless what os.stat returned is an ordinary file's."""
    kind = kind_of(found)
    if kind == FILE:
        return
    if kind == LINK:
        raise FileFault("denied", "%s: a link: links are not followed" % path)
    words = "a folder" if kind == FOLDER else "a device, a FIFO or a socket"
    raise FileFault("not-a-file", "%s: %s; only files have content here" % (path, words))


class Tree:
    """The roots of one device. `calls` is the module held.py or plain.py."""

    def __init__(self, roots, secrets, calls):
        self.roots = roots
        self.secrets = secrets
        self.calls = calls

    def find(self, path, member="path"):
        """The Place of a path. Raises BadParams, FileFault or Unavailable."""
        name, names = parse(path, member)
        root = self._root(name)
        folder = self._walk(path, root, names[:-1])
        return Place(self, path, root, folder, names[-1] if names else None)

    def find_folder(self, path, member="path"):
        """A Place whose folder is the one that `path` names, its `name` None."""
        name, names = parse(path, member)
        root = self._root(name)
        return Place(self, path, root, self._walk(path, root, names), None)

    def _walk(self, path, root, names):
        """The open folder of `names` below a root; the owner closes it."""
        held = []
        try:
            held.append(self._open_root(root))
            found = os.stat(self.calls.path_of(held[0]))
            if _identity(found) is None:
                self.secrets.check_root(root)
            _check_kernel(path, found)
            self.check_secret(path, found)
            for name in names:
                held.append(self.calls.open_below(held[0], name))
                self.calls.close_folder(held.pop(0))
                self._check_folder(path, held[0], found[_DEVICE])
            return held.pop()
        except OSError as error:
            raise fault(path, error)
        finally:
            for folder in held:
                self.calls.close_folder(folder)

    def _check_folder(self, path, folder, device):
        found = os.stat(self.calls.path_of(folder))
        if found[_DEVICE] != device:
            # /proc holds the agent's memory, /dev everything: neither is ever below a root.
            text = "%s: another file system begins there; give it a root of its own"
            raise FileFault("denied", text % path)
        self.check_secret(path, found)

    def check_secret(self, path, found):
        """Raise FileFault for what is the agent's alone."""
        identity = _identity(found)
        if identity is not None and identity in self.secrets.identities():
            raise FileFault("denied", "%s: the agent's own; no command reaches it" % path)

    def check_movable(self, place):
        """Raise FileFault for a folder that holds what is the agent's."""
        identity = _identity(place.look())
        if identity is not None and identity in self.secrets.above():
            text = "%s: the agent's own data is below it"
            raise FileFault("denied", text % place.path)

    def _root(self, name):
        for root in self.roots:
            if root.name == name:
                return root
        names = ", ".join([root.name for root in self.roots]) or "none"
        text = "%s: a path begins with the name of a root; there are: %s"
        raise FileFault("not-found", text % (name, names))

    def _open_root(self, root):
        try:
            return self.calls.open_root(root.path)
        except OSError:
            if not root.make:
                raise
        os.mkdir(root.path)
        return self.calls.open_root(root.path)


def make_tree(rows, data, secret_files):
    """The Tree of a configuration: `rows` of {name, path, write}; None: `files` in `data`."""
    try:
        from agent.files import held as calls
    except Unavailable:
        from agent.files import plain as calls
    if rows is None:
        roots = [Root("files", data + "/files", True, True)]
    else:
        roots = [Root(row["name"], row["path"], row["write"]) for row in rows]
    return Tree(roots, Secrets(data, secret_files), calls)
