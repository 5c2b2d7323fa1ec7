"""Fleet: the devices behind one broker, as a technician's program sees them.

Rule: a call is sent with one id and one deadline, and both stay with it: after a broken
connection the same request goes out again with what is left of its time, and the device's journal
answers it without a second run. This module ties the parts together and knows no MQTT packet.
"""

import logging
import secrets
import threading
import time

from . import address, keys
from .calls import Call, Calls, new_id
from .errors import BadReply, CallTimeout, NotListening, Refused, Unreachable
from .feeds import Feed, Feeds
from .link import Link
from .many import ManyCalls, call_all
from .roster import Roster
from .seal import Sealer, is_seal_word, split
from .topics import Topics, check_device_name

TIMEOUT_S = 10.0
RETRY_S = (0.2, 10.0)
# How long to wait for a broker that does not give us our own message back (its access list may
# forbid it). Only then is a list of devices made on time alone.
SETTLE_S = 2.0
MAXIMUM_RESEALS = 2  # a device that restarts between two of them is not worth a third
_NOT_AUTHORIZED = 0x87  # MQTT 5 section 2.4
_NO_SUBSCRIBERS = 0x10
_log = logging.getLogger("limpet.fleet")


class Fleet:
    """`with Fleet("mqtt://user:password@broker") as fleet: fleet.call("pump-7", "system.ping")`

    `url` is the broker (else `$LIMPET_BROKER`, else this machine's), `root` the topic above all
    devices, `ca` a file of certificates to trust in place of the system's, `timeout` how long
    a call and a connection may take unless a call says otherwise, `key` the caller's key (a file,
    or a `keys.Key`; else the file in `$LIMPET_KEY`, else none), `retry` the first and the longest
    pause before the next attempt once a connection has been lost, `notice(text)` is told
    of lost and new connections, from a thread of the fleet's own.

    May be used from several threads. Raises AddressError at once for a wrong URL or root.
    """

    def __init__(
        self, url=None, root="limpet", *, ca=None, timeout=TIMEOUT_S, key=None,
        retry=RETRY_S, notice=None,
    ):  # fmt: skip
        self.address = address.parse(url)
        self.root = root
        self.timeout = timeout
        self._topics = Topics(root, secrets.token_hex(8))
        key = keys.find(key)
        self.sealer = None if key is None else Sealer(key)
        self._calls = Calls(self._seal_again)
        self._many = ManyCalls()
        self._roster = Roster()
        self._feeds = Feeds()
        self._taps = {}  # topic: (device, who takes it)
        self._watching_all = False
        self._echoes = {}
        self._link = Link(
            self.address, ca, retry, self._received, self._ready, notice or _log.info
        )

    def __enter__(self):
        return self.open()

    def __exit__(self, *_exception):
        self.close()

    def open(self):
        """Connect. Raises Unreachable, or Refused if the broker says no."""
        self._link.open(self._topics.reply_filters, self.timeout)
        return self

    def close(self):
        """End the connection, and every call still under way with Unreachable."""
        self._link.close()
        for call in self._calls.waiting(time.monotonic()):
            text = f"the fleet was closed while {call.method} on {call.device} was under way"
            self._calls.finish(call, error=Unreachable(text))

    @property
    def connected(self) -> bool:
        return self._link.connection is not None

    @property
    def protocol(self) -> str | None:
        """`5` or `3.1.1`, once connected."""
        return {5: "5", 4: "3.1.1"}.get(self._link.version)

    @property
    def refused(self) -> dict[str, int]:
        """How many messages were not taken, by reason."""
        return dict(self._calls.refused + self._roster.refused + self._feeds.refused)

    def devices(self):
        """The devices by name: a dict of `roster.Device`, in alphabetical order.

        The first time it asks the broker, and raises Unreachable or Refused; from then on it
        follows what they say, and tells what it last heard.
        """
        self._watch_all()
        return self._roster.devices()

    def device(self, name):
        """One `roster.Device`, or None if the broker keeps no status of that name.

        Raises AddressError, Unreachable or Refused.
        """
        filters = self._topics.state_filters(check_device_name(name))
        if not self._watching_all:
            self._link.subscribe(filters)
            self._settle()
        return self._roster.get(name)

    def watch(self):
        """An iterator of `roster.Change`: first every device there is, then each change, for
        ever. What a device says twice before it is taken comes as one change."""
        self._watch_all()
        watcher = self._roster.watch()
        try:
            while True:
                yield watcher.next()
        finally:
            watcher.close()

    def listen(self, device, name) -> Feed:
        """A `feeds.Feed` of what a device says on a topic of its own, as `log`: with it, `with`.

        Raises AddressError, Unreachable or Refused.
        """
        topic = self._topics.own(check_device_name(device), name)
        feed = self._feeds.listen(topic)
        self._link.subscribe([(topic, 1)])
        return feed

    def leave(self, device, name, payload):
        """Leave bytes, sealed, on a topic of a device for it to find whenever it comes; empty
        ones take away what was left. Raises Unreachable without a connection."""
        topic = self._topics.own(check_device_name(device), name)
        connection = self._link.connection
        if connection is None:
            raise Unreachable(f"lost the connection to {self.address}")
        if self.sealer and payload:
            payload = self.sealer.request(device, topic, payload)
        connection.publish(topic, payload, retain=True)
        self._settle()

    def tap(self, device, name, take):
        """Have `take(body)` called with each message on a topic of a device, in the connection's
        thread; `untap` ends it. With a key only what is sealed for it comes."""
        topic = self._topics.own(check_device_name(device), name)
        self._taps[topic] = (device, take)
        self._link.subscribe([(topic, 1)])

    def untap(self, device, name):
        """Hear no more of it."""
        topic = self._topics.own(device, name)
        if self._taps.pop(topic, None):
            self._link.unsubscribe([topic])

    def send(self, device, name, payload):
        """Send bytes, sealed for now, to a topic of a device. Raises Unreachable."""
        topic = self._topics.own(device, name)
        connection = self._link.connection
        if connection is None:
            raise Unreachable(f"lost the connection to {self.address}")
        if self.sealer:
            payload = self.sealer.request(device, topic, payload, self._nonce(device))
        connection.publish(topic, payload)

    def beacon(self, device, newest=0):
        """Tell a device the time, sealed for its boot, and the newest release: one without a clock
        may wait for that. False where it cannot be said: without a key, or while it is away."""
        if not self.sealer or not self._nonce(device):
            return False
        self.send(device, "time", b"%d %d" % (time.time(), newest))
        return True

    def call(self, device, method, params=None, **options):
        """Call and wait: the device's result. Options and errors as in `submit` and
        `Call.result`."""
        return self.submit(device, method, params, **options).result()

    def commands(self, device, family=None, **options) -> list[dict]:
        """What the device can be asked: name, permission, repeat rule and meaning of each.

        `family` is the part of a name before the dot. Errors as `call`, and BadReply."""
        found = []
        while True:
            params = {"after": found[-1]["name"] if found else "", "family": family}
            said = self.call(device, "rpc.list", params, **options)
            page = said.get("commands") if isinstance(said, dict) else None
            is_new = isinstance(page, list) and all(
                _is_above(each, params["after"]) for each in page
            )
            if not is_new or (said.get("more") and not page):
                raise BadReply(f"{device} does not list its commands in a form known here")
            found += page
            if not said.get("more"):
                return found

    def call_all(self, target, method, params=None, *, spread=1.0, timeout=None, id=None):
        """Call `all` devices, or those of `group/NAME`: yields (device, result or CallError).

        Each answers within `spread` seconds, by chance; collects for `timeout` (else a little
        more than that), or until every device that is online has answered `all`.
        Raises AddressError, KeyFileError or Unreachable.
        """
        topic = self._topics.many(target)

        def publish(payload, left):
            connection = self._link.connection
            if connection is None:
                raise Unreachable(f"lost the connection to {self.address}")
            if self.sealer:
                payload = self.sealer.group_call(target, topic, payload)
            connection.publish(topic, payload, left)

        options = {"spread": spread, "timeout": timeout, "id": id}
        reply = self._topics.many_reply
        return call_all(self, publish, self._many, reply, target, method, params, options)

    def submit(
        self, device, method, params=None, *, ttl=None, timeout=None, id=None, members=None
    ) -> Call:
        """Send a request and return at once; `result()` of what comes back waits.

        `timeout` is how long the caller waits, `ttl` after what time the device must not
        start the command any more (else the same), `id` the id of an earlier request that this
        one repeats, `members` what else is in the request, as `reply_within`. Raises
        AddressError, TypeError or ValueError for what cannot be sent.
        """
        timeout = self.timeout if timeout is None else timeout
        ttl = timeout if ttl is None else ttl
        if timeout <= 0 or ttl <= 0:
            raise ValueError("a time must be more than 0 s")
        now = time.monotonic()
        call = Call(
            check_device_name(device),
            method,
            {} if params is None else params,
            id or new_id(),
            ttl,
            timeout,
            now,
            self._wait,
            members,
        )
        payload = call.request(self._topics.reply(device), now)
        if self.sealer and self.connected and self._roster.get(device) is None:
            self.device(device)  # its status says what to seal for
        self._calls.add(call)
        # A call that was added before the connection was ready is sent by `_ready`; one that
        # falls between is sent twice, which its id makes harmless.
        connection = self._link.connection
        if connection:
            self._publish(connection, call, payload)
        return call

    def call_many(self, requests, **options):
        """Call several at once: `requests` is a list of (device, method, params). Returns, in
        the same order, each one's result or the exception it ended with."""
        calls = [self.submit(*request, **options) for request in requests]
        return [_outcome(call) for call in calls]

    def _wait(self, call):
        call.wait(max(0, call.deadline - time.monotonic()))
        if not call.done():
            self._calls.finish(call, error=self._no_answer(call))
        return call.outcome()

    def _no_answer(self, call):
        if not self.connected:
            return Unreachable(
                f"no connection to {self.address} within the {call.timeout:g} s of "
                f"{call.method} to {call.device}; it may have run: ask again with the id {call.id}"
            )
        text = f"no answer from {call.device} in {call.timeout:g} s"
        if self.sealer:
            name = self.sealer.key.name
            text += f" (a device that does not hold the key {name} as it is here stays silent)"
        if call.refused:
            text += f"; what came was refused: {call.refused}"
        return CallTimeout(text, call.device, call.method, call.id)

    def _publish(self, connection, call, payload):
        def acknowledged(code):
            self._acknowledged(call, code)

        left = call.expires - time.monotonic()
        topic = self._topics.call(call.device)
        if self.sealer:
            payload = self.sealer.request(call.device, topic, payload, self._nonce(call.device))
        connection.publish(topic, payload, left, acknowledged)

    def _nonce(self, name):
        """What names the boot that the device is in; None if it is away."""
        device = self._roster.get(name)
        nonce = device.status.get("nonce") if device and device.state == "online" else None
        return nonce if isinstance(nonce, str) and is_seal_word(nonce) else None

    def _seal_again(self, call, told):
        """Send a call again that the device called stale, with what it says is in force."""
        connection = self._link.connection
        now = time.monotonic()
        if not self.sealer or not connection or call.expires <= now:
            return False
        if call.resealed >= MAXIMUM_RESEALS:
            return False
        call.resealed += 1
        for number in (told.get("seq"), told.get("counter")):
            if isinstance(number, int):
                self.sealer.skip_to(number)
        nonce = told.get("nonce")
        if not isinstance(nonce, str) or not is_seal_word(nonce):
            nonce = None
        payload = call.request(self._topics.reply(call.device), now)
        topic = self._topics.call(call.device)
        payload = self.sealer.request(call.device, topic, payload, nonce)
        connection.publish(topic, payload, call.expires - now)
        return True

    def _acknowledged(self, call, code):
        """The broker has the request, or says why it goes nowhere (MQTT 5 only)."""
        topic = self._topics.call(call.device)
        if code.value == _NO_SUBSCRIBERS:
            text = f"no answer from {call.device}: nobody is subscribed to {topic}"
            error = NotListening(text, call.device, call.method, call.id)
        elif code.value == _NOT_AUTHORIZED:
            error = Refused(
                f"{self.address} does not allow a call to {call.device}: "
                f"give the user the right to write to {topic} in the broker's access list"
            )
        elif code.is_failure:
            error = Refused(f"{self.address} did not take the call to {call.device}: {code}")
        else:
            return
        self._calls.finish(call, error=error)

    def _watch_all(self):
        if not self._watching_all:
            self._link.subscribe(self._topics.state_filters())
            self._settle()
            self._watching_all = True

    def _settle(self):
        """Wait until the broker has sent what it keeps: it answers in order, so our own message
        to ourselves comes back behind that. Raises Unreachable without a connection: a device
        that was not heard of then may exist all the same."""
        connection = self._link.connection
        if connection:
            arrived = threading.Event()
            self._echo(connection, arrived.set)
            arrived.wait(SETTLE_S)
        if connection is None or connection.lost.is_set():
            raise Unreachable(f"lost the connection to {self.address}")

    def _echo(self, connection, then):
        token = secrets.token_hex(8).encode()
        self._echoes[token] = then
        connection.publish(self._topics.echo, token)

    def _ready(self, connection):
        """A connection is there, and subscribed: send what waits, take stock of the devices."""
        self._roster.mark_stale()
        self._echoes.clear()
        self._echo(connection, self._roster.drop_stale)
        now = time.monotonic()
        for call in self._calls.waiting(now):
            if call.expires > now:
                payload = call.request(self._topics.reply(call.device), now)
                self._publish(connection, call, payload)

    def _received(self, topic, payload, retained):
        if topic == self._topics.echo:
            self._echoes.pop(payload, _nothing)()
            return
        if topic == self._topics.many_reply:
            try:
                self._many.take(payload, self.sealer, topic)
            except BadReply as error:
                self._calls.refused[str(error)] += 1
            return
        if topic in self._feeds:
            self._feed(topic, payload, retained)
            return
        if topic in self._taps:
            self._tapped(topic, payload)
            return
        kind, device = self._topics.split(topic) or (None, None)
        if kind == "reply":
            self._answered(device, topic, payload)
        elif kind:
            seal = self._seal_of(device, topic, payload)
            body = split(payload)[1]
            self._roster.update(device, kind, body, retained, time.monotonic(), seal)

    def _feed(self, topic, payload, retained):
        seal = None
        if self.sealer and payload:
            try:
                device = self._topics.device_of(topic)
                payload, nonce, number = self.sealer.open_numbered(device, topic, payload)
                seal = (nonce, number)
            except BadReply:
                seal = False
        self._feeds.take(topic, split(payload)[1], retained, seal)

    def _tapped(self, topic, payload):
        device, take = self._taps[topic]
        if self.sealer:
            try:
                payload = self.sealer.open(device, topic, payload)
            except BadReply:
                return
        take(split(payload)[1])

    def _answered(self, device, topic, payload):
        if self.sealer:
            try:
                payload = self.sealer.open(device, topic, payload)
            except BadReply as error:
                self._calls.refuse(device, str(error))
                return
        self._calls.answer(device, split(payload)[1])

    def _seal_of(self, device, topic, payload):
        """Of a state: None without a key, False if its seal is not right, else its number."""
        if not self.sealer or not payload:
            return None
        try:
            return self.sealer.open_numbered(device, topic, payload)[2]
        except BadReply:
            return False


def _is_above(listed, after):
    """Whether a listed command is in order, so that a device cannot make us ask for ever."""
    return (
        isinstance(listed, dict) and isinstance(listed.get("name"), str) and listed["name"] > after
    )


def _nothing():
    """For an echo nobody waits for any more."""


def _outcome(call):
    try:
        return call.result()
    except Exception as error:  # noqa: BLE001 - handed to the caller as a value
        return error
