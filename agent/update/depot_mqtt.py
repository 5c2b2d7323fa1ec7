"""Pieces of blobs, asked for and given over MQTT.

    asks on ROOT/blob/ask/ID      "NAME OFFSET COUNT"
    is given on ROOT/blob/give/ID "NAME OFFSET\\n" and the bytes from there on

The one rule: what arrives is taken only in order and only where it was asked for; so whatever is
lost, doubled or late only costs asking again. A window of asked bytes bounds what is held. QoS 0
both ways. `now` is an argument; knows no link but the `publish` that it is given. Pure.
"""

SLICE = 2048  # bytes of a piece that whoever gives sends at once; the last may have fewer
WINDOW = 8192  # bytes asked for ahead of what has come: four pieces
_SLOWEST_MS = 60_000
_FIRST_MS = 3000


class Depot:
    """One source of pieces. `publish(payload)` asks, and may be refused; `rate` is bytes per s,
    0 for no limit."""

    def __init__(self, publish, rate=0):
        self._publish = publish
        self._rate = rate
        self._name = None
        self._held = []
        self.asked_bytes = self.timeouts = 0
        self._is_short = False  # whether the last piece was: the stream ends there
        self.is_up = False
        self.due = None  # when `step` has something to do
        self._wait_ms = _FIRST_MS
        self._free_at = 0
        self._end()

    def _end(self):
        self._next = self._asked = self._size = 0  # offsets in the stream
        self._held = []
        self._wants_ask = False
        self.due = None

    def begin(self, name, offset, size):
        """From here on the pieces of this stream, from `offset` on."""
        self._name = name
        self._next = self._asked = offset
        self._size = size
        self._held = []
        self._wants_ask = True
        self.due = 0

    def end(self):
        """No more of it."""
        self._name = None
        self._end()

    def take(self):
        """The next bytes, None if none are here."""
        return self._held.pop(0) if self._held else None

    @property
    def ended(self):
        """Whether all of the stream has come and been taken."""
        return self._is_short and not self._held

    @property
    def is_waiting(self):
        """Whether nothing can go on before something comes."""
        return self._name is not None and not self._held

    def connected(self, is_up):
        """The link is there, or gone: what was asked for is asked again."""
        self.is_up = is_up
        if self._name is not None:
            self._ask_again()

    def _ask_again(self):
        self._asked = self._next
        self._wants_ask = True
        self.due = 0

    def receive(self, payload):
        """Something was given."""
        at = payload.find(b"\n", 0, 60)
        words = payload[: max(at, 0)].split(b" ")
        if self._name is None or len(words) != 2 or words[0] != self._name.encode():
            return
        data = payload[at + 1 :]
        if words[1] != str(self._next).encode() or not data:
            return
        if self._next + len(data) > self._asked:
            return  # more than was asked for
        self._next += len(data)
        self._is_short = len(data) % SLICE != 0
        self._held.append(data)
        self._wait_ms = _FIRST_MS
        self.due = None
        if self._asked - self._next <= WINDOW // 2:
            self._wants_ask = True
            self.due = 0

    def step(self, now):
        """Ask for more where that is due."""
        if self._name is None or not self.is_up:
            self.due = None
            return
        if self._wants_ask and now >= self._free_at:
            self._ask(now)
        elif self._wants_ask:
            self.due = self._free_at
        elif self._asked > self._next:
            if self.due is None:
                self.due = now + self._wait_ms
            elif now >= self.due:
                self.timeouts += 1
                self._wait_ms = min(2 * self._wait_ms, _SLOWEST_MS)
                self._ask_again()
                self._ask(now)
        else:
            self.due = None

    def _ask(self, now):
        count = min(self._size, self._next + WINDOW) - self._asked
        self._wants_ask = False
        if count > 0 and self._publish(("%s %d %d" % (self._name, self._asked, count)).encode()):
            self._asked += count
            self.asked_bytes += count
            if self._rate:
                self._free_at = now + count * 1000 // self._rate
        self.due = now + self._wait_ms
