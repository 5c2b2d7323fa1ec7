"""A link that is to stay away, for there is no network: loaded by whoever knows that.

One rule: what is held tries nothing and has nothing due; a connection that was there is told as
unreachable, for the reason given.
"""

_DOWN, _HELD = 0, 5  # stages of a link, see link.py, and one that it does not know


class Holding:
    """What lets go of `link`, a Link, and of its network."""

    def __init__(self, link):
        self._link = link
        self._is_held = False

    def hold(self, reason):
        """There is no network, says `reason`: let go of the connection, and try none."""
        link = self._link

        def receive(now):
            """In the place of the link's own."""
            if link.transport is not None:
                event = link.lost(now, reason, "unreachable")
                link.drop(_HELD, None)
                yield event

        self._is_held = True
        link.receive = receive
        if link.transport is not None:
            link.unfinished = True  # so that `wait` does not sleep
        elif link.stage == _DOWN:
            link.drop(_HELD, None)

    def release(self, now):
        """There is one again: try at once."""
        link = self._link
        if self._is_held:
            self._is_held = False
            del link.receive
        if link.stage in (_DOWN, _HELD):
            link.drop(_DOWN, now)
