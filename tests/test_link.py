"""The link against a scripted broker on loopback, and against transports that misbehave."""

import wakeup
from mqtt_broker import Broker, Stage, listener
from mqtt_peer import START, connack, packet, publish, suback, text, two
from support import raises

from agent.mqtt import packets
from agent.mqtt.attempts import CLOSED, SILENT, Attempts
from agent.mqtt.backoff import Backoff
from agent.mqtt.events import Disconnected
from agent.mqtt.faults import TransportError
from agent.mqtt.holding import Holding
from agent.mqtt.link import Link
from agent.mqtt.outbox import Delivered
from agent.mqtt.session import Connected, Received, Session, Subscribed
from agent.mqtt.settings import Settings
from agent.mqtt.tcp import Tcp


def middle(count):
    return b"\x80" * count  # no jitter


def quick():
    return Backoff(middle, 10, 40, 1000, 30)


def make(brokers, version=5, **options):
    session = Session(Settings(client_id="me", version=version, keep_alive_s=10))
    return Link(session, brokers, backoff=quick(), connect_timeout_ms=5000, **options)


class Scene:
    """`with Scene() as stage:` a link and a broker for it, both ended afterwards."""

    def __init__(self, version=5, **options):
        self.broker = Broker()
        self.stage = Stage(make([self.broker.address], version, **options), self.broker)

    def __enter__(self):
        return self.stage

    def __exit__(self, *error):
        self.stage.link.close(self.stage.now)
        self.broker.close()


def test_a_call_is_received_acknowledged_and_answered():
    for version in (5, 4):
        with Scene(version) as stage:
            link = stage.link
            link.subscribe("limpet/me/call")
            stage.connect(version)
            stage.until_heard(0x82)
            stage.broker.say(suback(1, 1, version))
            stage.broker.say(publish("limpet/me/call", b"hi", 1, 9, version))
            message = stage.until_event(Received).message
            link.acknowledge(message)
            assert link.publish("limpet/reply/1", b"yes", 1) == 2
            stage.until_heard(0x32)
            stage.broker.say(packet(0x40, two(2)))
            assert stage.until_event(Delivered) == Delivered(2, 0)
            assert stage.until_event(Subscribed).codes == (1,)


class Recorder(Tcp):
    """TCP that notes every write, and takes at most `most` bytes of it."""

    most = 1 << 30
    writes = []

    def write(self, data):
        self.writes.append(bytes(data))
        return super().write(data[: self.most])


def test_everything_queued_leaves_in_one_write():
    with Scene(transport=Recorder) as stage:
        stage.connect()
        stage.broker.say(publish("a", b"1", 1, 9) + publish("a", b"2", 1, 10))
        first = stage.until_event(Received).message
        second = stage.until_event(Received).message
        Recorder.writes.clear()
        stage.link.acknowledge(second)
        stage.link.acknowledge(first)
        stage.link.publish("b", b"3", 1)
        stage.link.send(stage.now)
        assert len(Recorder.writes) == 1
        stage.link.send(stage.now)
        assert len(Recorder.writes) == 1  # nothing queued, nothing written
        heard = []
        stage.until(lambda: heard.extend(stage.broker.hear()) or len(heard) == 3)
        assert [first for first, _ in heard] == [0x40, 0x40, 0x32]


class Dribble(Recorder):
    most = 3


def test_a_write_may_be_taken_in_small_pieces():
    with Scene(transport=Dribble) as stage:
        stage.connect()
        stage.link.publish("a", b"0123456789" * 20, 1)
        assert stage.until_heard(0x32)[5:] == b"\0" + b"0123456789" * 20
        stage.link.publish("a", b"end", 0)
        assert stage.until_heard(0x30).endswith(b"end")


def test_what_a_full_socket_does_not_take_comes_later_in_order():
    with Scene() as stage:
        stage.connect()
        payload = b"x" * 30_000
        sent = 0
        broker, stage.broker = stage.broker, None  # nobody reads
        while not stage.link._unsent:
            if stage.link.publish("a", payload) is not None:
                sent += 1
            stage.round()
            assert sent < 10_000
        assert stage.link.publish("a", payload) == 0
        stage.broker = broker
        lengths = []
        stage.until(lambda: lengths.extend(lengths_heard(broker)) or len(lengths) > sent)
        assert lengths == [len(payload) + 4] * (sent + 1)


def lengths_heard(broker):
    return [len(body) for _, body in broker.hear()]


class Hoarder(Tcp):
    """Takes all that is there and hands it on in small pieces, as TLS may."""

    buffers = True
    held = b""

    def read_into(self, view):
        chunk = bytearray(4096)
        self.held += bytes(chunk[: super().read_into(chunk)])
        count = min(len(view), len(self.held), 3)
        view[:count] = self.held[:count]
        self.held = self.held[count:]
        return count


def test_what_a_transport_still_holds_is_read_though_the_socket_is_empty():
    with Scene(transport=Hoarder) as stage:
        stage.connect()
        stage.broker.say(b"".join([publish("a", b"%d" % n) for n in range(20)]))
        found = []
        while len(found) < 20:
            stage.link.wait(-1)  # would be for ever once the socket is empty
            found += [event for event in stage.link.receive(stage.now)]
        assert [event.message.payload for event in found] == [b"%d" % n for n in range(20)]


class Handshaker(Tcp):
    """Takes nothing before the other side has spoken."""

    handshaking = True

    def write(self, data):
        return 0 if self.handshaking else super().write(data)

    def read_into(self, view):
        count = super().read_into(view)
        self.handshaking = self.handshaking and not count
        return 0 if bytes(view[:count]) == b"!" else count


def test_while_a_transport_shakes_hands_the_link_waits_for_bytes_alone():
    with Scene(transport=Handshaker) as stage:
        stage.until(lambda: stage.broker.channel)
        stage.round()
        stage.link.wait(0)
        assert not stage.link._readable  # though the socket could be written to
        stage.broker.say(b"!")
        stage.connect()


def test_a_handshake_without_an_answer_says_nothing_of_the_version():
    with Scene(transport=Handshaker) as stage:
        for _ in range(3):
            stage.until(lambda: stage.broker.channel)
            stage.round()
            stage.now += 5000
            assert stage.until_event(Disconnected).code == "timeout"
            stage.broker.drop()
        stage.until(lambda: stage.broker.channel)
        stage.round()
        stage.broker.say(b"!")
        assert stage.connect()[6] == 5


class Broken(Tcp):
    broken = False

    def write(self, data):
        if self.broken:
            raise TransportError("lost", "the wire is cut in one direction")
        return super().write(data)


def test_a_write_that_fails_is_told_though_nothing_comes_to_read():
    with Scene(transport=Broken) as stage:
        stage.connect()
        stage.link.transport.broken = True
        stage.link.publish("a", b"1", 1)
        stage.link.send(stage.now)
        stage.link.wait(-1)  # would be for ever
        event = stage.until_event(Disconnected)
        assert event.code == "lost" and "one direction" in event.reason


def test_a_port_without_a_broker_is_refused_and_tried_again_later():
    unused, address = listener()
    unused.close()
    stage = Stage(make([address]))
    waits = []
    for _ in range(4):
        event = stage.until_event(Disconnected)
        assert event.code == "refused" and "%s:%d" % address in event.reason, event
        waits.append(event.retry_in_ms)
        assert stage.link.due == stage.now - 1 + event.retry_in_ms
    assert waits == [10, 20, 40, 40]
    stage.link.close(stage.now)


def test_a_name_that_nobody_knows_is_told_as_such():
    stage = Stage(make([("no-such-host.invalid", 1883)]))
    event = stage.until_event(Disconnected)
    assert event.code == "name-not-found" and "no-such-host.invalid" in event.reason
    stage.link.close(stage.now)


def test_a_broker_that_says_nothing_is_given_up_in_time():
    with Scene() as stage:
        stage.until_heard(0x10)
        assert stage.link.due == START + 5000
        stage.now = START + 4999
        assert stage.round() == []
        (event,) = stage.round()
        assert event.code == "timeout" and event.retry_in_ms == 10
        assert "no answer" in event.reason


class Stuck(Tcp):
    def finish(self):
        return False


def test_a_network_that_swallows_everything_is_given_up_in_time():
    with Scene(transport=Stuck) as stage:
        stage.round()
        stage.now = START + 5000
        (event,) = stage.round()
        assert event.code == "timeout"


def test_a_broker_that_refuses_5_gets_3_1_1_at_once_and_is_remembered():
    for refusal in (packet(0x20, b"\0\1"), connack(5, False, 0x84)):
        with Scene() as stage:
            assert stage.until_heard(0x10)[6] == 5
            stage.broker.say(refusal)
            event = stage.until_event(Disconnected)
            assert event.code == "rejected" and event.retry_in_ms == 0
            assert stage.connect(4)[6] == 4
            assert stage.until_event(Connected).version == 4
            stage.broker.drop()
            assert stage.connect(4)[6] == 4


def test_a_broker_that_only_closes_on_5_gets_3_1_1_and_is_remembered():
    with Scene() as stage:
        versions = []
        for _ in range(3):
            versions.append(stage.until_heard(0x10)[6])
            stage.broker.drop()
            assert stage.until_event(Disconnected).code == "lost"
        assert versions == [5, 5, 4]
        assert stage.connect(5)[6] == 5  # 3.1.1 did no better: it is not the version
        for _ in range(3):
            stage.broker.drop()
            assert stage.connect(5)[6] == 5


def test_a_broker_that_keeps_silent_on_5_gets_3_1_1_and_is_remembered():
    with Scene() as stage:
        assert stage.until_heard(0x10)[6] == 5
        stage.now += 5000
        assert stage.until_event(Disconnected).code == "timeout"
        for _ in range(3):
            assert stage.connect(4)[6] == 4
            stage.broker.drop()
            assert stage.until_event(Disconnected).code == "lost"


def test_a_broker_proven_on_5_may_keep_silent_for_once():
    with Scene() as stage:
        stage.connect()
        stage.broker.drop()
        for _ in range(3):
            assert stage.until_heard(0x10)[6] == 5
            stage.now += 5000
            stage.until_event(Disconnected)
        assert stage.connect()[6] == 5


def test_a_guessed_3_1_1_is_doubted_again_after_an_hour():
    attempts = Attempts([("h", 1)], 5, quick())
    attempts.ended(0, SILENT, 0)
    for connected_ms, version in ((3_599_999, 4), (3_600_000, 5)):
        assert attempts.version == 4
        attempts.succeeded(0)
        attempts.ended(connected_ms, 0, 0)
        assert attempts.version == version
    attempts.ended(0, CLOSED, 0)
    assert attempts.version == 4
    attempts.ended(0, CLOSED, 0)
    assert attempts.version == 5
    assert attempts.ended(0, 0, packets.UNSUPPORTED_VERSION) == 0
    attempts.succeeded(0)
    attempts.ended(3_600_000, 0, 0)
    assert attempts.version == 4  # it has said so


def test_a_wrong_password_is_told_and_retried_slowly():
    with Scene() as stage:
        stage.until_heard(0x10)
        stage.broker.say(connack(5, False, 0x86))
        event = stage.until_event(Disconnected)
        assert event.code == "rejected" and "0x86" in event.reason
        assert event.retry_in_ms == 30
        assert stage.link.due == stage.now - 1 + 30


def test_forbidden_bytes_are_answered_with_the_reason_and_the_link_comes_back():
    with Scene() as stage:
        stage.connect()
        stage.broker.say(b"\x36\x07\0\1a\0\1\0h")
        assert stage.until_heard(0xE0) == b"\x81"
        event = stage.until_event(Disconnected)
        assert event.code == "bad-message" and "QoS 3" in event.reason
        stage.connect()


def test_a_goodbye_of_the_broker_is_told_with_its_reason():
    with Scene() as stage:
        stage.connect()
        stage.broker.say(packet(0xE0, b"\x8b\x0b\x1f" + text("at night")))
        event = stage.until_event(Disconnected)
        assert event.code == "dismissed" and "at night" in event.reason
        stage.connect()


def test_a_missing_answer_to_a_ping_closes_in_time_and_reconnects():
    with Scene() as stage:
        stage.connect()
        assert stage.link.due <= stage.now + 10_000
        stage.now += 10_000
        stage.until_heard(0xC0)
        stage.now += 5_000
        event = stage.until_event(Disconnected)
        assert event.code == "dismissed" and "ping" in event.reason
        stage.connect()


def test_a_reset_is_a_loss_like_any_other():
    with Scene() as stage:
        stage.connect()
        stage.broker.reset()
        assert stage.until_event(Disconnected).code == "lost"
        stage.connect()


def test_an_unacknowledged_message_is_sent_again_after_a_loss():
    with Scene() as stage:
        stage.connect()
        assert stage.link.publish("a", b"precious", 1) == 1
        stage.until_heard(0x32)
        stage.broker.drop()
        assert stage.until_event(Disconnected).code == "lost"
        stage.connect(present=True)
        assert stage.until_heard(0x3A).endswith(b"precious")


def test_the_back_off_starts_anew_after_a_lasting_connection():
    with Scene() as stage:
        for expected in (10, 20, 40):
            stage.connect()
            stage.broker.drop()
            assert stage.until_event(Disconnected).retry_in_ms == expected
        stage.connect()
        stage.now += 1000
        stage.broker.drop()
        assert stage.until_event(Disconnected).retry_in_ms == 10


def test_brokers_are_tried_in_order_and_the_first_again_after_the_last():
    unused, nobody = listener()
    unused.close()
    broker = Broker()
    stage = Stage(make([nobody, broker.address]), broker)
    assert stage.until_event(Disconnected).retry_in_ms == 0
    stage.connect()
    stage.broker.drop()
    assert stage.until_event(Disconnected).code == "lost"
    stage.connect()  # the one that worked is tried first
    broker.close()
    stage.broker = None
    assert stage.until_event(Disconnected).code == "lost"
    refused = stage.until_event(Disconnected)
    assert refused.code == "refused" and refused.retry_in_ms > 0
    assert stage.until_event(Disconnected).retry_in_ms == 0
    stage.link.close(stage.now)


def test_goodbye_is_said_and_the_link_stays_away():
    with Scene() as stage:
        stage.connect()
        stage.link.close(stage.now, with_will=True)
        assert stage.until_heard(0xE0) == b"\x04"
        assert not stage.link.connected and stage.link.due is None
        stage.now += 10**6
        assert stage.round() == []
        assert stage.broker.accepted == 1


def test_a_call_from_another_thread_ends_the_wait():
    channel = wakeup.Channel()
    with Scene(channel=channel) as stage:
        stage.link.wake()
        stage.link.wait(-1)  # would be for ever
        assert not channel.is_set()
        stage.connect()
        stage.link.receive(stage.now)
        stage.link.wake()
        stage.link.wait(-1)
    channel.close()


def test_a_wait_does_not_sleep_on_what_the_session_refuses_by_itself():
    with Scene() as stage:
        stage.connect()
        stage.link.session.outbox.packet_bytes = 30  # what a broker may say in CONNACK
        stage.link.subscribe("a" * 40)
        stage.link.wait(-1)  # would be for ever: there is nothing to write or read
        (event,) = stage.link.receive(stage.now)
        assert event.codes == (0x95,)


def test_a_wait_does_not_sleep_on_events_that_were_left():
    with Scene() as stage:
        stage.connect()
        stage.broker.say(publish("a", b"1") + publish("a", b"2"))
        found = []
        while not found:
            for event in stage.link.receive(stage.now):
                found.append(event)
                break
        stage.link.wait(-1)  # would be for ever: the socket is empty
        found += list(stage.link.receive(stage.now))
        assert [event.message.payload for event in found] == [b"1", b"2"]


def test_an_owner_who_is_behind_still_hears_that_there_is_room_again():
    for version in (5, 4):
        with Scene(version) as stage:
            stage.connect(version)
            packet_id = stage.link.publish("a", b"1", 1)
            many = [publish("a", b"%d" % n, 1, n + 1, version) for n in range(40)]
            stage.broker.say(b"".join(many) + packet(0x40, two(packet_id)))
            assert stage.until_event(Delivered) == Delivered(packet_id, 0)
            for event in stage.events:
                if isinstance(event, Received):
                    stage.link.acknowledge(event.message)
            heard = hear_count(stage, 41)
            assert heard[1:] == [(0x40, two(n + 1)) for n in range(40)]


def hear_count(stage, count):
    """Rounds until the broker has heard so many packets, which are returned."""
    heard = []
    stage.until(lambda: heard.extend(stage.broker.hear()) or len(heard) >= count)
    return heard


def test_a_cut_after_any_byte_of_what_the_broker_says_loses_nothing():
    script = connack() + suback(1, 1) + publish("c", b"call", 1, 9) + packet(0x40, two(2))
    for version in (5, 4):
        if version == 4:
            script = connack(4) + suback(1, 1, 4) + publish("c", b"call", 1, 9, 4)
            script += packet(0x40, two(2))
        for cut in range(len(script)):
            check_cut(version, script, cut)


def check_cut(version, script, cut):
    with Scene(version) as stage:
        stage.link.subscribe("c")
        stage.link.publish("d", b"data", 1)
        stage.until_heard(0x10)
        stage.broker.say(script[:cut])
        stage.broker.drop()
        stage.until_event(Disconnected)
        stage.until_heard(0x10)
        stage.broker.say(connack(version))  # the session is lost
        names = {0x82: b"c", 0x32: b"data"}
        heard = {}
        stage.until(lambda: heard.update(dict(stage.broker.hear())) or len(heard) > 0)
        for first in heard:
            assert first in names or first == 0x3A, (cut, heard)
        stage.until(lambda: heard.update(dict(stage.broker.hear())) or 0x82 in heard)
        delivered = [event for event in stage.events if isinstance(event, Delivered)]
        # 3.1.1 asks for a repetition (MQTT-4.4.0-1 there), 5 for a message that is new.
        again = 0x32 if version == 5 else 0x3A
        assert delivered or again in heard or 0x32 in heard, (version, cut, heard, stage.events)


# Decisions, without any socket.


def test_the_back_off_doubles_up_to_its_maximum_with_a_fifth_of_jitter():
    for byte, share in ((0, 0.8), (128, 1.0), (255, 1.2)):
        backoff = Backoff(lambda count, byte=byte: bytes((byte,)))
        waits = [backoff.next_ms() for _ in range(11)]
        nominal = [1000 * 2**n for n in range(9)] + [300_000] * 2
        for index, expected in enumerate(nominal):
            wait = waits[index]
            assert abs(wait - expected * share) <= expected * 0.01, (byte, waits)


def test_the_back_off_remembers_a_short_connection():
    backoff = Backoff(middle)
    assert [backoff.next_ms(), backoff.next_ms()] == [1000, 2000]
    backoff.lasted(59_999)
    assert backoff.next_ms() == 4000
    backoff.lasted(60_000)
    assert backoff.next_ms() == 1000


def test_a_refusal_waits_a_minute_at_least_and_ever_longer():
    backoff = Backoff(middle)
    assert [backoff.next_ms(True) for _ in range(4)] == [60_000, 120_000, 240_000, 300_000]


def test_an_accident_while_connecting_does_not_change_a_proven_version():
    attempts = Attempts([("h", 1)], 5, quick())
    attempts.succeeded(0)
    attempts.ended(1, 0, 0)
    for how in (CLOSED, SILENT) * 3:
        attempts.ended(2, how, 0)
        assert attempts.version == 5


def test_who_wants_3_1_1_is_never_given_5():
    attempts = Attempts([("h", 1)], 4, quick())
    for how in (CLOSED, SILENT) * 3:
        attempts.ended(2, how, 0)
        assert attempts.version == 4


def test_a_version_is_remembered_for_each_broker():
    attempts = Attempts([("old", 1), ("new", 1)], 5, quick())
    assert attempts.ended(0, 0, packets.UNSUPPORTED_VERSION) == 0
    assert attempts.version == 4
    attempts.ended(0, 0, 0)
    assert (attempts.address, attempts.version) == (("new", 1), 5)
    attempts.ended(0, 0, 0)
    assert (attempts.address, attempts.version) == (("old", 1), 4)


def test_a_transport_closes_its_socket_once():
    broker = Broker()
    tcp = Tcp(*broker.address)
    tcp.open()
    tcp.close()
    other = Broker()  # takes the number that became free
    tcp.close()
    other.accept()
    other.close()
    broker.close()


def test_a_transport_tells_refused_from_lost():
    unused, address = listener()
    unused.close()
    tcp = Tcp(*address)

    def try_it():
        tcp.open()
        while not tcp.finish():
            pass

    assert raises(TransportError, try_it).code == "refused"
    tcp.close()


def test_without_a_network_it_stays_away_and_comes_back_at_once():
    with Scene() as stage:
        link = stage.link
        holding = Holding(link)
        holding.hold("the network is not up yet")
        assert link.due is None
        for _ in range(5):
            stage.round()
        assert stage.events == [] and not stage.broker.hear()
        holding.release(stage.now)
        stage.connect()
        holding.hold("wifi home is gone")
        link.wait(-1)  # would be for ever
        event = stage.until_event(Disconnected)
        assert (event.code, event.reason) == ("unreachable", "wifi home is gone")
        assert link.due is None
        holding.release(stage.now)
        assert link.due == stage.now
        stage.connect()
