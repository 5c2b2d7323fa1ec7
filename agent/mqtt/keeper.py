"""Messages that outlive the process: what is published here is in a log before it is sent.

One rule: `output` first puts on the medium what the turn has changed, with one write and one sync,
and only then gives the bytes that tell a broker of it. So a process that is killed at any point
resumes its session where it was: a message of QoS 1 that was accepted is sent until the broker has
it, and one of QoS 2 comes once, both ways. Accepted is what was published before an `output` that
has returned. All that an owner publishes and acknowledges in one turn is one record (up to
TURN_BYTES): it is there after a restart, or nothing of it is.

In memory are the messages under way; those behind them wait in the log, read back in their order.
Identifiers from FIRST_ID on are the keeper's: no message that died with an earlier process can
stand in a broker's books under one of them. What says only that a message is settled is written
along with the next turn, or after LAZY_MS: lost, it costs a repetition that the protocol allows.

Where the medium fails messages are sent all the same, and counted as `unkept`. Knows no socket and
no clock. Owner: the main thread.
"""

from agent.mqtt import kept
from agent.mqtt.keeper_log import Cursor, Gone
from agent.mqtt.making_room import BULK, DROP_OLDEST, OVERHEAD
from agent.mqtt.packets import FIRST_PUBLISH, FIRST_PUBREL, PUBLISH
from agent.mqtt.properties import read_properties
from agent.mqtt.wire import encode_properties, is_topic
from agent.records import MAX_RECORD_BYTES, SEGMENT_BYTES
from agent.store import StoreError

FIRST_ID = 0x8000
_BITS = {DROP_OLDEST: kept.DROPPABLE, BULK: kept.BULK}
TURN_BYTES = MAX_RECORD_BYTES - 4096  # of messages; the rest is for what came of others
MOST_ENTRY_BYTES = 8192  # of one message with topic and properties
LAZY_MS = 1000
BULK_QUARTERS = 3  # of all room, that what is BULK may count on; the rest is for all others
_LAZY_MOST = 64  # settled messages in memory, of which the log does not know yet


class Keeper:
    """Over `records`, a records.Records; `recover` comes before all else.

    At most `most_messages` are kept, of `most_bytes` in all; the log takes up to twice as much.
    `dropped` counts what was refused or put out for newer ones, `blocked` what had no room and was
    not lost, `unkept` what the medium did not take; `fault` is its last word, or None.
    """

    def __init__(self, session, records, most_messages=1000, most_bytes=65536):
        self.messages = self.size_bytes = 0
        self.dropped = self.blocked = self.unkept = self.accepted = 0
        self.fault = None
        self._session = session
        self._records = records
        self._most_messages = min(most_messages, 16384)  # half the identifiers
        self._most_bytes = most_bytes
        self._most_log = 2 * most_bytes + 4 * SEGMENT_BYTES
        self._window = session.settings.send_maximum
        self._next_id = FIRST_ID
        self._fresh = []  # Kept, accepted and not yet in the log
        self._fresh_bytes = 0
        self._under_way = {}  # packet id: (segment or None, bytes)
        self._live = {}  # segment: messages in it that live
        self._unread = 0  # messages that live in the log alone
        self._cursor = Cursor(records)  # the first of them
        self._old = (0, 0)  # what stands before this place an earlier process may have sent
        # Of each kind the first that may be dropped is here or later.
        self._drop_cursors = {kept.DROPPABLE: Cursor(records), kept.BULK: Cursor(records)}
        self._bulk = self._bulk_bytes = 0  # what waits of it, in the log or for it
        self._gone = Gone()
        self._settled = []  # (packet id, segment, bytes)
        self._settled_since = None
        self._released = set()  # of what waits in the log: the broker has it already
        self._taken = {}  # packet id of QoS 2 that came: segment of its note
        # What the session tells: (kind, packet id), in order.
        self._outbox = session.outbox
        self._recorded = session.inbox.recorded()
        self._outbox.notes = self._recorded.notes = self._notes = []

    def figures(self):
        """What `system.info` tells."""
        records = self._records
        return {
            "messages": self.messages,
            "live_bytes": self.size_bytes,
            "bytes": records.size_bytes,
            "syncs": records.syncs,
            "written_bytes": records.written_bytes,
            "accepted": self.accepted,
            "dropped": self.dropped,
            "blocked": self.blocked,
            "unkept": self.unkept,
            "damaged_bytes": records.damaged_bytes,
            "fault": self.fault,
        }

    # After a restart.

    def recover(self):
        """Read the log; hand the session what an earlier process left under way."""
        released = set()
        moved = []
        try:
            self._records.recover(lambda place, data: self._replay(place, data, released, moved))
        except StoreError as error:
            self.fault = error.message
        # The oldest first: a message that was moved stands behind younger ones.
        moved.sort(key=lambda one: (one[0] - self._next_id) & (FIRST_ID - 1))
        for packet_id, place, at in moved:
            data = self._records.read(place)
            if data:
                self._put(kept.read_message(data, at), place[0], packet_id in released)
        self._unread = self.messages - len(moved)
        self._released = released
        self._old = self._records.end
        self._recorded.packet_ids = set(self._taken)
        if self._unread:
            self._count_bulk()
            self._feed()
        else:
            self._gone.clear()
            segment, offset = self._records.end
            self._cursor.move(segment, offset, 0)

    def _count_bulk(self):
        cursor = Cursor(self._records)
        found = cursor.peek()
        while found is not None:
            data, at, stop = found
            head = kept.read_entry(data, at)[0]
            if head[1] not in self._gone:
                self._wait(head[3], stop - at, 1)
            cursor.advance(stop)
            found = cursor.peek()

    def _wait(self, bits, size, count):
        """A message of so many bytes waits from now on (1), or does no more (-1)."""
        if bits & kept.BULK:
            self._bulk += count
            self._bulk_bytes += count * size

    def _replay(self, place, data, released, moved):
        at = 0
        while at < len(data):
            try:
                head, stop = kept.read_entry(data, at)
            except ValueError:
                self._records.damaged_bytes += len(data) - at
                return
            self._replay_entry(head, place, at, stop - at, released, moved)
            at = stop

    def _replay_entry(self, head, place, at, size, released, moved):
        kind, packet_id = head[:2]
        if kind == kept.MESSAGE:
            self._count(place[0], size)
            if head[3] & kept.MOVED:
                moved.append((packet_id, place, at))
            else:
                self._gone.discard(packet_id)
                released.discard(packet_id)
                self._next_id = packet_id
                self._take_id()
        elif kind == kept.DONE:
            if head[2] in self._live:
                self._discount(head[2], head[3])
            for one in moved:
                if one[0] == packet_id:
                    moved.remove(one)
                    return
            self._gone.add(packet_id)
        elif kind == kept.RELEASED:
            released.add(packet_id)
        elif kind == kept.TAKEN:
            self._taken[packet_id] = place[0]
        elif kind == kept.GIVEN:
            self._taken.pop(packet_id, None)
        else:
            self._taken.clear()

    # What the owner says.

    def publish(self, topic, payload, qos=1, retain=False, properties=None, rule=DROP_OLDEST):
        """Accept a message of QoS 1 or 2: its packet identifier, None if there is no room.

        `rule`, one of making_room.py's, says what happens then: DROP_OLDEST puts out the oldest
        message published by the same rule that was never sent, DROP_NEW refuses this one, and so
        does BLOCK, which its publisher does not let go of: it tries again after the next
        Delivered. BULK is for samples: as DROP_OLDEST, and of both rules the one gives way that
        has more than its part of the room, BULK_QUARTERS. The other arguments are those of
        Session.publish. Raises ValueError.
        """
        if not is_topic(topic) or qos not in (1, 2):
            raise ValueError("not to be published at QoS %r: %r" % (qos, topic))
        encoded = bytes(encode_properties(properties)) if properties else b""
        name = topic.encode()
        size = kept.HEAD_BYTES + len(name) + len(encoded) + len(payload)
        if size > MOST_ENTRY_BYTES or not self._has_room(size, rule):
            self.count_refused(rule)
            return None
        if self._fresh_bytes + size > TURN_BYTES:
            self._write()
        packet_id = self._take_id()
        first = FIRST_PUBLISH | qos << 1 | (1 if retain else 0)
        bits = _BITS.get(rule, 0)
        self._fresh.append(kept.Kept(packet_id, first, bits, name, encoded, payload))
        self._fresh_bytes += size
        self._wait(bits, size, 1)
        self.messages += 1
        self.size_bytes += size
        self.accepted += 1
        return packet_id

    def publish_bulk(self, topic, payload):
        """As `publish`, of samples."""
        return self.publish(topic, payload, rule=BULK)

    def count_refused(self, rule):
        """A message found no room."""
        if rule == "block":
            self.blocked += 1
        else:
            self.dropped += 1

    def _take_id(self):
        packet_id = self._next_id
        while packet_id in self._under_way:
            packet_id = packet_id + 1 if packet_id < 65535 else FIRST_ID
        self._next_id = packet_id + 1 if packet_id < 65535 else FIRST_ID
        return packet_id

    def _has_room(self, size, rule):
        while self.messages >= self._most_messages or self.size_bytes + size > self._most_bytes:
            if rule not in _BITS or not self._drop(size if rule == BULK else 0):
                return False
            self.dropped += 1
        if self._records.size_bytes + self._fresh_bytes + size > self._most_log:
            self._write()  # which lets go of segments
        return self._records.size_bytes + size <= self._most_log

    def _drop(self, bulk_bytes):
        """Put out the oldest of the kind that has more than its part, where `bulk_bytes` more of
        what is BULK are to come, else of the other; False if there is none."""
        messages = self._bulk + (1 if bulk_bytes else 0)
        has_more = (
            4 * messages > BULK_QUARTERS * self._most_messages
            or 4 * (self._bulk_bytes + bulk_bytes) > BULK_QUARTERS * self._most_bytes
        )
        order = (kept.BULK, kept.DROPPABLE) if has_more else (kept.DROPPABLE, kept.BULK)
        return any(self._drop_from_log(bit) or self._drop_fresh(bit) for bit in order)

    def _drop_from_log(self, bit):
        """Put out the oldest of a kind that waits in the log; False if there is none."""
        if not self._unread:
            return False
        cursor = self._drop_cursors[bit]
        cursor.catch_up(self._cursor)
        while True:
            found = cursor.peek()
            if found is None:
                return False
            data, at, stop = found
            head = kept.read_entry(data, at)[0]
            packet_id = head[1]
            cursor.advance(stop)
            if head[3] & bit and packet_id not in self._gone:
                self._gone.add(packet_id)
                self._unread -= 1
                self._wait(head[3], stop - at, -1)
                self._settle(packet_id, cursor.segment, stop - at)
                return True

    def _drop_fresh(self, bit):
        for index, one in enumerate(self._fresh):
            if one.rule & bit:
                size = len(kept.encode_message(self._fresh.pop(index)))
                self._fresh_bytes -= size
                self.messages -= 1
                self.size_bytes -= size
                self._wait(bit, size, -1)
                return True
        return False

    # The link's side.

    def output(self, now):
        """What Session.output gives, after the medium has what led to it."""
        if self._fresh or self._notes:
            self._take_notes()
        if self._fresh or self._notes:
            self._write()
        elif self._settled:
            self._write_settled(now)
        if self._unread and len(self._under_way) < self._window:
            self._feed()
        return self._session.output(now)

    def flush(self):
        """Write what may wait too: the process ends."""
        self._take_notes()
        self._settled_since = None
        self._write()

    def _write_settled(self, now):
        if self._settled_since is None:
            self._settled_since = now
        elif now - self._settled_since >= LAZY_MS or len(self._settled) >= _LAZY_MOST:
            self._write()

    def _take_notes(self):
        """Settle what is done; leave in `_notes` what must be on the medium first."""
        notes = self._notes
        left = []
        for note in notes:
            kind, packet_id = note
            if kind != kept.DONE:
                left.append(note)
                continue
            told = self._under_way.pop(packet_id, None)
            if told is not None:
                self._settle(packet_id, told[0], told[1])
        notes[:] = left

    def _settle(self, packet_id, segment, size):
        """A message lives no longer."""
        if segment is None:
            self.messages -= 1
            self.size_bytes -= size
        else:
            self._discount(segment, size)
            self._settled.append((packet_id, segment, size))

    def _count(self, segment, size):
        self._live[segment] = self._live.get(segment, 0) + 1
        self.messages += 1
        self.size_bytes += size

    def _discount(self, segment, size):
        self._live[segment] -= 1
        self.messages -= 1
        self.size_bytes -= size

    def _write(self):
        """One record of all that is new, then what is new goes to the session as far as it may."""
        oldest = self._trim()
        fresh, self._fresh = self._fresh, []
        self._fresh_bytes = 0
        entries = [kept.encode_message(one) for one in fresh]
        marks = [kept.encode_done(*one) for one in self._settled if one[1] >= oldest]
        marks += [kept.encode_mark(kind, packet_id) for kind, packet_id in self._notes]
        if not entries and not marks:
            self._settled = []
            return
        place = self._append(b"".join(entries), b"".join(marks))
        if place is None:
            self._forget_notes()
            self._send_unkept(fresh, entries)
            return
        self._settled = []
        self._settled_since = None
        for kind, packet_id in self._notes:
            self._note_taken(kind, packet_id, place[0])
        self._notes.clear()
        self._hand_on(fresh, entries, place)

    def _forget_notes(self):
        """Keep of what the medium did not take only what it must learn some day."""
        notes = self._notes
        kinds = {kept.GIVEN: self._taken, kept.RELEASED: self._under_way, kept.LOST: (0,)}
        notes[:] = list({note for note in notes if note[1] in kinds.get(note[0], ())})

    def _append(self, record, marks=b""):
        """The place of both in one record, or of the first, if together they are too long."""
        parts = [record + marks]
        if record and len(parts[0]) > MAX_RECORD_BYTES:
            parts = [record, marks]
        try:
            place = self._records.append(parts)[0]
        except StoreError as error:
            self.fault = error.message
            return None
        self.fault = None
        return place

    def _note_taken(self, kind, packet_id, segment):
        if kind == kept.TAKEN:
            self._taken[packet_id] = segment
        elif kind == kept.GIVEN:
            self._taken.pop(packet_id, None)
        elif kind == kept.LOST:
            self._taken.clear()

    def _hand_on(self, fresh, entries, place):
        """`fresh` stands in the log at `place`: send what may leave, leave there what may not."""
        segment, offset = place
        at = 0
        self._live[segment] = self._live.get(segment, 0) + len(fresh)
        for index, one in enumerate(fresh):
            entry = entries[index]
            self._gone.discard(one.packet_id)
            self._released.discard(one.packet_id)
            if not self._unread and len(self._under_way) < self._window:
                self._under_way[one.packet_id] = (segment, len(entry))
                self._wait(one.rule, len(entry), -1)
                self._offer(one, False)
                self._cursor.move(segment, offset, at + len(entry))
            else:
                self._unread += 1
            at += len(entry)

    def _send_unkept(self, fresh, entries):
        """The medium did not take it: what has room in the session is sent all the same."""
        for index, one in enumerate(fresh):
            entry = entries[index]
            self._wait(one.rule, len(entry), -1)
            if len(self._under_way) < self._window:
                self.unkept += 1
                self._under_way[one.packet_id] = (None, len(entry))
                self._offer(one, False)
            else:
                self.dropped += 1
                self.messages -= 1
                self.size_bytes -= len(entry)

    def _offer(self, one, sent):
        properties = None
        if one.properties:
            encoded = one.properties
            properties, _ = read_properties(encoded, 0, len(encoded), PUBLISH)
        entry = [one.first, one.topic, one.payload, properties, 1 if sent else 0]
        outbox = self._outbox
        outbox.size += len(one.topic) + len(one.payload) + OVERHEAD
        outbox.entries[one.packet_id] = entry
        outbox.waiting.append(one.packet_id)
        outbox.pump()

    def _put(self, one, segment, is_released, sent=True):
        self._under_way[one.packet_id] = (segment, len(kept.encode_message(one)))
        if is_released:
            one = kept.Kept(one.packet_id, FIRST_PUBREL, one.rule, one.topic, b"", b"")
        self._offer(one, sent)

    def _feed(self):
        """Read on in the log while there is room under way."""
        cursor = self._cursor
        while self._unread and len(self._under_way) < self._window:
            found = cursor.peek()
            if found is None:
                return
            data, at, stop = found
            one = kept.read_message(data, at)
            segment = cursor.segment
            cursor.advance(stop)
            if one.packet_id in self._gone:
                continue
            self._unread -= 1
            self._wait(one.rule, stop - at, -1)
            sent = (segment, cursor.offset) < self._old
            self._put(one, segment, one.packet_id in self._released, sent)
            self._released.discard(one.packet_id)
        if not self._unread:
            self._gone.clear()

    # Making room on the medium.

    def _trim(self):
        """Let go of the oldest segments that nothing lives in; the number of the oldest left."""
        segments = self._records.segments
        while len(segments) > 1:
            oldest = segments[0]
            if self._live.get(oldest):
                if self._records.size_bytes < self._most_log - 2 * SEGMENT_BYTES:
                    break
                if not self._empty(oldest):
                    break
            if not self._let_go(oldest):
                break
            segments.pop(0)
        return segments[0] if segments else 0

    def _let_go(self, oldest):
        again = [packet_id for packet_id in self._taken if self._taken[packet_id] == oldest]
        if again:
            data = b"".join([kept.encode_mark(kept.TAKEN, packet_id) for packet_id in again])
            place = self._append(data)
            if place is None or place[0] == oldest:
                return False
            for packet_id in again:
                self._taken[packet_id] = place[0]
        try:
            self._records.drop_oldest()
        except StoreError as error:
            self.fault = error.message
            return False
        self._live.pop(oldest, None)
        return True

    def _empty(self, oldest):
        """Write what is under way in `oldest` once more; False if more than that lives there."""
        packet_ids = [name for name, told in self._under_way.items() if told[0] == oldest]
        if len(packet_ids) != self._live[oldest]:
            return False
        packet_ids.sort(key=lambda packet_id: (packet_id - self._next_id) & (FIRST_ID - 1))
        for packet_id in packet_ids:
            size = self._under_way[packet_id][1]
            data, new_size = self._write_again(packet_id, oldest, size)
            place = self._append(data)
            if place is None:
                return False
            self._discount(oldest, size)
            self._count(place[0], new_size)
            self._under_way[packet_id] = (place[0], new_size)
        return True

    def _write_again(self, packet_id, segment, size):
        first, topic, payload, properties = self._outbox.entries[packet_id][:4]
        mark = b""
        if first == FIRST_PUBREL:
            mark = kept.encode_mark(kept.RELEASED, packet_id)
            first, payload, properties = FIRST_PUBLISH | 4, b"", None
        encoded = bytes(encode_properties(properties)) if properties else b""
        entry = kept.encode_message(
            kept.Kept(packet_id, first, kept.MOVED, topic, encoded, payload)
        )
        return kept.encode_done(packet_id, segment, size) + entry + mark, len(entry)
