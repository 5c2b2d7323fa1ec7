"""How long to wait before the next attempt to connect.

One rule: doubling from `first_ms` to `maximum_ms`, each a fifth longer or shorter at random, so
that a fleet does not come back in step; from the beginning again once a connection has lasted
`stable_ms`. A refusal that will not heal by itself waits `refused_ms` at least. Pure: the random
bytes come by the constructor.
"""


class Backoff:
    """`random_bytes(n)` gives n of them."""

    def __init__(
        self,
        random_bytes,
        first_ms=1000,
        maximum_ms=300_000,
        stable_ms=60_000,
        refused_ms=60_000,
    ):
        self.first_ms = first_ms
        self.maximum_ms = maximum_ms
        self.stable_ms = stable_ms
        self.refused_ms = refused_ms
        self._random_bytes = random_bytes
        self._next_ms = first_ms

    def next_ms(self, refused=False):
        """Milliseconds to wait now; each call is one failed attempt."""
        delay_ms = self._next_ms
        if refused:
            delay_ms = min(max(delay_ms, self.refused_ms), self.maximum_ms)
        self._next_ms = min(delay_ms * 2, self.maximum_ms)
        spread = self._random_bytes(1)[0] - 128  # -128 to 127
        return delay_ms + delay_ms * spread // 640

    def lasted(self, connected_ms):
        """A connection was up for so long."""
        if connected_ms >= self.stable_ms:
            self._next_ms = self.first_ms
