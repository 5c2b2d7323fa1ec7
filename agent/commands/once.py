"""Once means once: what the journal knows, kept on the medium.

The one rule: nothing runs before its intent is on the medium, and no answer leaves before it is
there too. `promise` and `end` only note; `write` puts everything noted on the medium with one
write and one sync, and only then may the caller start and answer. After a restart, `recover`
reads all of it back and settles what was cut off.

Knows no MQTT and runs nothing. Owner: the main thread.
"""

import json
from collections import namedtuple

from agent.commands.journal import (
    ANSWER,
    CUT,
    ENDED,
    INTENT,
    LEAVING,
    MAX_GONE,
    REFUSAL,
    RESUMABLE,
    RUNNING,
    UNKEPT,
    Entry,
    Journal,
    Limits,
    Record,
    address_words,
    decode_record,
    encode_record,
    lifetime_ms,
    make_content,
    make_key,
    read_address_words,
)
from agent.errors import Expired, Interrupted, LimpetError, ResultNotKept, Unavailable
from agent.records import SEGMENT_BYTES
from agent.strict_json import UNWRITABLE

# What a request is known by.
Ticket = namedtuple("Ticket", ("key", "content"))

MAX_ANSWER_BYTES = 1024  # of JSON: room for the answer of everything under way is set aside
_OVERHEAD = 40  # bytes around an answer in its record, rounded up
_MOVED_AT_ONCE = 8  # records in memory while a segment is emptied
_NOWHERE = (0, 0)  # the place of what is not written yet

# Something noted and not written: a record's kind, its bytes, the keys that it names as forgotten.
_Note = namedtuple("_Note", ("kind", "key", "data", "gone"))


def make_ticket(key_name, identity, method, params):
    """The Ticket of a request: the caller's key name, its id, and what it asks."""
    return Ticket(make_key(key_name, identity), make_content(method, params))


class Once:
    """The journal over `records`.

    `entries` and `size_bytes` bound it; `queue_ms` is how long a broker keeps a request for a
    device that is away. `damaged` counts records that could not be understood, `unkept` answers
    that could not be stored.
    """

    def __init__(self, records, clock, entries, size_bytes, queue_ms):
        self._records = records
        self._clock = clock
        self._queue_ms = queue_ms
        # A segment can be emptied only into others: so not all the space is for living records.
        self._most_segments = max(4, size_bytes // SEGMENT_BYTES)
        self._journal = Journal(Limits(entries, self._most_segments * SEGMENT_BYTES * 5 // 8))
        self._notes = []
        self._gone = []  # keys whose forgetting is not on the medium yet
        self._fault = None
        self._boot_number = 0
        self.damaged = 0
        self.unkept = 0

    def figures(self):
        """What `system.info` tells of the journal."""
        records = self._records
        return {
            "entries": len(self._journal),
            "live_bytes": self._journal.live_bytes,
            "bytes": records.size_bytes,
            "syncs": records.syncs,
            "written_bytes": records.written_bytes,
            "torn_bytes": records.torn_bytes,
            "damaged_bytes": records.damaged_bytes,
            "damaged": self.damaged,
            "unkept": self.unkept,
            "fault": self._fault,
        }

    def recover(self, boot_number):
        """Read the journal; settle what the boot before left under way.

        Returns the answers that this restart itself brings about, as [(Address, words)]. Where the
        medium cannot be read no new request is accepted, but what could be read is still known.
        """
        self._boot_number = boot_number
        try:
            self._records.recover(self._take)
        except LimpetError as error:
            self._fault = error.message
            return []
        told = []
        for entry in self._journal.entries():
            record = self._read(entry) if entry.state == CUT else None
            if record is not None and record.kind != RESUMABLE:
                words = self._cut_off(record)
                told.append((read_address_words(record.words), words))
                self._note_answer(entry, words)
        return [] if self.write() else told

    def _take(self, place, data):
        try:
            record = decode_record(data, False)
        except ValueError:
            self.damaged += 1
            return
        for key in record.gone:
            self._journal.forget(key)
        state = ENDED if record.kind in (ANSWER, REFUSAL) else CUT
        # The time that passed since is not known: it counts as none. So an entry may live longer
        # than it must, never shorter.
        forget_at = self._clock.now() + record.lifetime_s * 1000
        entry = Entry(record.key, record.content, forget_at, place, len(data), state)
        self._journal.put(entry)

    def _cut_off(self, record):
        if record.kind == LEAVING:
            return {"result": {"boot": self._boot_number}}
        text = "the device restarted while this ran: it may have taken effect, in part or in full"
        return error_words(Interrupted(text))

    def _read(self, entry):
        data = self._records.read(entry.place)
        return None if data is None else decode_record(data)

    def look_up(self, ticket):
        """What is known of a request: None, RUNNING, or its answer as words.

        None: it may run. Words are a dict of `result` or `error`. Raises IdReused, ResultNotKept.
        """
        entry = self._journal.judge(ticket.key, ticket.content)
        if entry is None:
            return None
        if entry.state == RUNNING:
            return RUNNING
        if entry.state == UNKEPT:
            raise ResultNotKept("it has ended; the answer could not be stored", _DONE)
        record = self._read(entry)
        if record is None:
            raise ResultNotKept("the stored answer cannot be read any more", {"done": None})
        if entry.state == CUT:
            return None if record.kind == RESUMABLE else self._cut_off(record)
        if "unkept" in record.words:
            size = record.words["unkept"]
            text = "it ran to its end; its answer of %s bytes was not kept" % size
            raise ResultNotKept(text, {"done": True, "size_bytes": size})
        return record.words

    def promise(self, ticket, request, resumable=False):
        """Note that `request` is to run. Raises Unavailable or Busy: then it must not."""
        if self._fault is not None:
            raise Unavailable("nothing can be stored here: %s" % self._fault)
        now = self._clock.now()
        life_ms = lifetime_ms(request, now, self._queue_ms)
        gone = []
        words = address_words(request.address)
        kind = RESUMABLE if resumable else INTENT
        record = Record(kind, ticket.key, ticket.content, _seconds(life_ms), gone, words)
        data = encode_record(record)
        size = len(data) + MAX_ANSWER_BYTES + _OVERHEAD
        gone += self._journal.make_room(size, now)
        while self._gone and len(gone) < 2 * MAX_GONE:
            gone.append(self._gone.pop())
        if gone:
            data = encode_record(record)
        entry = Entry(ticket.key, ticket.content, now + life_ms, _NOWHERE, size, RUNNING)
        self._journal.put(entry)
        self._notes.append(_Note(kind, ticket.key, data, gone))

    def leave(self, ticket, address):
        """Note that the end of a running request is the restart that comes now."""
        entry = self._journal.find(ticket.key)
        self._note(LEAVING, entry, address_words(address))

    def end(self, ticket, words):
        """Note how a running request ended; `words` is a dict of `result` or `error`."""
        entry = self._journal.find(ticket.key)
        was_refused = words.get("error", {}).get("code") == Expired.code
        self._note_answer(entry, words, REFUSAL if was_refused else ANSWER)

    def adopt(self, ticket, words):
        """Note the answer of a request that an earlier boot left, and that goes on as a job.

        Returns True if there was one to note.
        """
        entry = self._journal.find(ticket.key)
        if entry is None or entry.state != CUT:
            return False
        self._note_answer(entry, words)
        return True

    def _note_answer(self, entry, words, kind=ANSWER):
        try:
            size = len(json.dumps(words).encode())
        except UNWRITABLE:
            size = None
        if size is None or size > MAX_ANSWER_BYTES:
            words = {"unkept": size}
        self._note(kind, entry, words)

    def _note(self, kind, entry, words):
        left_ms = max(0, entry.forget_at - self._clock.now())
        record = Record(kind, entry.key, entry.content, _seconds(left_ms), (), words)
        self._notes.append(_Note(kind, entry.key, encode_record(record), ()))

    def write(self):
        """Put all that was noted on the medium, at once: None, or why it could not be.

        Where it could not, what was promised is forgotten and must not run; what ended is known
        to have ended until the next restart.
        """
        if not self._notes:
            return None
        notes, self._notes = self._notes, []
        try:
            places = self._records.append([note.data for note in notes])
        except LimpetError as error:
            for note in notes:
                self._lose(note)
            return Unavailable("nothing can be stored here: %s" % error.message)
        for index, note in enumerate(notes):
            self._place(note, places[index])
        self._clean()
        return None

    def _lose(self, note):
        self._gone += note.gone
        entry = self._journal.find(note.key)
        if entry.state == RUNNING and note.kind == ANSWER:
            self.unkept += 1
            self._put(entry, _NOWHERE, 0, UNKEPT)
        elif entry.state == RUNNING and note.kind != LEAVING:
            self._journal.forget(note.key)

    def _place(self, note, place):
        entry = self._journal.find(note.key)
        if note.kind in (ANSWER, REFUSAL):
            self._put(entry, place, len(note.data), ENDED)
        else:
            self._put(entry, place, entry.size, RUNNING)

    def _put(self, entry, place, size, state):
        row = Entry(entry.key, entry.content, entry.forget_at, place, size, state)
        self._journal.put(row)

    def _clean(self):
        """Empty the oldest segments while there are too many: copy what lives, then drop."""
        records = self._records
        try:
            for number in records.segments[:-1]:
                if len(records.segments) <= self._most_segments:
                    break
                self._move_out(number)
                records.drop_oldest()
        except LimpetError:
            pass  # nothing is lost; the next write tries again, or tells why it cannot

    def _move_out(self, number):
        keys, data = [], []
        now = self._clock.now()
        for entry in self._journal.entries():
            if entry.place[0] != number:
                continue
            record = self._records.read(entry.place)
            if record is None or (entry.forget_at <= now and entry.state != RUNNING):
                self._journal.forget(entry.key)
                continue
            keys.append(entry.key)
            data.append(record)
            if len(keys) >= _MOVED_AT_ONCE:
                self._move(keys, data)
                keys, data = [], []
        self._move(keys, data)

    def _move(self, keys, data):
        for index, place in enumerate(self._records.append(data)):
            entry = self._journal.find(keys[index])
            self._put(entry, place, entry.size, entry.state)


_DONE = {"done": True}


def _seconds(time_ms):
    return (time_ms + 999) // 1000


def error_words(error):
    """A LimpetError as the words of an answer."""
    words = {"code": error.code, "message": error.message}
    if error.data is not None:
        words["data"] = error.data
    return {"error": words}
