"""What the standards ask of a client by number and no other test shows."""

from mqtt_peer import FEEDS, Peer, connack, packet, publish, suback, text, two
from support import raises

from agent.mqtt import fields, wire
from agent.mqtt.outbox import Delivered
from agent.mqtt.packets import V5, V311
from agent.mqtt.session import Received
from agent.mqtt.settings import Settings

IMPLEMENTATIONS = FEEDS
VERSIONS = (V5, V311)


def ack(first, packet_id, reason=None):
    return packet(first, two(packet_id), b"" if reason is None else bytes((reason,)))


def test_a_byte_order_mark_is_a_character_like_any_other(feed):
    for version in VERSIONS:
        (event,) = Peer(feed, version).say(publish("\ufeffa", b"", version=version))
        assert event.message.topic == "\ufeffa"
    assert wire.encode_text("\ufeff") == b"\0\3\xef\xbb\xbf"


def test_a_message_of_qos_0_has_no_identifier_and_no_dup(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.publish("a", b"payload", 0)
        blank = b"\0" if version == V5 else b""
        assert peer.hear() == [(0x30, text("a") + blank + b"payload")]


def test_connect_comes_first_and_once(feed):
    for version in VERSIONS:
        peer = Peer(feed, version, connected=False)
        peer.session.subscribe("a")
        peer.session.publish("a", b"", 1)
        peer.session.open(peer.now)
        assert [first for first, _ in peer.hear()] == [0x10]
        peer._feed = feed()
        peer.say(connack(version))
        assert 0x10 not in [first for first, _ in peer.hear()]


def test_connect_says_nothing_of_what_there_is_not(feed):
    for version in VERSIONS:
        # Of MQTT 5's properties those with a size or a time that holds for this client.
        told = b"\x10\x11\0\0\0\0\x21\0\x10\x22\0\0\x27\0\0\x10\0" if version == V5 else b""
        options = {"keep_alive_s": 0, "session_expiry_s": 0}
        made = Settings(**options).connect_packet(version, "me", None)
        head = text("MQTT") + bytes((version, 0)) + b"\0\0"
        assert made == packet(0x10, head, told, text("me"))
        made = Settings(username="name", **options).connect_packet(version, "me", None)
        head = text("MQTT") + bytes((version, 128)) + b"\0\0"
        assert made == packet(0x10, head, told, text("me"), text("name"))


def test_subscribe_and_unsubscribe_have_flags_options_and_one_filter(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.subscribe("a", 2)
        ((first, body),) = peer.hear()
        assert first == 0x82 and not body[-1] & 0xC0
        assert body[-1] & 3 == 2 and (version == V5 or body[-1] == 2)
        peer.say(suback(1, 2, version))
        peer.session.unsubscribe("a")
        ((first, body),) = peer.hear()
        assert first == 0xA2 and body.endswith(text("a"))


def test_no_publish_carries_a_subscription_identifier_of_its_own(feed):
    peer = Peer(feed)
    peer.session.publish("a", b"x", 1, False, {fields.CONTENT_TYPE: "t"})
    ((_, body),) = peer.hear()
    assert body == text("a") + two(1) + b"\4\3" + text("t") + b"x"


def test_acknowledgements_give_only_codes_that_the_standard_has(feed):
    peer = Peer(feed)
    events = peer.say(publish("a", b"", 1, 7) + publish("a", b"", 2, 8) + ack(0x50, 9))
    for event in events:
        peer.session.acknowledge(event.message)
    peer.say(ack(0x62, 8) + ack(0x62, 11))
    heard = {first: body for first, body in peer.hear() if len(body) == 2}
    assert heard == {0x40: two(7), 0x50: two(8), 0x70: two(8)}
    peer.say(ack(0x50, 9) + ack(0x62, 11))
    assert [body[2:] for _, body in peer.hear()] == [b"\x92", b"\x92"]


def test_a_response_topic_is_not_published_to_with_a_wildcard(feed):
    peer = Peer(feed)
    told = b"\x08" + text("reply/#")
    (event,) = peer.say(publish("call", b"", properties=told))
    topic = event.message.properties[fields.RESPONSE_TOPIC]
    raises(ValueError, peer.session.publish, topic, b"", 1)


def test_pubrel_leaves_in_the_order_of_pubrec(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        for number in range(3):
            peer.session.publish("a", b"%d" % number, 2)
        peer.hear()
        peer.say(ack(0x50, 3) + ack(0x50, 1) + ack(0x50, 2))
        assert peer.hear() == [(0x62, two(3)), (0x62, two(1)), (0x62, two(2))]


def test_an_identifier_is_free_again_after_its_end(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        for qos in (1, 2, 1, 2):
            (event,) = peer.say(publish("a", b"", qos, 7, version, 8))
            assert isinstance(event, Received)
            peer.session.acknowledge(event.message)
            if qos == 2:
                peer.say(ack(0x62, 7))
    # A refusal is this client's owner's not to give, so there is nothing to forget after one.


def test_nothing_is_sent_again_while_the_connection_lasts(feed):
    for version in VERSIONS:
        peer = Peer(feed, version, keep_alive_s=0)
        peer.session.publish("a", b"1", 1)
        peer.session.publish("a", b"2", 2)
        peer.hear()
        peer.say(ack(0x50, 2))
        assert peer.hear() == [(0x62, two(2))]
        assert peer.after(10**8) == []
        peer.reconnect(True)
        assert [first for first, _ in peer.hear()] == [0x3A, 0x62]


def test_an_expired_message_that_was_sent_is_completed(feed):
    peer = Peer(feed, keep_alive_s=0)
    peer.session.publish("a", b"x", 2, False, {fields.MESSAGE_EXPIRY: 1})
    peer.hear()
    peer.after(5_000)
    peer.say(ack(0x50, 1))
    assert peer.hear() == [(0x62, two(1))]
    assert peer.say(ack(0x70, 1)) == [Delivered(1, 0)]
    (event,) = peer.say(publish("a", b"x", 2, 7, properties=b"\2\0\0\0\1"))
    peer.after(5_000)
    peer.session.acknowledge(event.message)
    peer.say(ack(0x62, 7))
    assert [first for first, _ in peer.hear()] == [0x50, 0x70]


def test_no_auth_is_sent(feed):
    peer = Peer(feed, connected=False)
    assert b"\x15" + text("SCRAM") not in peer.open()
    peer.say_wrong(connack(properties=b"\x15" + text("SCRAM")) + b"\xf0\x00")
    assert 0xF0 not in [first for first, _ in peer.hear()]
