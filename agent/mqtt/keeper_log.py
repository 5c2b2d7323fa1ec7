"""How a keeper reads its log on: from message to message, and past those that live no longer."""

from agent.mqtt import kept
from agent.records import record_bytes


class Cursor:
    """Stands before a message in `records`, or at the end of what there is."""

    def __init__(self, records):
        self._records = records
        self.segment = 0
        self.offset = 0
        self.at = 0
        self._data = None

    def move(self, segment, offset, at):
        """Go to the entry `at` in the record at this place."""
        self.segment, self.offset, self.at = segment, offset, at
        self._data = None

    def catch_up(self, other):
        """Be no further behind than `other`."""
        place = (other.segment, other.offset, other.at)
        if (self.segment, self.offset, self.at) < place:
            self.move(*place)

    def advance(self, stop):
        """Go behind the message that `peek` found."""
        self.at = stop

    def peek(self):
        """The next message as (record, where it starts there, where it stops), None at the end.

        Those that were moved are passed over: they are under way.
        """
        while self._data is not None or self._load():
            data = self._data
            while self.at < len(data):
                try:
                    head, stop = kept.read_entry(data, self.at)
                except ValueError:
                    break
                if head[0] == kept.MESSAGE and not head[3] & kept.MOVED:
                    return data, self.at, stop
                self.at = stop
            self.move(self.segment, self.offset + record_bytes(data), 0)
        return None

    def _load(self):
        data = self._records.read((self.segment, self.offset))
        while data is None:
            later = [number for number in self._records.segments if number > self.segment]
            if not later:
                return False
            self.move(later[0], 0, 0)
            data = self._records.read((self.segment, 0))
        self._data = data
        return True


class Gone:
    """Packet identifiers from 0x8000 on whose message in the log is not to be sent: a bit each.

    Its 4 KiB are set aside at first use.
    """

    def __init__(self):
        self._bits = None

    def clear(self):
        """None is gone any more."""
        self._bits = None

    def add(self, packet_id):
        if self._bits is None:
            self._bits = bytearray(4096)
        self._bits[(packet_id & 0x7FFF) >> 3] |= 1 << (packet_id & 7)

    def discard(self, packet_id):
        if self._bits is not None:
            self._bits[(packet_id & 0x7FFF) >> 3] &= ~(1 << (packet_id & 7))

    def __contains__(self, packet_id):
        bits = self._bits
        return bits is not None and bits[(packet_id & 0x7FFF) >> 3] >> (packet_id & 7) & 1 == 1
