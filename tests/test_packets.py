"""Packets and fields against vectors made by hand from the standard, and all that it forbids."""

import json
from struct import pack

from mqtt_peer import FEEDS, Peer, connack, packet, publish, text, two
from support import raises

from agent.bad_message import BadMessage
from agent.mqtt import fields, packets, wire
from agent.mqtt import properties as properties_
from agent.mqtt.packets import V5, V311
from agent.mqtt.settings import Settings

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
IMPLEMENTATIONS = FEEDS


def unhex(digits):
    return bytes([int(digits[i : i + 2], 16) for i in range(0, len(digits), 2)])


def forbidden():
    with open(HERE + "/corpus/mqtt_forbidden.json") as file:
        return json.load(file)


def test_what_mqtt_forbids_ends_with_its_reason_code(feed):
    for name, version, digits, reason, section in forbidden():
        peer = Peer(feed, version, outbox_messages=4)
        error = peer.say_wrong(unhex(digits))
        assert error.reason == reason, (name, section, error.reason, error.message)
        assert len(error.message) > 10, name
        said = peer.hear()
        if version == V5:
            assert said == [(0xE0, bytes((reason,)))], (name, said)
        else:
            assert said == [], (name, said)  # 3.1.1 has no reason to give, so it just closes
        assert peer.session.next_event() is None


def test_after_forbidden_bytes_nothing_more_is_read(feed):
    peer = Peer(feed)
    peer.say_wrong(b"\x00\x00")
    assert peer.say(publish("a", b"late")) == []


def test_every_beginning_of_a_packet_waits_for_the_rest(feed):
    whole = publish("a/b", b"payload", 1, 7, properties=b"\x08\0\1r\x09\0\2cd")
    for length in range(len(whole)):
        peer = Peer(feed)
        if feed is not FEEDS[2][1]:  # a tail belongs behind a whole packet
            assert peer.say(whole[:length]) == []
            events = peer.say(whole[length:])
            assert [event.message.payload for event in events] == [b"payload"]


def test_connect_of_3_1_1_is_as_in_the_standard(_):
    made = Settings(keep_alive_s=60, clean_start=True).connect_packet(V311, "me", None)
    assert made == packet(0x10, text("MQTT"), b"\x04\x02\x00\x3c", text("me"))


def test_connect_carries_will_name_and_password(_):
    will = packets.Will("w", b"gone", 1, True, {fields.WILL_DELAY: 5})
    settings = Settings(username="u", password="pw", keep_alive_s=10, receive_maximum=9)
    assert settings.connect_packet(V5, "me", will) == packet(
        0x10,
        text("MQTT"),
        b"\x05\xec\x00\x0a",
        b"\x10\x11\x00\x00\x0e\x10\x21\x00\x09\x22\x00\x00\x27\x00\x00\x10\x00",
        text("me"),
        b"\x05\x18\x00\x00\x00\x05",
        text("w"),
        text("gone"),
        text("u"),
        text("pw"),
    )


def test_a_publish_has_the_shortest_length_at_every_size(_):
    for size in (0, 110, 111, 112, 16370, 16371, 16372, 16373, 70000):
        payload = b"x" * size
        made = wire.encode_publish(0x32, b"topic/1", 258, b"\0", payload)
        assert made == packet(0x32, text("topic/1"), two(258), b"\0", payload), size


def test_acknowledgements_are_four_bytes_without_a_reason(_):
    assert wire.encode_ack(0x40, 65535) == b"\x40\x02\xff\xff"
    assert wire.encode_ack(0x62, 1, 0x92) == b"\x62\x03\x00\x01\x92"


def test_subscribe_tells_3_1_1_the_qos_only(_):
    assert wire.encode_subscribe(V311, 3, "a/#", 13) == packet(0x82, two(3), text("a/#"), b"\1")
    made = wire.encode_subscribe(V5, 3, "a/#", 13)
    assert made == packet(0x82, two(3), b"\0", text("a/#"), b"\x0d")


def test_goodbye_tells_3_1_1_nothing(feed):
    for version in (V5, V311):
        for with_will, told in ((False, b""), (True, b"\x04" if version == V5 else b"")):
            peer = Peer(feed, version)
            peer.session.disconnect(with_will)
            assert peer.hear() == [(0xE0, told)]


def test_properties_survive_a_round_trip(_):
    properties = {
        fields.PAYLOAD_FORMAT: 1,
        fields.MESSAGE_EXPIRY: 0xFFFFFFFF,
        fields.CONTENT_TYPE: "a\u00e9\u20ac\U0001f41a",
        fields.RESPONSE_TOPIC: "limpet/reply/1",
        fields.CORRELATION_DATA: b"\0\xff",
        fields.SUBSCRIPTION_ID: [1, 268435455],
        fields.USER_PROPERTY: [("k", "v"), ("k", "")],
    }
    data = wire.encode_properties(properties)
    found = properties_.read_properties(memoryview(data), 0, len(data), packets.PUBLISH)
    assert found == (properties, len(data))


def test_no_properties_are_one_zero_byte(_):
    assert wire.encode_properties(None) == wire.encode_properties({}) == b"\0"


def test_user_properties_are_kept_up_to_a_number_and_checked_beyond(feed):
    one = b"\x26" + text("k") + text("v")
    many = one * 18  # 126 bytes: one byte of length
    (event,) = Peer(feed).say(publish("a", b"", properties=many))
    assert event.message.properties == {fields.USER_PROPERTY: [("k", "v")] * 16}
    wrong = one * 17 + b"\x26" + text("k") + text("\0")
    assert Peer(feed).say_wrong(publish("a", b"", properties=wrong)).reason == fields.MALFORMED


def test_variable_integers_have_one_form(_):
    for value, form in ((0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001")):
        assert wire.encode_variable(value) == unhex(form)
        assert properties_.read_variable(unhex(form), 0, len(form) // 2) == (value, len(form) // 2)
    assert wire.encode_variable(268435455) == unhex("ffffff7f")
    assert properties_.read_variable(unhex("ffffff7f"), 0, 4) == (268435455, 4)
    for form in ("8000", "808000", "80", "ffffffff7f"):
        error = raises(BadMessage, properties_.read_variable, unhex(form), 0, len(form) // 2)
        assert error.reason == fields.MALFORMED


def test_text_of_every_width_is_read_and_its_neighbours_are_not(_):
    for code in (0x01, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF):
        data = chr(code).encode()
        assert wire.decode_text(memoryview(data), 0, len(data)) == chr(code)
    wrong = (
        "80",
        "c0af",
        "c1bf",
        "e09fbf",
        "eda080",
        "edbfbf",
        "f08fbfbf",
        "f4908080",
        "f880808080",
    )
    for digits in wrong:
        data = unhex(digits)
        error = raises(BadMessage, wire.decode_text, memoryview(data), 0, len(data))
        assert error.reason == fields.MALFORMED, digits


def test_our_own_wrong_text_is_refused_before_it_leaves(_):
    raises(ValueError, wire.encode_text, "a\0b")
    raises(ValueError, wire.encode_text, "x" * 65536)
    raises(ValueError, wire.encode_binary, b"x" * 65536)


def test_topics_have_no_wildcards_and_an_end(_):
    for name in ("a", "/", "$SYS/a", "a b", "x" * 65535, "\u20ac" * 21845):
        assert wire.is_topic(name)
    for name in ("", "a/+", "#", "a\0", "x" * 65536, "\u20ac" * 21846):
        assert not wire.is_topic(name)


def test_a_refusal_of_3_1_1_has_the_reason_code_of_5(_):
    for code, reason in ((1, 0x84), (2, 0x85), (3, 0x88), (4, 0x86), (5, 0x87)):
        answer = packets.decode_connack(V311, memoryview(pack("BB", 0, code)), 0, 2)
        assert answer == (False, reason, None)


def test_a_broker_of_3_1_1_may_refuse_5_in_its_own_form(_):
    answer = packets.decode_connack(V5, memoryview(b"\0\1"), 0, 2)
    assert answer[1] == packets.UNSUPPORTED_VERSION


def test_connack_has_no_other_bits_codes_or_ends(feed):
    for data, reason in (
        (packet(0x20, b"\2\0\0"), fields.MALFORMED),
        (packet(0x20, b"\0\x01\0"), fields.PROTOCOL_ERROR),
        (packet(0x20, b"\1\x87\0"), fields.PROTOCOL_ERROR),
        (packet(0x20, b"\0"), fields.MALFORMED),
        (packet(0x20, b"\0\0\0\0"), fields.MALFORMED),
        (packet(0x21, b"\0\0\0"), fields.MALFORMED),
        (connack(properties=b"\x21\0\0"), fields.PROTOCOL_ERROR),
        (connack(properties=b"\x27\0\0\0\0"), fields.PROTOCOL_ERROR),
        (connack(properties=b"\x24\2"), fields.PROTOCOL_ERROR),
        (connack(properties=b"\x01\1"), fields.PROTOCOL_ERROR),
        (connack(properties=b"\x12\0\1a\x12\0\1a"), fields.PROTOCOL_ERROR),
        (publish("a", b""), fields.PROTOCOL_ERROR),
        (b"\xd0\x00", fields.PROTOCOL_ERROR),
    ):
        peer = Peer(feed, connected=False)
        peer.open()
        error = peer.say_wrong(data)
        assert error.reason == reason, (data, error.message)
        assert peer.hear() == []  # MQTT-3.14.0-1: no DISCONNECT before a successful CONNACK
