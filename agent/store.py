"""Small values that survive a power cut.

Each value lives in two records, `NAME.0` and `NAME.1`, that take turns: a write goes over the
older one and is synced before `write` returns, so the newer one is whole whatever happens
meanwhile. A record carries its turn, its length and a CRC; a torn one does not count. No rename is
needed, which FAT could not do atomically, so a write costs one sync.
The folder is synced once for each record in each run: a name that an earlier run made may still be
only in memory, if that run was killed between its write and its sync.

The files come as a collaborator, so that a test can cut the power at every operation.
"""

import errno
import os
import struct
import time
from binascii import crc32

from interpreter import sync_file, sync_folder

from agent.errors import LimpetError

LOCK_TRIES, LOCK_PAUSE_S = 20, 0.1  # a killed agent's children may hold its lock for a moment
MAX_VALUE_BYTES = 16384  # a value is held whole in memory, twice while it is written
_HEADER = "<4sIII"  # magic, turn, length, CRC-32 of turn, length and value
_HEADER_BYTES = struct.calcsize(_HEADER)
_MAGIC = b"LMP1"
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"


_KIND, _FILE, _FOLDER = 0xF000, 0x8000, 0x4000  # of the mode that os.stat gives


class StoreError(LimpetError):
    """A value could not be kept: no space, no permission, a wrong name; the message says which."""

    code = "store"


class Files:
    """The real files: whole reads, synced whole writes."""

    def read(self, path, limit):
        """The first `limit` bytes of the file, or None where there is none. Raises OSError.

        What is no file is refused before it is opened: to open a FIFO waits for its other end,
        for ever. Whoever appends to a file has read it before.
        """
        try:
            if os.stat(path)[0] & _KIND != _FILE:
                raise OSError(errno.EINVAL, "%s is not a file" % path)
            with open(path, "rb") as file:
                return file.read(limit)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise

    def write(self, path, data):
        """Make `data` the content of the file, on the medium before this returns."""
        with open(path, "wb") as file:
            file.write(data)
            sync_file(file)

    def sync(self, path):
        """Put on the medium what the file shows. Raises OSError."""
        with open(path, "ab") as file:
            sync_file(file)

    def sync_folder(self, path):
        """Put the names in the folder on the medium."""
        sync_folder(path)


class Store:
    """Named values in one folder. Owner: the main thread."""

    def __init__(self, folder, files=None):
        self._folder = folder.rstrip("/") or "/"
        self._files = files or Files()
        self._turns = {}  # name: (turn, index of the newer record)
        self._named = set()  # paths whose name this run has put on the medium

    def read(self, name):
        """The value last written under `name`, or None."""
        newest = None
        for index in (0, 1):
            record = _open_record(self._read(self._path(name, index)))
            if record and (newest is None or record[0] > newest[0]):
                newest = (record[0], index, record[1])
        if newest is None:
            return None
        self._turns[name] = newest[:2]
        return newest[2]

    def is_damaged(self, name):
        """Whether there are records of `name` and none of them is whole."""
        return self.read(name) is None and any(
            [self._read(self._path(name, index)) is not None for index in (0, 1)]
        )

    def confirm(self, name):
        """What was read under `name` is on the medium when this returns. Raises StoreError.

        A run that was killed while it wrote may have left it where the next power cut takes it.
        """
        path = self._path(name, self._turns[name][1])
        try:
            self._files.sync(path)
            if path not in self._named:
                self._files.sync_folder(self._folder)
        except OSError as error:
            raise StoreError("%s: cannot be synced: %s" % (path, error))
        self._named.add(path)

    def write(self, name, value):
        """Keep `value`, bytes, under `name`: it is on the medium when this returns.

        Raises StoreError, and then the value before this one still stands.
        """
        if len(value) > MAX_VALUE_BYTES:
            raise StoreError("%s: %d bytes; at most %d" % (name, len(value), MAX_VALUE_BYTES))
        if name not in self._turns:
            self.read(name)
        turn, index = self._turns.get(name, (0, 1))
        path = self._path(name, 1 - index)
        try:
            self._files.write(path, _make_record(turn + 1, value))
            if path not in self._named:
                self._files.sync_folder(self._folder)
        except OSError as error:
            raise StoreError("%s: cannot be written: %s" % (path, error))
        self._named.add(path)
        self._turns[name] = (turn + 1, 1 - index)

    def _read(self, path):
        try:
            return self._files.read(path, _LIMIT)
        except OSError as error:
            raise StoreError("%s: cannot be read: %s" % (path, error))

    def _path(self, name, index):
        if not name or any([c not in _NAME_CHARACTERS for c in name]):
            raise StoreError("%r: a name is made of a-z 0-9 - _" % name)
        return "%s/%s.%d" % (self._folder, name, index)


_LIMIT = MAX_VALUE_BYTES + _HEADER_BYTES + 1  # one more, so that a longer file is not a record


def _checksum(turn, value):
    return crc32(value, crc32(struct.pack("<II", turn, len(value)))) & 0xFFFFFFFF


def _make_record(turn, value):
    return struct.pack(_HEADER, _MAGIC, turn, len(value), _checksum(turn, value)) + value


def _open_record(data):
    """`(turn, value)` of a whole record, None for anything else."""
    if not data or len(data) < _HEADER_BYTES:
        return None
    magic, turn, length, checksum = struct.unpack(_HEADER, data[:_HEADER_BYTES])
    value = data[_HEADER_BYTES:]
    if magic != _MAGIC or length != len(value) or checksum != _checksum(turn, value):
        return None
    return turn, value


def check_folder(path):
    """Raise StoreError where the folder `path` is not there and could not be made either."""
    for part in _parts(path):
        try:
            if os.stat(part)[0] & _KIND != _FOLDER:
                raise StoreError("%s: it is there and no folder" % part)
        except OSError:
            return


def _parts(path):
    """Each folder on the way to `path`, and it."""
    made = "/" if path.startswith("/") else ""
    for part in [part for part in path.split("/") if part]:
        made += part
        yield made
        made += "/"


_IN_USE = "%s: another agent works in this folder; give each device its own `data`"


class InUse(LimpetError):
    """Another agent works in the folder: two of them would run things twice."""

    code = "in-use"


def lock_folder(folder):
    """Keep a second agent out of `folder` while this process lives.

    Returns what holds the lock, which goes with the process however it ends; None where markers
    (markers.py) do instead of locks, or the folder takes no file. Raises InUse.
    """
    try:
        import fcntl
    except ImportError:
        return _mark_folder(folder)
    try:
        file = open(folder.rstrip("/") + "/lock", "ab")
    except OSError:
        return None
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                file.close()
                return None  # a file system without locks
        time.sleep(LOCK_PAUSE_S)
    file.close()
    raise InUse(_IN_USE % folder)


def _mark_folder(folder):
    """Do with markers, which no runtime lacks on Linux, what a lock would do."""
    from agent import markers

    for _ in range(LOCK_TRIES):
        if markers.claim(folder):
            return
        time.sleep(LOCK_PAUSE_S)
    raise InUse(_IN_USE % folder)


def make_folder(path):
    """Make the folder `path`, and those above it that are missing, on the medium.

    Raises StoreError.
    """
    parent = "/" if path.startswith("/") else "."
    for made in _parts(path):
        try:
            _make_one(made, parent)
        except OSError as error:
            raise StoreError("%s: cannot be made: %s" % (made, error))
        parent = made


def _make_one(path, parent):
    try:
        is_folder = os.stat(path)[0] & _KIND == _FOLDER
    except OSError:
        os.mkdir(path)
        sync_folder(parent)
        return
    if not is_folder:
        raise OSError(errno.EEXIST, "it is there and no folder")
