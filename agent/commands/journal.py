"""What is known of each `once` request: the rows, and the records that they are rebuilt from.

A request is known by its key, a hash of the caller's key name and the id, with a hash of its
content beside it; method, parameters and result stay on the medium. So a row takes ROW_BYTES of
memory, whatever the request holds. The one rule: a row is forgotten only to make room for another,
and only once its time has passed; README.md says why that time is long enough. What is forgotten
is named in the record of the request that took the room, so that reading the records in their
order ends in the same rows.

Pure: knows no file, clock or thread; time is an int of monotonic ms.
"""

import hashlib
import json
import struct
from binascii import hexlify, unhexlify
from collections import namedtuple

from agent.commands.message import Address
from agent.commands.registry import canonical
from agent.errors import Busy, IdReused

# RUNNING: promised in this boot. CUT: an earlier boot promised it and told no end. ENDED: the
# answer is at `place`. UNKEPT: it ended, and the answer could not be stored.
RUNNING, CUT, ENDED, UNKEPT = range(1, 5)

# place: where its newest record is; size: bytes counted for it, its answer's included.
Entry = namedtuple("Entry", ("key", "content", "forget_at", "place", "size", "state"))

Limits = namedtuple("Limits", ("entries", "bytes"))

# Between a broker's hands and ours a request may be older than it says: in buffers on the way,
# or unread while the main thread was busy.
SLACK_MS = 10_000

MAX_GONE = 40  # keys that one record names as forgotten
MAX_CORRELATION = 128  # bytes of it that survive a restart; one that is longer does not

_KEY_BYTES = 12  # nobody finds a second id for a key in 2^96 attempts
_CONTENT_BYTES = 8
_ROW = "<%ds%dsQIIHB" % (_KEY_BYTES, _CONTENT_BYTES)
ROW_BYTES = struct.calcsize(_ROW)


def make_key(key_name, identity):
    """The key of a request: bytes."""
    return _digest("%s\0%s" % (key_name, identity))[:_KEY_BYTES]


def make_content(method, params):
    """The hash that two requests with the same id must share: bytes."""
    return _digest("%s\0%s" % (method, canonical(params)))[:_CONTENT_BYTES]


def _digest(text):
    return hashlib.sha256(text.encode()).digest()


def lifetime_ms(request, now, queue_ms):
    """How long `request` must be remembered, so that no copy of it is taken for a new one.

    Its deadline or message expiry says when the last copy is refused. What has only a `ttl` does
    not age while a broker keeps it for a device that is away, for `queue_ms` at most.
    """
    life_ms = request.expires - now + queue_ms
    if request.dead_at is not None:
        life_ms = min(life_ms, request.dead_at - now)
    return life_ms + SLACK_MS


class Journal:
    """The rows, by key. `limits` bounds their number and the bytes of their records.

    Rows are taken up in turn, so that the search for one to forget goes on where it last ended,
    and finds the oldest first.
    """

    def __init__(self, limits):
        self._limits = limits
        self._rows = bytearray()
        self._free = []  # indexes of rows that hold nothing
        self._cursor = -1  # the row looked at last for one to forget
        self.live_bytes = 0

    def __len__(self):
        return len(self._rows) // ROW_BYTES - len(self._free)

    def find(self, key):
        """The Entry of `key`, or None."""
        index = self._index(key)
        return None if index is None else self._entry(index)

    def judge(self, key, content):
        """The Entry of `key`, or None. Raises IdReused if its content was another."""
        entry = self.find(key)
        if entry is not None and entry.content != content:
            raise IdReused("id: used already, with another method or other params")
        return entry

    def put(self, entry):
        """Make `entry` the row of its key."""
        index = self._index(entry.key)
        if index is not None:
            self.live_bytes -= self._entry(index).size
        elif self._free:
            index = self._free.pop()
        else:
            index = len(self._rows) // ROW_BYTES
            self._rows.extend(bytes(ROW_BYTES))
        self.live_bytes += entry.size
        words = (entry.key, entry.content, entry.forget_at)
        words += (entry.place[0], entry.place[1], entry.size, entry.state)
        struct.pack_into(_ROW, self._rows, index * ROW_BYTES, *words)

    def forget(self, key):
        """Take the row of `key` out, if there is one."""
        index = self._index(key)
        if index is not None:
            self._forget_row(index)

    def _forget_row(self, index):
        self.live_bytes -= self._entry(index).size
        start = index * ROW_BYTES
        self._rows[start : start + ROW_BYTES] = bytes(ROW_BYTES)
        self._free.append(index)

    def make_room(self, size, now):
        """Forget as much as a new row of `size` bytes needs: the keys forgotten.

        Raises Busy, and then nothing was forgotten.
        """
        count = len(self._rows) // ROW_BYTES
        found = []
        cursor = self._cursor
        left, rest = len(self), self.live_bytes + size
        for _ in range(count):
            if self._fits(left, rest) or len(found) == MAX_GONE:
                break
            cursor = (cursor + 1) % count
            entry = self._entry(cursor)
            if entry.forget_at <= now and entry.state != RUNNING and any(entry.key):
                found.append((cursor, entry.key))
                left -= 1
                rest -= entry.size
        if not self._fits(left, rest):
            raise Busy("%d commands are remembered and too young to be forgotten" % len(self))
        self._cursor = cursor
        for index, _ in reversed(found):  # so that the free rows come in turn again
            self._forget_row(index)
        return [key for _, key in found]

    def _fits(self, count, size):
        return count < self._limits.entries and size <= self._limits.bytes

    def entries(self):
        """Every Entry; rows may be changed and forgotten meanwhile."""
        for index in range(len(self._rows) // ROW_BYTES):
            entry = self._entry(index)
            if any(entry.key):
                yield entry

    def _entry(self, index):
        words = struct.unpack_from(_ROW, self._rows, index * ROW_BYTES)
        return Entry(words[0], words[1], words[2], (words[3], words[4]), words[5], words[6])

    def _index(self, key):
        at = self._rows.find(key)
        while at >= 0:
            if at % ROW_BYTES == 0:
                return at // ROW_BYTES
            at = self._rows.find(key, at + 1)
        return None


# What a record says. INTENT: it may take effect from now on; RESUMABLE: the same, and it may run
# again after a restart; LEAVING: its end is the restart that comes now; ANSWER: how it ended;
# REFUSAL: the answer of one that was never started.
INTENT, RESUMABLE, LEAVING, ANSWER, REFUSAL = range(1, 6)

# lifetime_s: lifetime_ms in whole seconds; `gone`: keys that were forgotten for it; `words`: the
# address of the caller as a dict, or of an ANSWER what was answered.
Record = namedtuple("Record", ("kind", "key", "content", "lifetime_s", "gone", "words"))

_HEAD = "<B%ds%dsIB" % (_KEY_BYTES, _CONTENT_BYTES)
_HEAD_BYTES = struct.calcsize(_HEAD)


def encode_record(record):
    """The bytes of a record."""
    words = (record.kind, record.key, record.content, record.lifetime_s, len(record.gone))
    text = json.dumps(record.words).encode()
    return struct.pack(_HEAD, *words) + b"".join(record.gone) + text


def decode_record(data, with_words=True):
    """A Record; `words` is None unless they are asked for. Raises ValueError."""
    if len(data) < _HEAD_BYTES:
        raise ValueError("a record of %d bytes" % len(data))
    kind, key, content, lifetime_s, count = struct.unpack_from(_HEAD, data, 0)
    start = _HEAD_BYTES + count * _KEY_BYTES
    gone = [data[at : at + _KEY_BYTES] for at in range(_HEAD_BYTES, start, _KEY_BYTES)]
    words = json.loads(data[start:]) if with_words else None
    return Record(kind, key, content, lifetime_s, gone, words)


def address_words(address):
    """An Address as JSON can hold it."""
    correlation = address.correlation
    if correlation is not None and len(correlation) > MAX_CORRELATION:
        correlation = None
    words = {
        "id": address.id,
        "topic": address.topic,
        "correlation": None if correlation is None else hexlify(correlation).decode(),
    }
    if address.key:
        words["key"] = address.key
    return words


def read_address_words(words):
    """The Address in what `address_words` made."""
    correlation = words["correlation"]
    correlation = None if correlation is None else unhexlify(correlation)
    return Address(words["id"], words["topic"], correlation, words.get("key", ""))
