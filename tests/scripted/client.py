"""Our client in the place of another's, for its scripted brokers: `client.py NAME PORT ...`.

One rule: it does what the program NAME (`mosquitto/...`, `paho/...`) of the other's tests does, in
its order, and ends with status 0 where the broker did as expected; what is sent, and how, is our
session's and link's own. Runs on every interpreter. What each NAME does is in programs.py.

Their brokers compare bytes where MQTT leaves a choice. What theirs choose otherwise (what CONNECT
announces, an option of SUBSCRIBE, a property of UNSUBSCRIBE, the order of properties) is put in
their words on the way out, packet by packet; nothing else is touched.
"""

import sys

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path[0:0] = [_HERE, _HERE + "/../..", _HERE + "/.."]
sys.path.append(_HERE + "/../../compat")

from mqtt_peer import packet, split, text  # noqa: E402 - found through the path set above

from agent.clock import Clock  # noqa: E402
from agent.mqtt.backoff import Backoff  # noqa: E402
from agent.mqtt.events import Disconnected  # noqa: E402
from agent.mqtt.link import Link  # noqa: E402
from agent.mqtt.session import Connected, Received, Session  # noqa: E402
from agent.mqtt.settings import Settings  # noqa: E402
from agent.mqtt.tcp import Tcp  # noqa: E402
from agent.mqtt.transports import transport  # noqa: E402

PATIENCE_MS = 30_000  # over the ten seconds that their brokers wait
BUFFER_BYTES = 65536  # nothing is said of it, so what their brokers send must fit
RECEIVE_MAXIMUM_20 = b"\x21\x00\x14"
CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE = 1, 3, 8, 10


class Unexpected(Exception):
    """The broker did what the script has not."""


class Wire(Tcp):
    """A connection whose packets are put in their words; always whole packets come to `write`."""

    def __init__(self, host, port, client):
        super().__init__(host, port)
        self._client = client
        self._left = b""

    def write(self, data):
        self._left += self._client.reword(data)
        self._left = self._left[super().write(self._left) :]
        return len(data)


class Client:
    """A link, and the events that it had; each call waits for what it is about.

    `announced` are the properties of CONNECT, `reordered` a pair of byte strings of which a
    PUBLISH gets the second for the first; with `marked` an UNSUBSCRIBE has a user property.
    """

    def __init__(self, port, name, version=4, will=None, tls=None, host="127.0.0.1", **options):
        self._announced = options.pop("announced", RECEIVE_MAXIMUM_20)
        self._reordered = options.pop("reordered", (b"", b""))
        self._marked = options.pop("marked", False)
        patience_ms = options.pop("patience_ms", PATIENCE_MS)
        values = {"keep_alive_s": 60, "clean_start": True, "maximum_packet_bytes": BUFFER_BYTES}
        values.update(options)
        self.version = version
        self.clock = Clock()
        session = Session(Settings(client_id=name, version=version, **values), will)
        backoff = Backoff(lambda count: b"\x80" * count, 10, 50, 1000, 50)
        make = transport(tls) if tls else lambda host, port: Wire(host, port, self)
        self.link = Link(session, [(host, port)], None, backoff, transport=make)
        self._until = self.clock.now() + patience_ms
        self._events = []
        self._sent = []  # every packet, as (first byte, body)

    def reword(self, data):
        """Whole packets as theirs would say them."""
        words = []
        for first, body in split(data):
            self._sent.append((first, body))
            if self.version == 5:
                body = self._reword(first >> 4, body)
            words.append(packet(first, body))
        return b"".join(words)

    def _reword(self, kind, body):
        if kind == CONNECT:
            told = self._announced
            return body[:10] + bytes((len(told),)) + told + body[11 + body[10] :]
        if kind == SUBSCRIBE:
            return body[:-1] + bytes((body[-1] & 3,))  # ours sets Retain As Published
        if kind == UNSUBSCRIBE and self._marked:
            told = b"\x26" + text("key") + text("value")
            return body[:2] + bytes((len(told),)) + told + body[3:]
        if kind == PUBLISH and self._reordered[0]:
            return body.replace(*self._reordered)
        return body

    def until(self, *kinds):
        """The next event of one of these kinds; others before it are passed over.

        A connection that ends although no Disconnected is awaited ends the program.
        """
        while True:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, Received):
                    self.link.acknowledge(event.message)  # at once, as theirs does
                if isinstance(event, kinds):
                    self.link.send(self.clock.now())
                    return event
                if isinstance(event, Disconnected) and Disconnected not in kinds:
                    self.ended(event)
            self._turn()

    def ended(self, event):
        """The connection is gone."""
        raise Unexpected("the connection ended: %s" % event.reason)

    def _turn(self):
        now = self.clock.now()
        if now > self._until:
            raise Unexpected("nothing happened")
        self._events.extend(self.link.receive(now))
        self.link.send(now)
        if not self._events:
            due = self.link.due
            self.link.wait(200 if due is None else max(0, min(200, due - self.clock.now())))

    def connect(self):
        """Wait until the broker has accepted us."""
        return self.until(Connected)

    def flush(self):
        """Send what is queued."""
        self.link.send(self.clock.now())

    def stay(self):
        """Take part in what comes until the broker ends the connection."""
        self.until(Disconnected)

    def leave(self):
        """Say goodbye."""
        self.link.close(self.clock.now())

    def message(self):
        """The next message."""
        return self.until(Received).message

    def released(self, packet_id):
        """Wait until the release of a message of QoS 2 has been answered."""
        answer = (0x70, bytes((packet_id >> 8, packet_id & 255)))
        while answer not in self._sent:
            self._turn()

    def check(self, holds, what):
        """Raise Unexpected unless it `holds`."""
        if not holds:
            raise Unexpected(what)


class Lasting(Client):
    """One that connects again where a connection ends."""

    def ended(self, event):
        pass


def main(arguments):
    """Run a program; 0 where all was as expected."""
    from programs import PROGRAMS

    program = PROGRAMS.get(arguments[0])
    if program is None:
        print("there is no program called", arguments[0], file=sys.stderr)
        return 2
    try:
        program(int(arguments[1]), *arguments[2:])
    except Unexpected as error:
        print("%s: %s" % (arguments[0], error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    import client  # as programs.py has it: there must be one Unexpected

    sys.exit(client.main(sys.argv[1:]))
