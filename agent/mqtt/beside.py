"""One more that the link's wait looks out for: loaded by whoever has something of the kind."""

_READ, _WRITE = 1, 4  # POLLIN and POLLOUT


class Beside:
    """End a link's wait when what is being watched has something, whatever it is for."""

    def __init__(self, link):
        self._poller = link.poller
        self._watched = None

    def watch(self, pollable, writing):
        """Look out for this one and no other any longer; None: for none."""
        if self._watched is not None:
            self._poller.unregister(self._watched)
        self._watched = pollable
        if pollable is not None:
            self._poller.register(pollable, _WRITE if writing else _READ)
