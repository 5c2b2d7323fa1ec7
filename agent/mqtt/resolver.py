"""Names of brokers: looked up beside the link, where the interpreter's threads can be trusted.

One rule: no call here waits. A resolver cannot be interrupted; one that hangs holds a thread of
its own, and the next look waits for that same thread and starts no other. When a name is not
found, the address that it last had is used: better than none while a resolver is away. Only the
main thread calls; the other one only puts its result in a list made for it.
"""

import threading

from agent.mqtt.tcp import socket_address

_MOST_REMEMBERED = 16  # names: more than a configuration has


class Resolver:
    """The other thread calls `wake` when it has a result; `find(host, port)` may block."""

    def __init__(self, wake, find=socket_address):
        self._wake = wake
        self._find = find
        self._known = {}  # (host, port): what was found last
        self._asked = None  # (host, port) that the thread looks for
        self._result = None  # a list: empty until the thread has an answer

    def look(self, host, port):
        """What `find` gives, or None as long as it is not known. Raises OSError."""
        wanted = (host, port)
        if _is_number(host):
            return self._find(host, port)
        if self._asked is None:
            self._start(wanted)
        if not self._result:
            return None
        asked, self._asked = self._asked, None
        found = self._result[0]
        if not isinstance(found, Exception):
            if len(self._known) >= _MOST_REMEMBERED:
                self._known = {}
            self._known[asked] = found
        if asked != wanted:  # another broker's, left over from an attempt that timed out
            return self.look(host, port)
        if not isinstance(found, Exception):
            return found
        if wanted in self._known:
            return self._known[wanted]
        raise found

    def _start(self, wanted):
        self._asked = wanted
        self._result = result = []

        def run():
            try:
                result.append(self._find(wanted[0], wanted[1]))
            except (OSError, UnicodeError) as error:  # as tcp.py says
                result.append(error)
            self._wake()

        threading.Thread(target=run, daemon=True).start()


def _is_number(host):
    """Whether `host` is an address already: of IPv4, or of IPv6 with its colons."""
    return ":" in host or all([c in "0123456789." for c in host])
