"""Records in segments: an append-only log that a power cut cannot shorten.

A log NAME is a run of files `NAME-<number>.log` in one folder, numbered upwards; each holds
records one behind the other: length, CRC, payload. The CRC covers the segment's number and the
record's place too, so that no stale block of the medium and no copy passes for a record.

The one rule: what `append` returned is there for ever after, and in its order; of an append that
was cut off, any of its records may be there or not. So `recover` skips what is not whole and
counts it: bytes behind the last whole record are a torn tail, which is normal; bytes before it
are damage, which is not. Behind a tail that is not known to be clean nothing is ever written: the
next append begins a new segment. What an earlier run wrote and could not sync before it was killed
is synced before `recover` returns, or an answer could be given that the next power cut takes back.

What to drop, and when, is the owner's: it removes whole segments, oldest first, each removal on
the medium before the next. Each append is one write and one sync. Owner: the main thread.
"""

import os
import struct
from binascii import crc32

from interpreter import sync_file

from agent.store import Files, StoreError

MAX_RECORD_BYTES = 16384  # a segment is held whole in memory while it is recovered
SEGMENT_BYTES = 4096  # an erase block of most flash chips
MAX_SEGMENT = 0x7FFFFFFF  # a name beyond it is not ours: no device lives to write so many
_USUAL_BYTES = 512  # what one read of a record asks for: more would be set aside for nothing
_HEAD = "<HI"  # length of the payload, CRC-32 of segment number, place, length and payload
_HEAD_BYTES = struct.calcsize(_HEAD)


def record_bytes(payload):
    """What `payload` takes in a log."""
    return _HEAD_BYTES + len(payload)


def has_log(folder, name):
    """Whether an earlier run left a log called `name`."""
    try:
        return any([found.startswith(name + "-") for found in os.listdir(folder)])
    except OSError:
        return False


class LogFiles(Files):
    """The real files, with what a log needs beside whole reads and writes."""

    def append(self, path, data):
        """Put `data` behind the file's content, on the medium before this returns."""
        with open(path, "ab") as file:
            file.write(data)
            sync_file(file)

    def read_part(self, path, offset, limit):
        """At most `limit` bytes from `offset` on. Raises OSError."""
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(limit)

    def names(self, folder):
        """The names in the folder. Raises OSError."""
        return os.listdir(folder)

    def remove(self, path):
        """Remove the file; it may come back until the folder is synced. Raises OSError."""
        os.remove(path)


class Records:
    """One log. A place is (segment number, offset), two ints; `recover` comes before all else.

    `damaged_bytes` and `torn_bytes` tell what the recovery skipped; `syncs` and `written_bytes`
    count what appending cost.
    """

    def __init__(self, folder, name, files=None, segment_bytes=SEGMENT_BYTES):
        self._folder = folder.rstrip("/") or "/"
        self._name = name
        self._files = files or LogFiles()
        self._segment_bytes = segment_bytes
        self._sizes = {}  # segment number: bytes in it
        self._last = 0  # number of the newest segment
        self._clean = False  # whether the newest may be written behind
        self.damaged_bytes = self.torn_bytes = 0
        self.syncs = self.written_bytes = 0

    @property
    def segments(self):
        """Numbers of the segments, oldest first."""
        return sorted(self._sizes)

    @property
    def size_bytes(self):
        """Bytes in all segments."""
        return sum(self._sizes.values())

    @property
    def end(self):
        """The place behind all that was appended."""
        return self._last, self._sizes.get(self._last, 0)

    def recover(self, take):
        """Call `take(place, payload)` for each record that is there, oldest first.

        Raises StoreError where the medium cannot be read or synced.
        """
        try:
            for number in sorted(self._numbers()):
                self._recover_segment(number, take)
            if self._sizes:
                self._files.append(self._path(self._last), b"")
                self._files.sync_folder(self._folder)
                self.syncs += 2
        except OSError as error:
            raise StoreError("%s: cannot be read: %s" % (self._path(self._last), error))

    def _numbers(self):
        start, end = self._name + "-", ".log"
        for name in self._files.names(self._folder):
            if name.startswith(start) and name.endswith(end):
                digits = name[len(start) : -len(end)]
                if digits and all([digit in "0123456789" for digit in digits]):
                    number = int(digits)
                    if number <= MAX_SEGMENT and name == "%s%08d%s" % (start, number, end):
                        yield number

    def _recover_segment(self, number, take):
        limit = self._segment_bytes + MAX_RECORD_BYTES  # more than any segment has
        data = self._files.read(self._path(number), limit) or b""
        self._last = number
        self._sizes[number] = len(data)
        at = good = 0
        while at + _HEAD_BYTES <= len(data):
            stop = at + _HEAD_BYTES + struct.unpack_from("<H", data, at)[0]
            payload = _open_record(number, at, data[at:stop])
            if payload is not None:
                self.damaged_bytes += at - good
                good = stop
                take((number, at), payload)
            at = stop
        self.torn_bytes += len(data) - good
        self._clean = good == len(data) < limit

    def append(self, payloads):
        """Put all `payloads`, bytes, behind the log: their places, once they are on the medium.

        Raises StoreError, and then each of them may be there after a restart or not.
        """
        places = []
        data = []
        size = self._begin()
        for payload in payloads:
            if not 0 < len(payload) <= MAX_RECORD_BYTES:
                raise StoreError("a record of %d bytes" % len(payload))
            if size and size + _HEAD_BYTES + len(payload) > self._segment_bytes:
                self._write(data)
                data = []
                self._clean = False
                size = self._begin()
            places.append((self._last, size))
            data.append(_make_record(self._last, size, payload))
            size += len(data[-1])
        self._write(data)
        return places

    def _begin(self):
        """The size of the segment to write to, a new one if need be."""
        if not self._clean:
            self._last += 1
            self._clean = True
        return self._sizes.get(self._last, 0)

    def _write(self, data):
        if not data:
            return
        path = self._path(self._last)
        data = b"".join(data)
        is_new = self._last not in self._sizes
        self._clean = False  # until it is known that all of it arrived
        try:
            if is_new:
                self._files.write(path, data)
                self._files.sync_folder(self._folder)
                self.syncs += 1
            else:
                self._files.append(path, data)
        except OSError as error:
            if is_new:
                self._last -= 1  # the next append tries this number again: failures leave one file
            raise StoreError("%s: cannot be written: %s" % (path, error))
        self._clean = True
        self._sizes[self._last] = self._sizes.get(self._last, 0) + len(data)
        self.syncs += 1
        self.written_bytes += len(data)

    def read(self, place):
        """The payload of the record at `place`, or None if it is not whole there any more."""
        number, offset = place
        path = self._path(number)
        try:
            data = self._files.read_part(path, offset, _USUAL_BYTES)
            if len(data) < _HEAD_BYTES:
                return None
            stop = _HEAD_BYTES + struct.unpack_from("<H", data, 0)[0]
            if stop > len(data):
                data = self._files.read_part(path, offset, stop)
        except OSError:
            return None
        return _open_record(number, offset, data[:stop])

    def drop_oldest(self):
        """Remove the oldest segment, which must not be the only one. Raises StoreError."""
        number = min(self._sizes)
        try:
            self._files.remove(self._path(number))
            self._files.sync_folder(self._folder)
        except OSError as error:
            raise StoreError("%s: cannot be removed: %s" % (self._path(number), error))
        self.syncs += 1
        del self._sizes[number]

    def _path(self, number):
        return "%s/%s-%08d.log" % (self._folder, self._name, number)


def _checksum(number, offset, payload):
    place = struct.pack("<III", number, offset, len(payload))
    return crc32(payload, crc32(place)) & 0xFFFFFFFF


def _make_record(number, offset, payload):
    head = struct.pack(_HEAD, len(payload), _checksum(number, offset, payload))
    return head + payload


def _open_record(number, offset, data):
    """The payload of a whole record, None for anything else."""
    payload = data[_HEAD_BYTES:]
    length, checksum = struct.unpack_from(_HEAD, data, 0)
    if not length or length != len(payload) or checksum != _checksum(number, offset, payload):
        return None
    return payload
