"""Keeps one connection to the broker alive: dials, and dials again with growing pauses.

Rule: the first dial is the caller's and fails at once; every later one is this module's own and
goes on until `close()`. After each it subscribes to what was subscribed before, then calls
`on_ready`. It does not know what the messages mean.
"""

import random
import threading
import time

from .connection import connect
from .errors import Unreachable

# `close()` does not wait longer than this for a dial that hangs; its thread is a daemon.
CLOSE_S = 0.5


class Link:
    """`on_message(topic, payload, retained)` comes from the connection's thread,
    `on_ready(connection)` and `on_state(text)` from the thread that dials.

    `retry_s` is the first pause and the longest one; a pause doubles with each failure and is
    cut by up to half at random, so that many callers do not come back in step. A connection
    that lasted less than the longest pause counts as a failure too.
    """

    def __init__(self, address, ca, retry_s, on_message, on_ready, on_state):
        self.address = address
        self._ca = ca
        self._retry_s = retry_s
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_state = on_state
        self._timeout_s = None
        self._thread = None
        self._version = None
        self._closing = threading.Event()
        # Guards _filters and _connection, which callers and the dialling thread both change.
        self._lock = threading.Lock()
        self._filters = []
        self._connection = None

    @property
    def connection(self):
        """The connection in service, or None while there is none."""
        return self._connection

    @property
    def version(self):
        """paho's number of the MQTT version in use: 5 or 4, None before the first connection."""
        return self._version

    def open(self, filters, timeout_s):
        """Dial, subscribe to `filters`, keep it alive from then on. Raises Unreachable."""
        self._timeout_s = timeout_s
        self._filters = list(filters)
        connection = self._dial()
        self._thread = threading.Thread(
            target=self._keep, args=(connection,), name="limpet-link", daemon=True
        )
        self._thread.start()

    def subscribe(self, filters):
        """Subscribe now, if there is a connection, and after every later dial.

        Raises Refused or Unreachable; what was not taken now is not tried again later, where it
        would keep a new connection from being of any use.
        """
        with self._lock:
            new = [name for name in filters if name not in self._filters]
            self._filters.extend(new)
            connection = self._connection
        if not new or not connection:
            return
        try:
            connection.subscribe(new, self._timeout_s)
        except Unreachable:
            with self._lock:
                self._filters = [name for name in self._filters if name not in new]
            raise

    def unsubscribe(self, names):
        """Want no more of these topics, now and after a later dial."""
        with self._lock:
            self._filters = [row for row in self._filters if row[0] not in names]
            connection = self._connection
        if connection:
            connection.unsubscribe(names)

    def close(self):
        self._closing.set()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection:
            connection.close()
        if self._thread:
            self._thread.join(CLOSE_S)

    def _dial(self):
        """A new connection, put into service."""
        connection = connect(
            self.address, self._ca, self._on_message, self._timeout_s, self._version
        )
        try:
            self._put_into_service(connection)
        except Unreachable:
            connection.close()
            raise
        self._version = connection.version
        self._on_ready(connection)
        return connection

    def _put_into_service(self, connection):
        """Subscribe to every filter known by the moment that callers get to see it."""
        subscribed = []
        while True:
            with self._lock:
                missing = [name for name in self._filters if name not in subscribed]
                if self._closing.is_set():
                    raise Unreachable("closed meanwhile")
                if not missing:
                    self._connection = connection
                    return
            connection.subscribe(missing, self._timeout_s)
            subscribed += missing

    def _keep(self, connection):
        """The dialling thread: wait for the end of each connection, then make another."""
        failures = 0
        while True:
            born = time.monotonic()
            connection.lost.wait()
            if self._closing.is_set():
                return
            self._put_away(connection)
            lasted = time.monotonic() - born
            failures = 1 if lasted > self._retry_s[1] else failures + 1
            connection, failures = self._dial_until_it_works(failures)
            if connection is None:
                return

    def _dial_until_it_works(self, failures):
        told = None
        while not self._closing.wait(self._pause(failures)):
            try:
                connection = self._dial()
            except Unreachable as error:
                failures += 1
                if str(error) != told:  # each reason once, however long it lasts
                    told = str(error)
                    self._on_state(told)
            else:
                self._on_state(f"connected to {self.address} again")
                return connection, failures
        return None, failures

    def _put_away(self, connection):
        with self._lock:
            if self._connection is connection:
                self._connection = None
        connection.close()
        self._on_state(f"lost the connection to {self.address}")

    def _pause(self, failures):
        first, longest = self._retry_s
        return min(longest, first * 2 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)
