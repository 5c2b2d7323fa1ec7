"""Keep-alive, section 3.1.2.10 of the MQTT 5.0 standard: when to ping, and when silence is an end.

One rule: silence is one and a half times the keep-alive, which is what a broker grants us too.
Bytes of any kind count as life, so a long packet on a slow line is not taken for silence. All
times are ints of milliseconds that never wrap.
"""

NOTHING, PING, SILENT = range(3)


class KeepAlive:
    """`sent` and `heard` are when bytes last left and came; their owner sets them.

    `due` is when to call `step`, None for never. Sending and hearing, which happen all the time,
    do not move it; `step` does when it is called too early, once in an interval at most.
    """

    def __init__(self):
        self.sent = self.heard = 0
        self.due = None
        self._interval_ms = 0
        self._ping_sent = None

    def begin(self, now, interval_s):
        """A connection is up; 0 seconds is no keep-alive."""
        self.sent = self.heard = now
        self._interval_ms = interval_s * 1000
        self._ping_sent = None
        self.due = now + self._interval_ms if interval_s else None

    def end(self):
        """The connection is gone."""
        self.due = None

    def answered(self):
        """The answer to the ping came."""
        self._ping_sent = None
        if self.due is not None:
            self.due = self._real_due()

    def _real_due(self):
        if self._ping_sent is not None:
            return max(self._ping_sent, self.heard) + self._interval_ms // 2
        return min(self.sent, self.heard) + self._interval_ms

    def step(self, now):
        """NOTHING, PING (send one), or SILENT (give the connection up)."""
        if self.due is None or now < self.due:
            return NOTHING
        self.due = self._real_due()
        if now < self.due:
            return NOTHING
        if self._ping_sent is not None:
            return SILENT
        self._ping_sent = now
        self.due = self._real_due()
        return PING
