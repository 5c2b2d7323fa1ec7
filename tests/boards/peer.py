"""What is at the other end of an emulated board's wire: a broker with one client, and a caller.

The one rule: it answers within the very instruction that sent the last byte, so that nothing
depends on this machine's speed. It keeps a session over a new CONNECT: what the device has not
acknowledged is sent again. What it says is put together by `mqtt_peer`.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
from mqtt_peer import connack, packet, publish, split_whole, suback

CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 3, 4, 5, 6, 7
SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT = 8, 10, 12, 14
DUP, RETAIN = 8, 1
BELL = 22  # the pin that tells the device that bytes have come, see device/socket.py
PATIENCE_S = 60  # of the board's time


class Broker:
    """`heard` is all that the device has published, as (topic, payload, retain)."""

    def __init__(self, device="pico"):
        self.device = device
        self.heard = []
        self.connects = 0
        self.answers_topic = None  # called with (topic, payload) of each message, as a server
        self._board = self._wire = None
        self._filters = set()
        self._retained = {}
        self._unacknowledged = {}  # packet id: PUBLISH as it was sent
        self._last_id = 0
        self._data = b""

    def attach(self, board):
        """Sit at the wire of another board, or the same one switched on again."""
        self._board = board
        self._data = b""
        self._wire = board.wire(1, self._take, BELL)
        return board

    def _take(self, byte):
        self._data += bytes((byte,))
        found, self._data = split_whole(self._data)
        for first, body in found:
            handle = self._HANDLERS.get(first >> 4)
            if handle is not None:
                handle(self, first, body)
                self._board.pause()

    def _connect(self, first, body):
        self.connects += 1
        is_clean = body[7] & 2
        has_session = bool(self._filters) and not is_clean
        if not has_session:
            self._filters.clear()
            self._unacknowledged.clear()
        self._wire.send(connack(5, has_session))
        for data in list(self._unacknowledged.values()):
            self._wire.send(bytes((data[0] | DUP,)) + data[1:])

    def _subscribe(self, first, body):
        at = 3 + body[2]  # behind the packet id and properties, which are short
        while at < len(body):
            size = body[at] << 8 | body[at + 1]
            topic, at = body[at + 2 : at + 2 + size].decode(), at + 3 + size
            self._filters.add(topic)
            self._wire.send(suback(body[0] << 8 | body[1], 1))
            for kept, payload in self._retained.items():
                if _fits(topic, kept):
                    self._give(kept, payload, 1, RETAIN)

    def _unsubscribe(self, first, body):
        self._wire.send(packet(0xB0, body[:2], b"\0\0"))

    def _published(self, first, body):
        size = body[0] << 8 | body[1]
        topic, at = body[2 : 2 + size].decode(), 2 + size
        qos = first >> 1 & 3
        packet_id = body[at : at + 2]
        at += 2 if qos else 0
        assert body[at] < 128, "longer properties than this broker reads"
        payload = body[at + 1 + body[at] :]
        if qos:
            self._wire.send(packet(0x40 if qos == 1 else 0x50, packet_id))
        self.heard.append((topic, payload, first & RETAIN))
        self.publish(topic, payload, qos, first & RETAIN)
        if self.answers_topic:
            self.answers_topic(topic, payload)

    def publish(self, topic, payload, qos=1, retain=0):
        """Somebody publishes; the device hears of it if it wants to."""
        if retain:
            self._retained[topic] = payload
        if any([_fits(one, topic) for one in self._filters]):
            self._give(topic, payload, min(qos, 1), 0)

    def _give(self, topic, payload, qos, flags):
        packet_id = 0
        if qos:
            self._last_id = packet_id = self._last_id % 65535 + 1
        data = publish(topic, payload, qos, packet_id, 5, flags)
        if qos:
            self._unacknowledged[packet_id] = data
        self._wire.send(data)

    def _acknowledged(self, first, body):
        self._unacknowledged.pop(body[0] << 8 | body[1], None)

    _HANDLERS = {
        CONNECT: _connect,
        SUBSCRIBE: _subscribe,
        UNSUBSCRIBE: _unsubscribe,
        PUBLISH: _published,
        PUBACK: _acknowledged,
        PUBREL: lambda self, first, body: self._wire.send(packet(0x70, body[:2])),
        PINGREQ: lambda self, first, body: self._wire.send(b"\xd0\0"),
    }

    # As a caller.

    def messages(self, topic):
        """What was published on a topic below the device's, parsed."""
        wanted = "limpet/%s/%s" % (self.device, topic)
        return [json.loads(payload) for one, payload, _ in self.heard if one == wanted]

    def wait_online(self, times=1, most_s=PATIENCE_S):
        """Run until the device has said so often that it is online."""

        def is_online():
            return (
                len([one for one in self.messages("status") if one["state"] == "online"]) >= times
            )

        self._board.run(is_online, most_s)

    def ask(self, method, params=None, identity="call-1", ttl=3600):
        """Send a request, without waiting."""
        words = {"id": _whole(identity), "method": method, "params": params or {}, "ttl": ttl}
        words["reply"] = "limpet/reply/test/%s" % self.device
        self.publish("limpet/%s/call" % self.device, json.dumps(words).encode())

    def answers(self, identity):
        """The answers to a request."""
        found = [
            json.loads(one[1]) for one in self.heard if one[0].startswith("limpet/reply/test")
        ]
        return [one for one in found if one["id"] == _whole(identity)]

    def call(self, method, params=None, identity="call-1", most_s=PATIENCE_S):
        """Send a request and run until it is answered: its result. Fails on an error."""
        before = len(self.answers(identity))
        self.ask(method, params, identity)
        self._board.run(lambda: len(self.answers(identity)) > before, most_s)
        answer = self.answers(identity)[-1]
        assert "result" in answer, answer
        return answer["result"]


def _whole(identity):
    """A request's id, which must not be shorter than what a caller draws by lot."""
    return "limpet-test-" + identity


def _fits(pattern, topic):
    """Whether a topic fits a filter."""
    levels, names = pattern.split("/"), topic.split("/")
    for at, level in enumerate(levels):
        if level == "#":
            return True
        if at >= len(names) or level not in ("+", names[at]):
            return False
    return len(levels) == len(names)
