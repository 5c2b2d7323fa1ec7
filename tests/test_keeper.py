"""Messages that outlive the process: killed and cut off at every operation of the medium."""

import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, HERE + "/faulty")
from disk import Disk, PowerCut  # noqa: E402 - found through the path set above

sys.path.pop(0)

from mqtt_peer import START, connack, packet, publish, split, two  # noqa: E402
from support import raises  # noqa: E402

from agent.bad_message import BadMessage  # noqa: E402
from agent.mqtt import fields  # noqa: E402
from agent.mqtt.keeper import FIRST_ID, LAZY_MS, Keeper  # noqa: E402
from agent.mqtt.making_room import BLOCK, BULK, DROP_NEW, DROP_OLDEST  # noqa: E402
from agent.mqtt.outbox import Delivered  # noqa: E402
from agent.mqtt.session import Received, Session  # noqa: E402
from agent.mqtt.settings import Settings  # noqa: E402
from agent.records import SEGMENT_BYTES, Records  # noqa: E402

VERSIONS = (5, 4)


class Broker:
    """Keeps one session as the standard says, and what was published, each once it counts."""

    def __init__(self, version=5):
        self.version = version
        self.got = []
        self.held = set()  # packet ids of QoS 2 that were published and not released
        self.to_send = []  # (packet id, qos, payload), not acknowledged
        self.to_release = []
        self.has_session = False

    def begin(self):
        """What it says first, to a client that has sent CONNECT."""
        present, self.has_session = self.has_session, True
        said = connack(self.version, present)
        for packet_id, qos, payload in self.to_send:
            said += publish("in", payload, qos, packet_id, self.version, 8)
        return said + b"".join([packet(0x62, two(one)) for one in self.to_release])

    def send(self, packet_id, qos, payload):
        """A message for the client."""
        self.to_send.append((packet_id, qos, payload))
        return publish("in", payload, qos, packet_id, self.version)

    def answer(self, data):
        """What it says to `data`, and remembers of it."""
        said = b""
        for first, body in split(data):
            packet_id = body[:2]
            if first & 0xF0 == 0x30:
                said += self._on_publish(first, body)
            elif first == 0x62:
                self.held.discard(packet_id)
                said += packet(0x70, packet_id)
            elif first in (0x40, 0x50):
                number = packet_id[0] << 8 | packet_id[1]
                self.to_send = [one for one in self.to_send if one[0] != number]
                if first == 0x50:
                    self.to_release.append(number)
                    said += packet(0x62, packet_id)
            elif first == 0x70:
                number = packet_id[0] << 8 | packet_id[1]
                self.to_release = [one for one in self.to_release if one != number]
        return said

    def _on_publish(self, first, body):
        at = 2 + (body[0] << 8 | body[1])
        packet_id = body[at : at + 2]
        if first & 6 == 4 and packet_id in self.held:
            return packet(0x50, packet_id)
        start = at + (2 if first & 6 else 0)
        if self.version == 5:
            start += 1 + body[start]
        self.got.append(bytes(body[start:]))
        if first & 6 == 4:
            self.held.add(packet_id)
            return packet(0x50, packet_id)
        return packet(0x40, packet_id) if first & 6 else b""


class Life:
    """One process: a session and its keeper on `disk`, connected to `broker` at will."""

    def __init__(
        self, disk, version=5, messages=1000, most_bytes=65536, segment=SEGMENT_BYTES, **settings
    ):
        self.records = Records("/d", "outbox", disk, segment)
        self.session = Session(Settings(client_id="me", version=version, **settings))
        self.keeper = Keeper(self.session, self.records, messages, most_bytes)
        self.keeper.recover()
        self.publish = self.keeper.publish
        self.now = START
        self.events = []

    def connect(self, broker):
        self.session.close()
        self.session.open(self.now)
        self.session.output(self.now)
        self.hear(broker.begin())

    def hear(self, data):
        """The broker says `data`."""
        at = 0
        while at < len(data):
            space = self.session.space()
            count = min(len(space), len(data) - at)
            space[:count] = data[at : at + count]
            self.session.filled(count, self.now)
            at += count
            event = self.session.next_event()
            while event:
                self.events.append(event)
                event = self.session.next_event()

    def turn(self, broker=None):
        """What leaves, and what the broker says to it."""
        self.now += 1
        data = self.keeper.output(self.now)
        said = broker.answer(data) if broker and data else b""
        self.hear(said)
        return data

    def settle(self, broker):
        """Turns until nothing more is said."""
        while self.turn(broker):
            pass


def test_what_is_published_is_on_the_medium_before_it_leaves():
    for version in VERSIONS:
        disk = Disk()
        life = Life(disk, version)
        broker = Broker(version)
        life.connect(broker)
        life.turn(broker)
        for qos in (1, 2):
            syncs = disk.syncs
            assert life.publish("a", b"%d" % qos, qos) == FIRST_ID + 2 * qos - 2
            assert life.publish("a", b"more", qos) == FIRST_ID + 2 * qos - 1
            assert disk.syncs == syncs
            assert life.turn(broker)
            assert disk.syncs > syncs
        life.settle(broker)
        assert broker.got == [b"1", b"more", b"2", b"more"]
        delivered = [event for event in life.events if isinstance(event, Delivered)]
        assert len(delivered) == 4 and life.keeper.messages == 0


def test_what_a_killed_process_accepted_is_sent_by_the_next_in_order():
    for version in VERSIONS:
        disk = Disk()
        life = Life(disk, version)
        for number in range(50):
            properties = {fields.MESSAGE_EXPIRY: 9} if number % 2 else None
            life.publish("a", b"%d" % number, 1 + number % 2, False, properties)
            life.turn()
        broker = Broker(version)
        life = Life(disk, version)
        assert life.keeper.messages == 50
        life.connect(broker)
        life.settle(broker)
        assert broker.got == [b"%d" % number for number in range(50)]
        life.keeper.flush()
        life = Life(disk, version)
        assert life.keeper.messages == 0
        life.connect(broker)
        assert not life.turn(broker)


def script(life, broker, accepted):
    """A life of messages of QoS 1 and 2 each way; `accepted` gets what may not be lost."""
    life.connect(broker)
    life.settle(broker)
    for number in range(12):
        data = b"out%d" % number
        life.publish("out", data, 1 + number % 2)
        life.hear(broker.send(broker.next_number, 2, b"in%d" % broker.next_number))
        broker.next_number += 1
        echo(life)
        life.turn(broker)
        accepted.append(data)
        echo(life)
        if number % 3 == 2:
            life.settle(broker)
    life.settle(broker)
    life.keeper.flush()


def echo(life):
    """Publish what came, and acknowledge it in the same turn."""
    for event in life.events:
        if isinstance(event, Received):
            if life.publish("echo", b"echo " + event.message.payload, event.message.qos) is None:
                raise AssertionError("no room")
            life.session.acknowledge(event.message)
    life.events = []


def live(disk, broker, version, accepted):
    """One life, until the power goes; whether it came to its end."""
    try:
        script(Life(disk, version, segment=256), broker, accepted)
    except PowerCut:
        return False
    return True


def test_killed_at_every_operation_nothing_is_lost_and_no_qos_2_doubled():
    for version in VERSIONS:
        for luck in ("killed", "none", "all", "zeros", 3):
            for step in range(400):
                disk = Disk(step, "all" if luck == "killed" else luck)
                broker = Broker(version)
                broker.next_number = 1
                accepted = []
                if live(disk, broker, version, accepted):
                    assert step > 25
                    break
                if luck == "killed":
                    disk.cut_at = None  # what a reader sees stays
                else:
                    disk.cut()
                life = Life(disk, version, segment=256)
                life.connect(broker)
                for _ in range(40):
                    echo(life)
                    life.turn(broker)
                assert life.keeper.messages == 0
                twice = [one for one in set(broker.got) if broker.got.count(one) > 1]
                fine = [b"out%d" % number for number in range(0, 12, 2)]  # QoS 1
                assert not [one for one in twice if one not in fine], (step, luck, broker.got)
                wanted = {b"echo in%d" % number for number in range(1, broker.next_number)}
                wanted |= set(accepted)
                assert wanted <= set(broker.got), (version, step, luck, wanted, broker.got)
            else:
                raise AssertionError("the script is longer than that")


def test_what_the_broker_had_taken_over_is_only_released_by_the_next_process():
    disk = Disk()
    broker = Broker()
    life = Life(disk)
    life.connect(broker)
    life.publish("a", b"once", 2)
    life.turn(broker)  # PUBREC came
    data = life.turn()  # PUBREL leaves, and is lost
    assert split(data) == [(0x62, two(FIRST_ID))]
    life = Life(disk)
    life.connect(broker)
    assert split(life.turn()) == [(0x62, two(FIRST_ID))]


def test_a_broker_that_lost_the_session_gets_it_as_new():
    disk = Disk()
    life = Life(disk)
    life.connect(Broker())
    life.publish("a", b"1", 1)
    life.turn()
    life = Life(disk)
    broker = Broker()
    life.connect(broker)
    assert [first for first, _ in split(life.keeper.output(START))] == [0x32]


def test_a_message_of_qos_2_that_was_taken_is_not_told_to_the_next_process():
    for version in VERSIONS:
        disk = Disk()
        broker = Broker(version)
        life = Life(disk, version)
        life.connect(broker)
        life.hear(broker.send(7, 2, b"in"))
        life.session.acknowledge(life.events[-1].message)
        life.turn()  # the PUBREC is lost
        life = Life(disk, version)
        life.connect(broker)
        assert not [event for event in life.events if isinstance(event, Received)]
        life.settle(broker)
        assert not broker.to_send and not broker.to_release
        life = Life(disk, version)
        life.hear(b"")
        life.connect(broker)
        life.hear(broker.send(7, 2, b"another"))
        assert life.events[-1].message.payload == b"another"


def test_nothing_is_written_for_what_is_not_durable():
    disk = Disk()
    broker = Broker()
    life = Life(disk)
    life.connect(broker)
    for qos in (0, 1, 2):
        life.session.publish("a", b"x", qos)
    life.hear(broker.send(3, 1, b"in"))
    life.session.acknowledge(life.events[-1].message)
    syncs = disk.syncs
    life.settle(broker)
    assert len(broker.got) == 3 and disk.syncs == syncs and not disk.names("/d")


def test_many_of_one_turn_cost_one_sync():
    disk = Disk()
    life = Life(disk)
    life.publish("a", b"first")
    life.turn()
    before = life.records.syncs
    for number in range(30):
        life.publish("a", b"%d" % number)
    life.turn()
    assert life.records.syncs - before == 1


def test_what_is_settled_is_written_along_or_a_second_later():
    disk = Disk()
    broker = Broker()
    life = Life(disk)
    life.connect(broker)
    life.publish("a", b"1")
    life.settle(broker)
    before = life.records.syncs
    life.turn()
    assert life.records.syncs == before
    life.now += LAZY_MS
    life.turn()
    assert life.records.syncs == before + 1
    assert Life(disk).keeper.messages == 0


def test_a_full_keeper_drops_the_oldest_unsent_or_refuses_or_says_wait():
    broker = Broker()
    life = Life(Disk(), messages=30, send_maximum=3)
    for number in range(30):
        assert life.publish("a", b"%d" % number) is not None
        life.turn()
    assert life.publish("a", b"new", 1, rule=DROP_NEW) is None
    assert life.publish("a", b"held", 1, rule=BLOCK) is None
    assert (life.keeper.dropped, life.keeper.blocked) == (1, 1)
    for number in range(30, 40):
        assert life.publish("a", b"%d" % number) is not None
        if number % 3:
            life.turn()
    assert (life.keeper.dropped, life.keeper.messages) == (11, 30)
    life.connect(broker)
    life.settle(broker)
    # Three were with the session already, perhaps sent by it.
    assert broker.got == [b"%d" % n for n in [0, 1, 2] + list(range(13, 40))]


def test_who_may_not_be_dropped_stays_when_the_oldest_go():
    broker = Broker()
    life = Life(Disk(), messages=10, send_maximum=1)
    for number in range(10):
        life.publish("a", b"%d" % number, 1, rule=DROP_OLDEST if number % 2 else BLOCK)
        life.turn()
    for number in range(10, 14):
        assert life.publish("a", b"%d" % number) is not None
        life.turn()
    life.connect(broker)
    life.settle(broker)
    assert broker.got == [b"%d" % n for n in (0, 2, 4, 6, 8, 9, 10, 11, 12, 13)]


def test_what_was_dropped_stays_dropped_after_a_restart():
    disk = Disk()
    life = Life(disk, messages=10, send_maximum=1)
    for number in range(15):
        life.publish("a", b"%d" % number)
        life.turn()
    broker = Broker()
    life = Life(disk, messages=10, send_maximum=1)
    assert life.keeper.messages == 10
    life.connect(broker)
    life.settle(broker)
    assert broker.got == [b"%d" % n for n in (0, 6, 7, 8, 9, 10, 11, 12, 13, 14)]


def test_the_log_stays_within_its_bound_while_one_message_is_never_acknowledged():
    disk = Disk()
    broker = Broker()
    life = Life(disk, most_bytes=8192, send_maximum=2)
    life.connect(broker)
    life.publish("a", b"stuck", 2)
    life.turn(None)
    for number in range(400):
        life.publish("b", b"%04d" % number * 50, 2)
        life.turn(broker)
        assert life.records.size_bytes <= 2 * 8192 + 4 * 4096 + 300
        if number == 200:
            life.keeper.flush()
            life = Life(disk, most_bytes=8192, send_maximum=2)
            life.connect(broker)
            assert broker.got.count(b"stuck") == 0
            # What was sent before is sent again by `connect`; it is not heard.
            life.session.output(START)
    life.settle(broker)


def test_messages_stay_in_order_over_many_restarts():
    disk = Disk()
    broker = Broker()
    number = 0
    for round_ in range(30):
        life = Life(disk, most_bytes=20000, send_maximum=5)
        life.connect(broker)
        for _ in range(7):
            life.publish("a", b"%d" % number + b" " * 300, 2)
            number += 1
            life.turn(broker if round_ % 3 else None)
    life.settle(broker)
    life = Life(disk, most_bytes=20000, send_maximum=5)
    life.connect(broker)
    life.settle(broker)
    assert [int(one) for one in broker.got] == list(range(number))
    assert len(life.records.segments) <= 2


def test_a_full_medium_loses_durability_and_no_message():
    disk = Disk()
    broker = Broker()
    life = Life(disk)
    life.connect(broker)
    disk.full = True
    life.publish("a", b"1", 2)
    life.hear(broker.send(9, 2, b"in"))
    echo(life)
    life.settle(broker)
    assert broker.got == [b"1", b"echo in"] and life.keeper.unkept == 2
    assert life.keeper.fault
    disk.full = False
    life.publish("a", b"2", 2)
    life.settle(broker)
    assert broker.got[-1] == b"2" and life.keeper.fault is None
    assert Life(disk).keeper.messages <= 1


def test_only_a_topic_and_qos_1_or_2_can_be_kept():
    life = Life(Disk())
    raises(ValueError, life.publish, "a/#", b"")
    raises(ValueError, life.publish, "a", b"", 0)
    assert life.publish("a", b"x" * 9000) is None and life.keeper.dropped == 1


def test_wrong_records_are_counted_and_no_obstacle():
    disk = Disk()
    life = Life(disk)
    life.publish("a", b"1")
    life.turn()
    life.records.append([b"\xff what is this", b"\x01\x80"])
    life.publish("a", b"2")
    life.turn()
    life = Life(disk)
    assert life.keeper.messages == 2 and life.records.damaged_bytes > 0
    broker = Broker()
    life.connect(broker)
    life.settle(broker)
    assert broker.got == [b"1", b"2"]


def test_an_outage_of_ten_minutes_ends_with_every_sample_in_order():
    """A sample of each of two channels every second; a bound for one half of them."""
    for messages in (2000, 400):
        disk = Disk()
        broker = Broker()
        life = Life(disk, messages=messages, most_bytes=1 << 20)
        life.connect(broker)
        life.settle(broker)
        life.session.close()
        for second in range(600):
            for channel in (b"a", b"b"):
                assert life.publish("data/x", channel + b"%d" % second) is not None
            life.now += 999
            life.turn()
            assert life.keeper.messages <= messages
        held = 20  # with the session at once, perhaps under way: never dropped
        lost = max(0, 1200 - messages)
        assert life.keeper.dropped == lost
        life.connect(broker)
        life.settle(broker)
        samples = [c + b"%d" % second for second in range(600) for c in (b"a", b"b")]
        assert broker.got == samples[:held] + samples[held + lost :]
        records = life.records
        costs = (messages, 1200, records.syncs / 1200, records.written_bytes / 1200)
        print("outbox of %d: %d samples, %.2f syncs and %.1f bytes written for each" % costs)


def test_a_bad_message_leaves_the_keeper_whole():
    disk = Disk()
    life = Life(disk)
    broker = Broker()
    life.connect(broker)
    life.publish("a", b"1")
    life.turn()
    raises(BadMessage, life.hear, b"\xf0\x00")
    life.connect(broker)
    life.settle(broker)
    assert broker.got == [b"1"]


def waiting(life):
    """What waits of both kinds, as a reconnection brings it: (samples, events)."""
    broker = Broker()
    life.connect(broker)
    life.settle(broker)
    got = [one for one in broker.got if one[:1] in b"se"]
    assert life.keeper._bulk == life.keeper._bulk_bytes == 0
    return [one for one in got if one[:1] == b"s"], [one for one in got if one[:1] == b"e"]


def test_samples_and_events_do_not_put_out_each_other():
    for in_turns in (1, 7, 1000):
        for events_first in (True, False):
            disk = Disk()
            life = Life(disk, messages=40, send_maximum=1)
            rules = [(b"e%03d", DROP_OLDEST), (b"s%03d", BULK)]
            for text, rule in rules if events_first else rules[::-1]:
                for number in range(100):
                    assert life.publish("a", text % number, 1, rule=rule) is not None
                    if number % in_turns == 0:
                        life.turn()
            life = Life(disk, messages=40, send_maximum=1) if in_turns == 1 else life
            samples, events = waiting(life)
            # One is under way from the first turn on, and counts as none that waits.
            first = samples if not events_first else events
            assert first.pop(0) in (b"e000", b"s000")
            assert samples == [b"s%03d" % number for number in range(70, 100)], samples
            assert events == [b"e%03d" % number for number in range(91, 100)], events


def test_what_one_kind_does_not_need_the_other_may_have():
    for text, rule in ((b"e%03d", DROP_OLDEST), (b"s%03d", BULK)):
        life = Life(Disk(), messages=40, send_maximum=1)
        for number in range(100):
            life.publish("a", text % number, 1, rule=rule)
        life.turn()
        assert sum(map(len, waiting(life))) == 40


def test_bytes_are_shared_as_messages_are():
    life = Life(Disk(), most_bytes=16384, send_maximum=1)
    for number in range(100):
        life.publish("a", b"s%03d" % number + bytes(1000), 1, rule=BULK)
        life.publish("a", b"e%03d" % number + bytes(1000), 1, rule=DROP_OLDEST)
        life.turn()
    samples, events = waiting(life)
    # One sample is under way; each message has some bytes around its 1004.
    assert len(samples) == 13 and len(events) == 3, (len(samples), len(events))
    assert samples[-1][:4] == b"s099" and events[-1][:4] == b"e099"
