"""A word to the service manager: ready, alive, going. The protocol of sd_notify(3).

The one rule: `alive` is told by the loop that did its turn, never by a timer, so that a hung agent
falls silent; and nothing here raises or waits. Loaded where NOTIFY_SOCKET is set. A back-end file:
it is for Linux.
"""

import os
import socket

from wakeup import unix_address

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"
# While the broker cannot be reached a start may take long: the manager is told so each minute.
WAITING = b"EXTEND_TIMEOUT_USEC=120000000"
WAITING_MS = 60_000


class Notifier:
    """`address` is that of NOTIFY_SOCKET; `watchdog_ms` how often the manager wants to hear of us
    at the least, 0 for never."""

    def __init__(self, address, watchdog_ms=0):
        self._address = _socket_address(address)
        self._channel = None
        # Half of what is asked for: one late turn of the loop is no death.
        self._every_ms = watchdog_ms // 2
        self._ready = False
        self.due = 0

    def send(self, message):
        """Tell it; False if nobody could be told."""
        if self._address is None:
            return False
        try:
            if self._channel is None:
                self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._channel.setblocking(False)
            return self._channel.sendto(message, self._address) > 0
        except OSError:
            return False

    def ready(self):
        """The agent does what it is there for."""
        if not self._ready:
            self._ready = True
            self.send(READY)
            self.due = 0 if self._every_ms else None

    def step(self, now):
        """The loop has done a turn."""
        if self.due is None or now < self.due:
            return
        every_ms = self._every_ms
        if every_ms:
            self.send(ALIVE)
        if not self._ready:
            self.send(WAITING)
            every_ms = min(every_ms or WAITING_MS, WAITING_MS)
        self.due = now + every_ms if every_ms else None

    def patience_s(self):
        """How long the agent may take to end, in s, before the manager kills it: told from now."""
        self.send(ALIVE)
        return self._every_ms / 1000 if self._every_ms else 3600

    def stopping(self):
        """The agent is about to end."""
        self.send(STOPPING)


def _socket_address(text):
    """What sockets take, or None for what sd_notify(3) knows no socket by."""
    if len(text) < 2 or text[0] not in "@/":
        return None
    name = text.encode()
    return unix_address(b"\0" + name[1:] if text[0] == "@" else name)


def from_environment():
    """The Notifier that this process was started with, or None.

    Children do not inherit it: they are no part of the service's word.
    """
    getenv = getattr(os, "getenv", None)
    address = getenv("NOTIFY_SOCKET") if getenv else None
    if not address:
        return None
    interval = getenv("WATCHDOG_USEC") or "0"
    watched = getenv("WATCHDOG_PID")
    own = os.getpid() if hasattr(os, "getpid") else None
    if not interval.isdigit() or (watched and own is not None and watched != str(own)):
        interval = "0"
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.unsetenv(name)
        if hasattr(os, "environ"):
            os.environ.pop(name, None)
    return Notifier(address, int(interval) // 1000)
