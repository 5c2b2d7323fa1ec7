"""The link: one session, kept connected to the first broker of a list that answers.

One rule: nothing here waits except `wait` (and the name resolver), and nothing ends in silence:
each end of a connection, and each failed attempt, is a Disconnected (events.py) that says why
and when the next attempt will be. The owner's loop, all in one thread:

    for event in link.receive(now): ...     connects, reads, looks after every deadline
    link.publish(...), link.acknowledge(message)
    link.send(now)                          one write for everything queued since the last
    link.wait(timeout_ms)                   until bytes, a call of `wake`, or the time: `link.due`

Only `wake` may be called from other threads. `now` is in milliseconds and never wraps. A back-end
file: what `select.poll` does differently on CPython and MicroPython is settled here.
"""

import select

from micropython import const

from agent import LimpetError
from agent.mqtt.tcp import Tcp

SOON_MS = const(1)  # who waits no longer is about to send something, which acknowledges what came

_DOWN = const(0)
_CONNECTING = const(1)
_OPENING = const(2)
_UP = const(3)
_CLOSED = const(4)

_OPEN = const(2)  # of a session, see session.py

_READ = const(1)  # POLLIN and POLLOUT are the same on every system
_WRITE = const(4)


class Link:
    """`brokers` is a list of (host, port), best first; `channel` a wakeup.Channel or None.

    `transport(host, port)` makes what tcp.py describes. Between the start of an attempt and the
    broker's answer at most `connect_timeout_ms` may pass. `output` may be a keeper's (keeper.py):
    then nothing leaves before it has noted what led to it. Without a channel nothing wakes the
    sleeper early.
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
        self.change(brokers, backoff, connect_timeout_ms, transport)
        self.poller = poller = select.poll()
        # MicroPython's has a form that makes no list, and gives back the object that was
        # registered, where CPython gives its descriptor.
        self.poll = getattr(poller, "ipoll", poller.poll)
        self.channel = channel
        self.bell = None
        if channel is not None:
            poller.register(channel.pollable, _READ)
            self.bell = channel.pollable if hasattr(poller, "ipoll") else channel.pollable.fileno()
        self._watched = None  # what the poller knows of the transport, and is asked about it
        self.interest = 0
        self.transport = None
        self.drop(_DOWN, None)
        # On MicroPython looking up a method costs more than much of what is done here, because
        # the object's own, full table is searched first; so what each message needs is bound once.
        self.next_event = session.next_event
        self.output = session.output
        # The session's own, so that an owner needs nothing but the link.
        self.publish = session.publish
        self.is_pending = session.is_pending
        self.acknowledge = session.acknowledge
        self.subscribe = session.subscribe
        self.unsubscribe = session.unsubscribe

    def change(self, brokers, backoff, connect_timeout_ms, transport):
        """Use these, as in the constructor, from the next connection on; see `leave`."""
        self.brokers = brokers
        self.backoff = backoff
        self.connect_timeout_ms = connect_timeout_ms
        self.make_transport = transport
        self._attempts = self._since = None  # since when a connection is up

    @property
    def connected(self):
        """Whether the broker has accepted the connection and nothing is known to be wrong."""
        return self.stage == _UP

    @property
    def due(self):
        """When `receive` must be called though nothing came; None if never."""
        return self.session.due if self.stage == _UP else self.deadline

    def receive(self, now):
        """Yield every event that has come; connect, time out and reconnect where that is due."""
        try:
            if self.stage == _UP or self._comes_up(now):
                # Read once in each `receive`, so that a flood leaves others time; and only when
                # all that came before is taken: then there is room for one byte at least.
                if self._readable and not self.unfinished:
                    session = self.session
                    count = self.transport.read_into(session.space())
                    if count:
                        session.filled(count, now)
                        self._silent = True
                        self._buffered = self.transport.buffers
                    else:
                        self._buffered = False
                self._readable = self.unfinished = True
                event = self.next_event()
                while event:
                    yield event
                    event = self.next_event()
                self.unfinished = self.session.paused
                self._look_after(now)
        except LimpetError as error:
            self.send(now)  # after a BadMessage the DISCONNECT that says why
            yield self.lost(now, error.message, error.code)

    def _comes_up(self, now):
        """Take the next step towards a connection; whether there may be bytes to read."""
        if self.stage == _DOWN and (self.deadline is None or now >= self.deadline):
            address = self.brokers[0]
            if self._attempts:
                address = self._attempts.address
                self.session.version = self._attempts.version
            self.deadline = now + self.connect_timeout_ms
            self.transport = self.make_transport(*address)
            self.stage = _CONNECTING
            self.transport.open()
            self._ask(_READ | _WRITE)
        if self.stage == _CONNECTING:
            is_there = self.transport.finish()
            self._ask(_READ | _WRITE)
            if is_there:
                self.stage = _OPENING
                self.session.open(now)
            else:
                self._check_deadline(now)
        return self.stage == _OPENING

    def _ask(self, interest):
        """What the poller is to tell of the transport."""
        if self._watched is None:
            self._watched = pollable = self.transport.pollable
            if pollable is not None:
                self.interest = interest
                self.poller.register(pollable, interest)
        elif interest != self.interest:
            self.interest = interest
            self.poller.modify(self._watched, interest)

    def _look_after(self, now):
        session = self.session
        if self.stage == _OPENING:
            if session.state == _OPEN:
                self.stage = _UP
                self._since = now
                if self._attempts:
                    self._attempts.succeeded(now)
            else:
                self._check_deadline(now)
        due = session.due
        if due is not None and now >= due:
            session.step(now)
        if session.ended:
            self._fail("dismissed", session.ended.text)
        if self.failure:
            raise self.failure

    def _check_deadline(self, now):
        if now >= self.deadline:
            self._fail("timeout", "%s: no answer in time" % self.transport.name)

    def _fail(self, code, text):
        from agent.mqtt import faults

        raise faults.TransportError(code, text)

    def lost(self, now, text, code):
        """Let the connection go; the Disconnected that tells of it."""
        attempts = self._attempts
        if attempts is None:  # what decides on the next attempt; not needed before one has failed
            from agent.mqtt import faults

            version = self.session.settings.version
            self._attempts = attempts = faults.attempts(self.brokers, version, self.backoff)
            if self._since is not None:
                attempts.succeeded(self._since)
        opening = self.stage == _OPENING
        waits_for_us = opening and self.transport.handshaking
        event = attempts.lost(now, text, code, opening, waits_for_us, self.session.ended)
        self.drop(_DOWN, now + event.retry_in_ms)
        return event

    def drop(self, stage, deadline):
        """Let the connection go; how far the link is then, and when it tries again."""
        self.session.close()
        if self._watched is not None:
            self.poller.unregister(self._watched)
            self._watched = None
        if self.transport is not None:
            self.transport.close()
            self.transport = None
        self._unsent = b""
        self.failure = None  # what `send` met, until `receive` tells it
        self._readable = True  # False once `wait` knows that nothing came
        self._listening = False  # whether the poller waits for bytes and nothing else
        self.unfinished = False  # whether received bytes are still to be read as packets
        self._silent = False  # whether bytes came after which nothing was sent
        self._buffered = False  # whether the transport may hold bytes that the poller cannot see
        self.stage = stage
        self.deadline = deadline  # of the next attempt, or of this one; None: whenever called

    def send(self, now):
        """Write what is queued, in one piece; what the system does not take goes first later."""
        data = self._unsent or self.output(now)
        if not data:
            return
        try:
            count = self.transport.write(data)
        except LimpetError as error:
            self.failure = error
            self.unfinished = True  # so that `wait` does not sleep on it
            self._unsent = b""
            return
        self._unsent = data[count:]
        self._silent = False

    def wait(self, timeout_ms):
        """Sleep until bytes come or `wake` is called; at most `timeout_ms`, negative: for ever."""
        if self._silent and not 0 <= timeout_ms <= SOON_MS:
            self._silent = False
            self.transport.acknowledge()
        if self._buffered:  # more may have come than the poller can tell
            return
        if self.session.events and self.stage == _UP:  # what was refused here, with no bytes
            return
        # The usual is that the poller waits for bytes already.
        if self.stage != _UP or self.unfinished or self._unsent or not self._listening:
            reading = not self.unfinished
            if not reading and not self.session.paused:
                return
            writing = self.stage == _CONNECTING or len(self._unsent) > 0
            if writing and self.transport.handshaking:
                writing = False
            self._listening = reading and not writing
            if self._watched is not None:
                self._ask((_READ if reading else 0) | (_WRITE if writing else 0))
        ready = False
        for found in self.poll(timeout_ms):
            if found[0] == self.bell:
                self.channel.clear()
            else:
                ready = True
        self._readable = ready

    def wake(self):
        """End the wait, or the next one. The only call here for other threads."""
        if self.channel is not None:
            self.channel.set()

    def leave(self, now):
        """Say goodbye, and connect anew at the next `receive`."""
        self.close(now)
        self.drop(_DOWN, now)

    def abandon(self):
        """Let go of the connection without a word: the broker tells the will."""
        self.drop(_CLOSED, None)

    def close(self, now, with_will=False):
        """Say goodbye and stay away; `with_will` lets the broker tell it as if we were lost."""
        if self.transport is not None:
            self.session.disconnect(with_will)
            self.send(now)
        self.drop(_CLOSED, None)
