"""Our client in the place of another's, for its scripted brokers: `client.py NAME PORT ...`.

One rule: it does what the program NAME (`mosquitto/...`, `paho/...`) of the other's tests does, in
its order, and ends with status 0 where the broker did as expected; what is sent, and how, is our
session's and link's own. Runs on every interpreter. What each NAME does is in programs.py.
"""

import os
import sys

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
# What stands before this file's own folder, as it is in a tree and in one that was compiled.
sys.path[0:0] = [_HERE, _HERE + "/../.."]
sys.path.append(_HERE + "/../../compat")

from agent.clock import Clock  # noqa: E402 - found through the path set above
from agent.mqtt import packets, session, wire  # noqa: E402
from agent.mqtt.backoff import Backoff  # noqa: E402
from agent.mqtt.events import Disconnected  # noqa: E402
from agent.mqtt.exactly_once import GIVEN  # noqa: E402
from agent.mqtt.link import Link  # noqa: E402
from agent.mqtt.session import Connected, Received, Session  # noqa: E402
from agent.mqtt.settings import Settings  # noqa: E402
from agent.mqtt.transports import transport  # noqa: E402

PATIENCE_MS = 30_000  # over the ten seconds that their brokers wait
BUFFER_BYTES = 65536  # nothing is said of it, so what their brokers send must fit


RETAIN_AS_PUBLISHED = 8  # an option of subscriptions that ours always sets and theirs never do


def subscribe(version, packet_id, topic_filter, options):
    """SUBSCRIBE as theirs have it."""
    options &= ~RETAIN_AS_PUBLISHED
    return wire.encode_subscribe(version, packet_id, topic_filter, options)


session.encode_subscribe = subscribe


class Unexpected(Exception):
    """The broker did what the script has not."""


class Theirs(Settings):
    """Settings that are told as the other's client tells them: Receive Maximum 20, no more.

    `properties` go into CONNECT besides, before it: the order is free (section 2.2.2.2), but
    their brokers compare bytes.
    """

    properties = b""
    announced = b"\x21\x00\x14"

    def connect_packet(self, version, client_id, will):
        made = super().connect_packet(version, client_id, will)
        if version != packets.V5:
            return made
        start = 12 if made[1] < 128 else 13  # where the properties are, 16 bytes of them
        if made[start : start + 2] != b"\x10\x11":
            raise Unexpected("CONNECT is not as it was: %r" % made)
        told = self.properties + self.announced
        head = made[start - 10 : start] + bytes((len(told),)) + told
        return wire.encode_packet(0x10, head, made[start + 17 :])


class Client:
    """A link, and the events that it had; each call waits for what it is about."""

    def __init__(self, port, name, version=4, will=None, tls=None, host="127.0.0.1", **options):
        told = options.pop("properties", b"")
        announced = options.pop("announced", Theirs.announced)
        patience_ms = options.pop("patience_ms", PATIENCE_MS)
        values = {"keep_alive_s": 60, "clean_start": True, "maximum_packet_bytes": BUFFER_BYTES}
        values.update(options)
        settings = Theirs(client_id=name, version=version, **values)
        settings.properties, settings.announced = told, announced
        self.clock = Clock()
        self.session = Session(settings, will)
        backoff = Backoff(lambda count: b"\x80" * count, 10, 50, 1000, 50)
        self.link = Link(self.session, [(host, port)], None, backoff, transport=transport(tls))
        self._until = self.clock.now() + patience_ms
        self._events = []
        self._notes = []  # what a keeper hears
        self.session.outbox.notes = self.session.inbox.recorded().notes = self._notes

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
        """Wait until the broker has released a message of QoS 2, and it has heard of it."""
        while (GIVEN, packet_id) not in self._notes:
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
        ready = os.getenv("PAHO_TEST_READY_FILE")
        if ready:  # from here on an interrupt is a wish
            open(ready, "w").close()
        program(int(arguments[1]), *arguments[2:])
    except Unexpected as error:
        print("%s: %s" % (arguments[0], error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # how paho's tests end a client
        return 0
    return 0


if __name__ == "__main__":
    import client  # as programs.py has it: there must be one Unexpected

    sys.exit(client.main(sys.argv[1:]))
