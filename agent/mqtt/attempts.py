"""Which broker to try next, with which version of MQTT, and when.

One rule: pure decisions; the link tells how an attempt ended and gets the wait before the next.
The brokers are tried in order, the next one at once, and only after the last comes the back-off;
after a connection that was up the same broker is tried first. What a broker has shown of the
versions it speaks is remembered for it as long as the process lives.
"""

from micropython import const

from agent.mqtt.events import Disconnected

_V311 = const(4)
_V5 = const(5)
_UNSUPPORTED_VERSION = const(0x84)

# Trying again soon does not mend these: wrong name, wrong password, no permission, banned, unknown
# way of authentication, and somebody else with our client identifier (section 2.4 of the MQTT 5.0
# standard).
_WILL_NOT_HEAL = b"\x85\x86\x87\x8a\x8c\x8e"

# Brokers of 3.1.1 may close on MQTT 5 without a word (MQTT-3.1.2-2 there), or leave it without an
# answer, as amqtt does. Once may as well be an accident of the network, or a broker that is being
# restarted; but a silence has taken the whole time-out already, so one of these is enough.
_SILENT_ENDS = 2

# A guess is put to the test again after a connection that lasted so long: a network that failed
# in the wrong moment must not keep a device on 3.1.1 for the life of its process.
_GUESS_HOLDS_MS = 3_600_000

# How an attempt ended of which the broker said nothing: it closed, or it kept silent.
CLOSED, SILENT = 1, 2

# Ends after CONNECT that may mean that the broker does not know the version.
_SPEECHLESS = {"lost": CLOSED, "bad-message": CLOSED, "timeout": SILENT}


class _Broker:
    def __init__(self, address, version):
        self.address = address
        self.version = version
        self.proven = False  # it has accepted a connection with `version`
        self.guessed = False  # it has not said that it does not speak the version wanted
        self.silent_ends = 0

    def ended_silently(self, wanted, how):
        if self.proven or wanted != _V5:
            return
        self.silent_ends += how
        if self.version == _V311:
            self.version = _V5
        elif self.silent_ends >= _SILENT_ENDS:
            self.version = _V311
            self.silent_ends = 0
        self.guessed = self.version == _V311

    def lasted(self, milliseconds):
        if self.guessed and milliseconds >= _GUESS_HOLDS_MS:
            self.version = _V5
            self.proven = self.guessed = False
            self.silent_ends = _SILENT_ENDS - 1


class Attempts:
    """`brokers` is a list of (host, port), best first; `version` the one to prefer."""

    def __init__(self, brokers, version, backoff):
        self._brokers = [_Broker(address, version) for address in brokers]
        self._wanted = version
        self._index = 0
        self._backoff = backoff
        self._since = None  # when the connection came up

    @property
    def address(self):
        """(host, port) to try next, or in use."""
        return self._brokers[self._index].address

    @property
    def version(self):
        """The version of MQTT to try it with."""
        return self._brokers[self._index].version

    def succeeded(self, now):
        """The broker accepted the connection."""
        self._since = now
        broker = self._brokers[self._index]
        broker.proven = True
        broker.silent_ends = 0

    def lost(self, now, text, code, opening, waits_for_us, ended):
        """The attempt, or the connection, ended so: the Disconnected that tells of it.

        `opening`: there was no CONNACK yet; `waits_for_us`: nor a CONNECT; `ended` is a
        events.Ended if the other side has said it, else None.
        """
        reason = 0
        if ended:
            reason, text = ended
            code = "rejected" if opening else "dismissed"
        speechless = _SPEECHLESS.get(code, 0) if opening and not waits_for_us else 0
        return Disconnected(text, self.ended(now, speechless, reason), code)

    def ended(self, now, speechless, reason):
        """The attempt, or the connection, is over: milliseconds to wait before the next attempt.

        `speechless`: the other side had our CONNECT and closed, or said what is not MQTT (CLOSED),
        or said nothing in time (SILENT); 0 for any other end. `reason` is the MQTT 5 reason code
        that the broker gave, 0 if none.
        """
        broker = self._brokers[self._index]
        slowly = reason in _WILL_NOT_HEAL
        if self._since is not None:
            self._backoff.lasted(now - self._since)
            broker.lasted(now - self._since)
            self._since = None
            return self._backoff.next_ms(slowly)
        if reason == _UNSUPPORTED_VERSION and broker.version == _V5:
            broker.version = _V311
            broker.proven = True
            return 0
        if speechless:
            broker.ended_silently(self._wanted, speechless)
        self._index = (self._index + 1) % len(self._brokers)
        return 0 if self._index else self._backoff.next_ms(slowly)
