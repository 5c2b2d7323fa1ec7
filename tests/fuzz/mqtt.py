"""Mutated packets against the session: `micropython tests/fuzz/mqtt.py COUNT [SEED]`.

One rule: whatever comes, nothing but BadMessage may be raised, nothing may grow beyond its bound,
and the same bytes in other pieces must give the same events and the same answers.
"""

import sys

if __name__ == "__main__":
    _HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    sys.path[0:0] = [_HERE + "/../..", _HERE + "/.."]
    sys.path.append(_HERE + "/../../compat")

from mqtt_peer import START, connack, packet, publish, suback, text, two

from agent.bad_message import BadMessage
from agent.mqtt.seldom import ENDED
from agent.mqtt.session import Received, Session
from agent.mqtt.settings import Settings

_CAPACITY = 256
_OUTPUT_LIMIT = 257 + 80


class Random:
    """xorshift32: the same numbers on every interpreter."""

    def __init__(self, seed):
        self._state = seed * 2654435761 & 0xFFFFFFFF or 1

    def below(self, limit):
        """An int from 0 to `limit` - 1."""
        state = self._state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        self._state = state
        return state % limit

    def pick(self, choices):
        return choices[self.below(len(choices))]


def _properties(random):
    made = b""
    for _ in range(random.below(4)):
        made += random.pick(
            (
                b"\x01\x01",
                b"\x02\0\0\0\x09",
                b"\x08" + text("r/1"),
                b"\x09" + text("cd"),
                b"\x0b\x81\x01",
                b"\x23\0" + bytes((random.below(4),)),
                b"\x26" + text("k") + text("v\u20ac"),
                b"\x1f" + text("why"),
                b"\x21\0\2",
            )
        )
    return made


def _valid(random, version):
    """One packet that a broker may send, more or less."""
    number = two(random.below(6))
    kind = random.below(10)
    if kind < 4:
        qos = random.below(3)
        topic = random.pick(("a", "limpet/me/call", "", "b\u00e9"))
        made = _properties(random) if version == 5 else b""
        payload = b"x" * random.pick((0, 3, 200, 300))
        flags = random.pick((0, 0, 1, 8, 9))
        return publish(topic, payload, qos, 1 + random.below(5), version, flags, made)
    if kind < 7:
        first = random.pick((0x40, 0x50, 0x62, 0x70))
        more = random.pick((b"", b"", b"\0", b"\x10", b"\x92", b"\0\0")) if version == 5 else b""
        return packet(first, number, more)
    return random.pick(
        (
            suback(1 + random.below(4), random.below(4), version),
            packet(0xB0, number, b"\0\0" if version == 5 else b""),
            b"\xd0\0",
            packet(0xE0, random.pick((b"", b"\0", b"\x8b\0"))),
            connack(version, False, random.pick((0, 0x87)), _properties(random)),
        )
    )


def _mutate(random, data):
    """Break `data`, a bytearray, in one place."""
    at = random.below(len(data)) if data else 0
    kind = random.below(6)
    if kind == 0 and data:
        data[at] ^= 1 << random.below(8)
    elif kind == 1 and data:
        data[at] = random.pick((0, 1, 0x7F, 0x80, 0xFF))
    elif kind == 2:
        data = data[:at] + bytes((random.below(256),)) + data[at:]
    elif kind == 3:
        data = data[:at] + data[at + 1 + random.below(4) :]
    elif kind == 4:
        data = data[: at + 1]
    else:
        data = data[:at] + data
    return data


def _stretch(random, version):
    """What comes between two turns of the owner: a few packets, mostly broken somewhere."""
    data = bytearray()
    for _ in range(1 + random.below(4)):
        one = bytearray(_valid(random, version))
        for _ in range(random.pick((0, 0, 0, 1, 1, 2))):
            one = _mutate(random, one)
        data += one
    return bytes(data)


class _Subject:
    """A session in a scripted life; `pieces` gives the sizes in which bytes arrive."""

    def __init__(self, version, pieces):
        settings = Settings(
            client_id="me",
            version=version,
            maximum_packet_bytes=_CAPACITY,
            receive_maximum=4,
            topic_alias_maximum=2,
            outbox_messages=6,
        )
        self.session = Session(settings)
        self._pieces = pieces
        self._rest = b""  # what the transport keeps while the session is paused
        self.told = []
        self.session.open(START)
        self.session.output(START)

    def take(self, data):
        """Feed `data` and note what came of it."""
        session = self.session
        data = self._rest + data
        at = 0
        try:
            while True:
                event = session.next_event()
                if event is not None:
                    self.told.append(event)
                    continue
                space = session.space()
                if len(space) > _CAPACITY:
                    raise AssertionError("the buffer has grown")
                count = min(self._pieces(), len(data) - at, len(space))
                if not count or session.paused:
                    break
                space[:count] = data[at : at + count]
                session.filled(count, START)
                at += count
        except BadMessage as error:
            self.told.append((error.reason, error.message))
        self._rest = data[at:]
        if len(session.packets) > _OUTPUT_LIMIT:
            raise AssertionError("the output has grown to %d packets" % len(session.packets))

    def act(self, step):
        """What an owner does in between."""
        session = self.session
        for event in self.told:
            if isinstance(event, Received) and event.message.packet_id % 3 != step % 3:
                session.acknowledge(event.message)
        session.publish("out", b"payload", step % 3)
        if step % 4 == 0:
            session.subscribe("in/#")
        session.step(START + step)
        self.told.append(session.output(START + step))


def _life(random):
    """The stretches of one connection, and its version."""
    version = random.pick((5, 5, 4))
    stretches = [connack(version, False, 0, b"\x21\0\3" if version == 5 else b"")]
    if not random.below(8):
        stretches[0] = bytes(_mutate(random, bytearray(stretches[0])))
    for _ in range(1 + random.below(5)):
        stretches.append(_stretch(random, version))
    return version, stretches


def run(count, seed):
    """Feed `count` stretches; how many ended in BadMessage. Raises AssertionError."""
    refused = number = 0
    random = Random(seed)
    while number < count:
        version, stretches = _life(random)
        whole = _Subject(version, lambda: 1 << 20)
        pieces = _Subject(version, lambda: 1 + random.below(5))
        for step, data in enumerate(stretches):
            number += 1
            for subject in (whole, pieces):
                try:
                    subject.take(data)
                    subject.act(step)
                except Exception as error:  # noqa: BLE001 - any but BadMessage is the finding
                    print("seed %d, input %d, %r: %r" % (seed, number, data, error))
                    raise
            if whole.told != pieces.told:
                text = "seed %d, input %d, %r: whole %r, in pieces %r"
                found = (seed, number, data, whole.told[-2:], pieces.told[-2:])
                raise AssertionError(text % found)
            if whole.session.state == ENDED:
                refused += whole.session.ended is None
                break
    return refused


if __name__ == "__main__":
    _count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    _seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print("seed %d: %d inputs, %d ended in BadMessage" % (_seed, _count, run(_count, _seed)))
