"""Asking time servers, one after the other, without waiting: for a device without a clock.

One rule: nothing here blocks but the look-up of a name where there is no resolver (resolver.py).
An answer is taken if it comes from the address asked, repeats the question's random bits, and came
back soon. Loaded only where `clock.ntp` names servers. Owner: the main thread.
"""

import socket

from interpreter import random_bytes

from agent import sntp
from agent.bad_message import BadMessage
from agent.clock import LEAST_UNIX_S
from agent.mqtt.tcp import socket_address

_PORT = 123
_ANSWER_WITHIN_MS = 2000
_LOOK_EVERY_MS = 50
_FIRST_RETRY_MS = 2000
_MOST_RETRY_MS = 600_000
_AGAIN_MS = 3_600_000  # after an answer
_SOCK_DGRAM = 2


class Ntp:
    """`servers` are (host, port); `take(unix_ms)` is told each answer, `warn(text)` each failure.

    `look(host, port)` is socket_address, or a Resolver's. `due` is when `step` wants to be called
    next; `is_new` holds until one has answered, or all were asked once.
    """

    def __init__(self, servers, take, warn, look=socket_address):
        self._servers = servers
        self._take = take
        self._warn = warn
        self._look = look
        self._index = 0
        self._socket = None
        self._nonce = None
        self._asked = 0
        self._retry_ms = _FIRST_RETRY_MS
        self.is_new = True
        self.due = 0

    def step(self, now):
        """Ask, look for the answer, give up on it: what is due."""
        if now < self.due:
            return
        try:
            if self._socket is None:
                self._ask(now)
            elif not self._hear(now) and now - self._asked >= _ANSWER_WITHIN_MS:
                raise OSError("no answer in time")
        except (OSError, UnicodeError, BadMessage) as error:
            self._fail(now, error)

    def _ask(self, now):
        host, port = self._servers[self._index]
        found = self._look(host, port)
        if found is None:  # the name is being looked up
            self.due = now + _LOOK_EVERY_MS
            return
        self._socket = socket.socket(found[0], _SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(found[1])  # from now on nobody else is heard
        self._nonce = random_bytes(8)
        self._socket.send(sntp.make_request(self._nonce))
        self._asked = now
        self.due = now + _LOOK_EVERY_MS

    def _hear(self, now):
        self.due = now + _LOOK_EVERY_MS
        try:
            data = self._socket.recv(128)
        except OSError as error:
            if error.args[0] == 11:  # EAGAIN
                return False
            raise
        unix_ms = sntp.read_answer(data, self._nonce, LEAST_UNIX_S)
        self._close()
        self.is_new = False
        self._retry_ms = _FIRST_RETRY_MS
        self.due = now + _AGAIN_MS
        self._take(unix_ms + (now - self._asked) // 2)
        return True

    def _fail(self, now, error):
        host = "%s:%d" % self._servers[self._index]
        self._warn("no time from %s: %s" % (host, error))
        self._close()
        self._index = (self._index + 1) % len(self._servers)
        self.due = now
        if not self._index:
            self.is_new = False
            self.due = now + self._retry_ms
            self._retry_ms = min(2 * self._retry_ms, _MOST_RETRY_MS)

    def _close(self):
        channel, self._socket = self._socket, None
        if channel is not None:
            channel.close()
