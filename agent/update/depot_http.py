"""Pieces of blobs over HTTP or HTTPS, from the byte on that is wanted.

The one rule: it waits for nothing. One connection is kept for one blob after another; whatever
goes wrong, it is let go of, and the next one goes on at the first byte that did not come. What a
server says of itself is bounded before it is held; what it sends is believed by nobody here, but
verified by whoever takes it. The same calls as depot_mqtt.Depot.
"""

from agent.errors import BadConfig
from agent.mqtt import transports
from agent.mqtt.faults import TransportError

MAX_HEAD_BYTES = 2048  # of status and headers
MOST_HELD = 8192  # read ahead of what is taken
PATIENCE_MS = 30_000  # without a byte
_RETRY_MS = 1000
_SLOWEST_MS = 300_000
_PORTS = {"http": 80, "https": 443}


def parse_url(url):
    """(scheme, host, port, path). Raises BadConfig."""
    scheme, _, rest = url.partition("://")
    place, _, path = rest.partition("/")
    host, _, port = place.partition(":")
    if scheme not in _PORTS or not host or (port and not port.isdigit()) or " " in url:
        raise BadConfig("update.url: expected http://HOST[:PORT]/PATH or https://...")
    return scheme, host, int(port) if port else _PORTS[scheme], path.rstrip("/")


class Depot:
    """`watch(pollable, writing)` has the owner's sleep end when there is something to do, None:
    nothing any more; `transport(host, port)` makes what tcp.py describes; `rate` as in
    depot_mqtt."""

    def __init__(self, url, tls, watch, rate=0, transport=None):
        scheme, self._host, self._port, path = parse_url(url)
        self._path = "/%s/" % path if path else "/"
        self._watch = watch
        self._rate = rate
        options = (tls or _TLS) if scheme == "https" else None
        self._make = transport or transports.transport(options)
        self._buffer = memoryview(bytearray(2048))
        self._name = self._transport = None
        self._retry_ms = _RETRY_MS
        self.failures = 0
        self.reason = None  # of the last failure
        self.due = None
        self._retry_at = self._free_at = 0
        self._held = []
        self._held_bytes = self._next = 0
        self._is_connecting = False
        self._head = self._left = None  # the head as far as it came; what is left of the body
        self._unsent = b""

    def connected(self, is_up):
        """The broker's link is another matter."""

    @property
    def ended(self):
        """Whether all that was asked for has come."""
        return self._left == 0 and not self._held

    @property
    def is_waiting(self):
        """Whether nothing can go on before something comes."""
        return self._name is not None and not self._held

    def receive(self, payload):
        """Nothing comes over MQTT."""

    def begin(self, name, offset, size):
        """From here on the pieces of this stream, from `offset` on."""
        if self._left != 0:
            self._drop()  # it is in the middle of something else
        self._name, self._next = name, offset
        self._held, self._held_bytes = [], 0
        if self._transport is not None and not self._is_connecting:
            self._ask()
        self.due = 0

    def end(self):
        """No more of it."""
        self._name = self.due = None
        self._held, self._held_bytes = [], 0
        if self._left != 0:
            self._drop()

    def take(self):
        """The next bytes, None if none are here."""
        if not self._held:
            return None
        data = self._held.pop(0)
        self._held_bytes -= len(data)
        return data

    def _drop(self):
        transport, self._transport = self._transport, None
        self._head = self._left = None
        self._unsent = b""
        if transport is not None:
            self._watch(None, False)
            transport.close()

    def _ask(self):
        words = (self._path, self._name, self._host, self._next)
        self._unsent = (
            "GET %s%s HTTP/1.1\r\nHost: %s\r\nRange: bytes=%d-\r\n\r\n" % words
        ).encode()
        self._head, self._left = b"", None

    def step(self, now):
        """Connect, ask, read: as far as it goes without waiting."""
        if self._name is None:
            return
        if self._transport is None:
            if now < self._retry_at:
                self.due = self._retry_at
                return
            self._open(now)
        try:
            self._go_on(now)
        except TransportError as error:
            self._fail(now, error.message)

    def _open(self, now):
        self._transport = self._make(self._host, self._port)
        self._is_connecting = True
        self._heard = now
        try:
            self._transport.open()
            self._watch(self._transport.pollable, True)
        except TransportError as error:
            self._fail(now, error.message)

    def _fail(self, now, reason):
        self._drop()
        self.failures += 1
        self.reason = reason
        self._retry_at = self.due = now + self._retry_ms
        self._retry_ms = min(2 * self._retry_ms, _SLOWEST_MS)

    def _go_on(self, now):
        transport = self._transport
        if transport is None:
            return
        self.due = self._heard + PATIENCE_MS
        if self._is_connecting and transport.finish():
            self._is_connecting = False
            self._watch(transport.pollable, False)
            self._ask()
        if not self._is_connecting:
            if self._unsent:
                self._unsent = self._unsent[transport.write(self._unsent) :]
            self._read(now)
        if now - self._heard > PATIENCE_MS:
            raise TransportError("timeout", "%s: silent" % transport.name)

    def _read(self, now):
        if self._held_bytes >= MOST_HELD:
            return
        if now < self._free_at:
            self.due = self._free_at
            return
        count = self._transport.read_into(self._buffer)
        if not count:
            return
        self._heard = now
        self.due = now  # there may be more
        if self._rate:
            self._free_at = now + count * 1000 // self._rate
        data = bytes(self._buffer[:count])
        if self._left is None:
            data = self._read_head(data)
        data = data[: self._left or 0]
        if data:
            self._retry_ms = _RETRY_MS
            self._left -= len(data)
            self._next += len(data)
            self._held.append(data)
            self._held_bytes += len(data)

    def _read_head(self, data):
        """What is behind the head, b"" while that is not whole. Raises TransportError."""
        self._head += data
        at = self._head.find(b"\r\n\r\n")
        if at < 0:
            if len(self._head) > MAX_HEAD_BYTES:
                raise TransportError("lost", "a head without end")
            return b""
        lines = self._head[:at].split(b"\r\n")
        words = lines[0].split(b" ")
        wanted = (b"200", b"206") if self._next == 0 else (b"206",)
        if len(words) < 2 or words[0][:5] != b"HTTP/" or words[1] not in wanted:
            raise TransportError("lost", "the server says: %s" % str(lines[0][:60]))
        size = None
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                size = int(value.strip())
        if size is None:
            raise TransportError("lost", "no Content-Length")
        rest = self._head[at + 4 :]
        self._head, self._left = None, size
        return rest


_TLS = {"ca": None, "certificate": None, "key": None, "name": None, "verify": True}
