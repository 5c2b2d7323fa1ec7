"""Whether connections end as they do when another client has the same client id.

One rule: a guess, and told as one. MQTT 5 says it by a reason code, `TAKEN` here; a broker of
3.1.1 only closes the older connection, whereupon that client comes back and has this one closed.
Pure.
"""

SOON_MS = (
    60_000  # a connection that lasted longer was not taken over by a client that keeps trying
)
TIMES = 3  # in a row: fewer may be a bad network
TAKEN = "taken"


class Rival:
    """Told of each beginning and end."""

    def __init__(self):
        self._since = None
        self._times = 0

    def connected(self, now):
        """The broker accepted the connection."""
        self._since = now

    def suspects(self, now, code):
        """A connection, or an attempt, ended by `code` (events.py): whether to say so."""
        since, self._since = self._since, None
        if since is None:
            return False
        if code == TAKEN:  # it has been said already
            self._times = TIMES
            return False
        if code != "lost" or now - since > SOON_MS:
            self._times = 0
            return False
        self._times += 1
        return self._times % TIMES == 0

    def is_there(self, now):
        """Whether another client seems to have this id, as far as one can know now."""
        has_lasted = self._since is not None and now - self._since > SOON_MS
        return self._times >= TIMES and not has_lasted
