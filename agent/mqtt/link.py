"""The link: one session, kept connected to the first broker of a list that answers.

One rule: nothing here waits except `wait` (and the name resolver), and nothing ends in silence:
each end of a connection, and each failed attempt, is a Disconnected that says why and when the
next attempt will be. The owner's loop, all in one thread:

    for event in link.receive(now): ...     connects, reads, looks after every deadline
    link.publish(...), link.acknowledge(message)
    link.send(now)                          one write for everything queued since the last
    link.wait(timeout_ms)                   until bytes, a call of `wake`, or the time: `link.due`

Only `wake` may be called from other threads. `now` is in milliseconds and never wraps.
"""

from collections import namedtuple

from interpreter import random_bytes

from agent.errors import BadMessage
from agent.mqtt.attempts import CLOSED, SILENT, Attempts
from agent.mqtt.backoff import Backoff
from agent.mqtt.session import OPEN
from agent.mqtt.tcp import Tcp, TransportError
from agent.mqtt.waiter import Waiter

# `reason` is a sentence; `retry_in_ms` when the next attempt will be, None for never; `code` a
# word: name-not-found, refused, unreachable, timeout, lost, certificate, tls (TransportError),
# rejected (by the broker's CONNACK), dismissed (by its DISCONNECT, or its silence), bad-message.
Disconnected = namedtuple("Disconnected", ("reason", "retry_in_ms", "code"))

SOON_MS = 1  # who waits no longer is about to send something, which acknowledges what came

_DOWN, _CONNECTING, _OPENING, _UP, _CLOSED = range(5)

# Ends after CONNECT that may mean that the broker does not know the version.
_SPEECHLESS = {"lost": CLOSED, "bad-message": CLOSED, "timeout": SILENT}


def transport(options, path=None, resolver=None):
    """What makes a link's connections: TCP where `options` is None, else TLS as tls.py says.

    With a `path` there is a WebSocket over it; `resolver` is a resolver.Resolver, or None.
    """

    def make(host, port):
        return Tcp(host, port, resolver)

    if options is not None:
        from agent.mqtt.tls import Tls

        def make(host, port):
            return Tls(host, port, options, resolver)

    if path is None:
        return make
    from agent.mqtt.websocket import WebSocket

    return lambda host, port: WebSocket(make(host, port), host, port, path)


class Link:
    """`brokers` is a list of (host, port), best first; `channel` a wakeup.Channel or None.

    `transport(host, port)` makes what tcp.py describes. Between the start of an attempt and the
    broker's answer at most `connect_timeout_ms` may pass.
    """

    def __init__(
        self,
        session,
        brokers,
        channel=None,
        backoff=None,
        connect_timeout_ms=15_000,
        transport=Tcp,
    ):
        self.session = session
        self._attempts = Attempts(brokers, session.version, backoff or Backoff(random_bytes))
        self._connect_timeout_ms = connect_timeout_ms
        self._make_transport = transport
        self._transport = None
        self._waiter = Waiter(channel)
        self._stage = _DOWN
        self._deadline = None  # of the next attempt, or of this one; None: whenever called
        self._failure = None  # what `send` met, until `receive` tells it
        self._is_watched = False  # whether the poller knows the transport
        self._unsent = b""
        self._readable = True  # False once `wait` knows that nothing came
        self._listening = False  # whether the poller waits for bytes and nothing else
        self._unfinished = False  # whether received bytes are still to be read as packets
        self._silent = False  # whether bytes came after which nothing was sent
        self._buffered = False  # whether the transport may hold bytes that the poller cannot see
        self._held = None  # why it is to stay away, until `release`
        self._keep_alive = session.keep_alive
        # On MicroPython looking up a method costs more than much of what is done here, because
        # the object's own, full table is searched first; so what each message needs is bound once.
        self._next_event = session.next_event
        self._output = session.output
        self._sleep = self._waiter.wait
        # The session's own, so that an owner needs nothing but the link.
        self.publish = session.publish
        self.is_pending = session.is_pending
        self.acknowledge = session.acknowledge
        self.subscribe = session.subscribe
        self.unsubscribe = session.unsubscribe
        self.wake = self._waiter.wake
        self.also = self._waiter.also

    @property
    def connected(self):
        """Whether the broker has accepted the connection and nothing is known to be wrong."""
        return self._stage == _UP

    @property
    def due(self):
        """When `receive` must be called though nothing came; None if never."""
        if self._held:
            return None if self._stage in (_DOWN, _CLOSED) else 0
        return self._keep_alive.due if self._stage == _UP else self._deadline

    def receive(self, now):
        """Yield every event that has come; connect, time out and reconnect where that is due."""
        try:
            if self._held:
                self._stay_away()
            elif self._stage == _UP or self._comes_up(now):
                if self._readable and not self._unfinished:
                    self._read(now)
                self._readable = self._unfinished = True
                event = self._next_event()
                while event:
                    yield event
                    event = self._next_event()
                self._unfinished = self.session.paused
                self._look_after(now)
        except BadMessage as error:
            self.send(now)  # the DISCONNECT that says why
            yield self._lost(now, error.message, "bad-message")
        except TransportError as error:
            yield self._lost(now, error.message, error.code)

    def _comes_up(self, now):
        """Take the next step towards a connection; whether there may be bytes to read."""
        if self._stage == _DOWN and (self._deadline is None or now >= self._deadline):
            self._connect(now)
        if self._stage == _CONNECTING:
            is_there = self._transport.finish()
            self._watch()
            if is_there:
                self._stage = _OPENING
                self.session.open(now)
            else:
                self._check_deadline(now)
        return self._stage == _OPENING

    def _connect(self, now):
        self.session.version = self._attempts.version
        self._deadline = now + self._connect_timeout_ms
        self._transport = self._make_transport(*self._attempts.address)
        self._stage = _CONNECTING
        self._transport.open()
        self._watch()

    def _watch(self):
        if not self._is_watched and self._transport.pollable is not None:
            self._is_watched = True
            self._waiter.watch(self._transport.pollable)

    def _read(self, now):
        """Read once in each `receive`, so that a flood leaves others time.

        Only when all that came before is taken: then there is room for one byte at least.
        """
        session = self.session
        count = self._transport.read_into(session.space())
        if count:
            session.filled(count, now)
            self._silent = True
            self._buffered = self._transport.buffers
        else:
            self._buffered = False

    def _look_after(self, now):
        session = self.session
        if self._stage == _OPENING:
            if session.state == OPEN:
                self._stage = _UP
                self._attempts.succeeded(now)
            else:
                self._check_deadline(now)
        due = self._keep_alive.due
        if due is not None and now >= due:
            session.step(now)
        if session.ended:
            raise TransportError("dismissed", session.ended.text)
        if self._failure:
            raise self._failure

    def _check_deadline(self, now):
        if now >= self._deadline:
            raise TransportError("timeout", "%s: no answer in time" % self._transport.name)

    def _lost(self, now, text, code):
        """Let the connection go; the Disconnected that tells of it."""
        opening = self._stage == _OPENING
        reason = 0
        if self.session.ended:
            reason, text = self.session.ended
            code = "rejected" if opening else "dismissed"
        heard_us = opening and not self._transport.handshaking
        self._drop()
        self._stage = _DOWN
        speechless = _SPEECHLESS.get(code, 0) if heard_us else 0
        wait_ms = self._attempts.ended(now, speechless, reason)
        self._deadline = now + wait_ms
        return Disconnected(text, wait_ms, code)

    def _drop(self):
        self.session.close()
        self._waiter.forget()
        self._is_watched = False
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._unsent = b""
        self._failure = None
        self._readable = True
        self._unfinished = self._listening = self._silent = self._buffered = False

    def send(self, now):
        """Write what is queued, in one piece; what the system does not take goes first later."""
        data = self._unsent or self._output(now)
        if not data:
            return
        try:
            count = self._transport.write(data)
        except TransportError as error:
            self._failure = error
            self._unfinished = True  # so that `wait` does not sleep on it
            self._unsent = b""
            return
        self._unsent = data[count:]
        self._silent = False

    def wait(self, timeout_ms):
        """Sleep until bytes come or `wake` is called; at most `timeout_ms`, negative: for ever."""
        if self._silent and not 0 <= timeout_ms <= SOON_MS:
            self._silent = False
            self._transport.acknowledge()
        if self._buffered:  # more may have come than the poller can tell
            return
        if self._stage == _UP and not self._unfinished and not self._unsent and self._listening:
            self._readable = self._sleep(timeout_ms)  # the usual
            return
        reading = not self._unfinished
        if not reading and not self.session.paused:
            return
        writing = self._stage == _CONNECTING or len(self._unsent) > 0
        if writing and self._transport.handshaking:
            writing = False
        self._listening = reading and not writing
        self._waiter.want(reading, writing)
        self._readable = self._sleep(timeout_ms)

    def change(self, brokers, backoff, connect_timeout_ms, transport):
        """Use these, as in the constructor, from the next connection on; see `leave`."""
        self._attempts = Attempts(brokers, self.session.settings.version, backoff)
        self._connect_timeout_ms = connect_timeout_ms
        self._make_transport = transport

    def leave(self, now):
        """Say goodbye, and connect anew at the next `receive`."""
        if self._transport is not None:
            self.session.disconnect()
            self.send(now)
        self._drop()
        self._stage = _DOWN
        self._deadline = now

    def hold(self, reason):
        """There is no network, says `reason`: let go of the connection, and try none."""
        self._held = reason
        self._unfinished = self._stage not in (_DOWN, _CLOSED)  # so that `wait` does not sleep

    def release(self, now):
        """There is one again: try at once."""
        self._held = None
        self._deadline = now

    def _stay_away(self):
        if self._stage not in (_DOWN, _CLOSED):
            raise TransportError("unreachable", self._held)

    def keep(self, keeper):
        """From now on nothing leaves before `keeper` (keeper.py) has noted what led to it."""
        self._output = keeper.output

    def abandon(self):
        """Let go of the connection without a word: the broker tells the will."""
        self._drop()
        self._stage = _CLOSED
        self._deadline = None

    def close(self, now, with_will=False):
        """Say goodbye and stay away; `with_will` lets the broker tell it as if we were lost."""
        if self._transport is not None:
            self.session.disconnect(with_will)
            self.send(now)
        self._drop()
        self._stage = _CLOSED
        self._deadline = None
