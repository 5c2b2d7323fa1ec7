"""Keep-alive, section 3.1.2.10 of the MQTT 5.0 standard: when to ping, and when silence is an end.

One rule: silence is one and a half times the keep-alive, which is what a broker grants us too.
Bytes of any kind count as life, so a long packet on a slow line is not taken for silence. All
times are ints of milliseconds that never wrap.
"""

NOTHING, PING, SILENT = range(3)


class KeepAlive:
    """`sent` and `heard` are when bytes last left and came; their owner sets them."""

    def __init__(self):
        self.sent = self.heard = 0
        self._interval_ms = 0
        self._ping_sent = None

    def begin(self, now, interval_s):
        """A connection is up; 0 seconds is no keep-alive."""
        self.sent = self.heard = now
        self._interval_ms = interval_s * 1000
        self._ping_sent = None

    def answered(self):
        """The answer to the ping came."""
        self._ping_sent = None

    @property
    def due(self):
        """When `step` has something to do; None if never."""
        if not self._interval_ms:
            return None
        if self._ping_sent is not None:
            return max(self._ping_sent, self.heard) + self._interval_ms // 2
        return min(self.sent, self.heard) + self._interval_ms

    def step(self, now):
        """NOTHING, PING (send one), or SILENT (give the connection up)."""
        due = self.due
        if due is None or now < due:
            return NOTHING
        if self._ping_sent is not None:
            return SILENT
        self._ping_sent = now
        return PING
