"""A session's behaviour, one sentence each: fed whole, byte by byte, and with a tail."""

from mqtt_peer import FEEDS, START, Peer, Whole, connack, packet, publish, suback, text, two
from support import raises

from agent.bad_message import BadMessage
from agent.mqtt import fields, packets
from agent.mqtt.events import Oversized, Unsubscribed
from agent.mqtt.outbox import Delivered
from agent.mqtt.packets import NO_LOCAL
from agent.mqtt.session import Connected, Received, Subscribed

IMPLEMENTATIONS = FEEDS

VERSIONS = (5, 4)


MOST_ENTRIES, OVERHEAD = 2048, 160  # as in agent/mqtt/inbox.py


def ack(first, packet_id, reason=None):
    return packet(first, two(packet_id), b"" if reason is None else bytes((reason,)))


def messages(events):
    return [event.message for event in events if isinstance(event, Received)]


# Connecting.


def test_the_broker_answer_is_told_as_connected(feed):
    for version in VERSIONS:
        peer = Peer(feed, version, connected=False)
        peer.open()
        assert peer.say(connack(version)) == [Connected(False, version, None)]


def test_what_a_broker_of_5_tells_is_handed_on_and_kept_to(feed):
    peer = Peer(feed, connected=False, keep_alive_s=60, client_id="")
    peer.open()
    told = b"\x12" + text("named-by-you") + b"\x13" + two(7) + b"\x1f" + text("hello")
    (event,) = peer.say(connack(properties=told))
    assert event.properties == {18: "named-by-you", 19: 7, 31: "hello"}
    assert peer.session.client_id == "named-by-you"
    assert peer.session.due == START + 7000


def test_who_has_a_name_is_not_given_another(feed):
    peer = Peer(feed, connected=False)
    peer.open()
    peer.say(connack(properties=b"\x12" + text("other")))
    assert peer.session.client_id == "me"
    assert text("other") not in peer.open()


def test_a_refusal_ends_the_session_with_its_reason_and_words(feed):
    peer = Peer(feed, connected=False)
    peer.open()
    assert peer.say(connack(reason=0x87, properties=b"\x1f" + text("no such user"))) == []
    assert peer.session.ended.reason == packets.NOT_AUTHORIZED
    assert "no such user" in peer.session.ended.text
    assert peer.say(publish("a", b"")) == []


def test_connect_says_what_this_side_can_take(feed):
    peer = Peer(feed, connected=False, receive_maximum=9, maximum_packet_bytes=512)
    body = peer.open()
    assert b"\x21" + two(9) in body
    assert b"\x27\0\0\2\0" in body


def test_a_nameless_client_of_3_1_1_starts_clean(feed):
    peer = Peer(feed, 4, connected=False)
    peer.session.client_id = ""
    assert peer.open()[7] == 2


def test_a_session_is_not_there_after_a_clean_start(feed):
    peer = Peer(feed, connected=False, clean_start=True)
    peer.open()
    error = peer.say_wrong(connack(present=True))
    assert error.reason == fields.PROTOCOL_ERROR


def test_goodbye_takes_the_will_along_or_not(feed):
    for with_will, said in ((False, (0xE0, b"")), (True, (0xE0, b"\x04"))):
        peer = Peer(feed)
        peer.session.disconnect(with_will)
        assert peer.hear() == [said]
        assert peer.say(publish("a", b"")) == []


def test_a_broker_of_5_may_say_goodbye_with_a_reason(feed):
    peer = Peer(feed)
    assert peer.say(packet(0xE0, b"\x8e\0")) == []
    assert peer.session.ended.reason == 0x8E
    assert "session taken over" in peer.session.ended.text


# Subscribing.


def test_a_filter_is_asked_for_once_and_granted(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.subscribe("limpet/me/call", 1)
        tail = b"\x09" if version == 5 else b"\x01"  # Retain As Published
        blank = b"\0" if version == 5 else b""
        body = two(1) + blank + text("limpet/me/call") + tail
        assert peer.hear() == [(0x82, body)]
        answer = Subscribed(1, (1,), "limpet/me/call")
        assert peer.say(suback(1, 1, version)) == [answer]
        assert peer.reconnect(True) == [Connected(True, version, None)]
        assert peer.hear() == []


def test_filters_wanted_before_the_connection_are_asked_for_in_it(feed):
    peer = Peer(feed, connected=False)
    peer.session.subscribe("a", 0, NO_LOCAL)
    peer.reconnect(False)
    assert peer.hear() == [(0x82, two(1) + b"\0" + text("a") + b"\x0c")]


def test_a_filter_is_asked_for_with_its_identifier_and_user_properties_each_time(feed):
    properties = {fields.USER_PROPERTY: [("a", "b"), ("a", "c")], fields.SUBSCRIPTION_ID: 300}
    encoded = b"\x0b\xac\x02" + b"".join(b"\x26" + text("a") + text(value) for value in "bc")
    peer = Peer(feed, connected=False)
    peer.session.subscribe("a/#", 1, properties=properties)
    for packet_id in (1, 2):
        peer.reconnect(False)
        asked = two(packet_id) + bytes((len(encoded),)) + encoded + text("a/#") + b"\x09"
        assert peer.hear() == [(0x82, asked)]
    assert peer.say(suback(2, 1)) == [Subscribed(2, (1,), "a/#")]
    (received,) = messages(peer.say(publish("a/b", b"", properties=b"\x0b\xac\x02")))
    assert received.properties == {fields.SUBSCRIPTION_ID: [300]}
    peer.session.unsubscribe("a/#", {fields.USER_PROPERTY: [("d", "")]})
    told = b"\x26" + text("d") + text("")
    assert peer.hear() == [(0xA2, two(3) + bytes((len(told),)) + told + text("a/#"))]


def test_properties_of_a_filter_stay_here_on_311(feed):
    peer = Peer(feed, 4)
    peer.session.subscribe("a", 1, properties={fields.SUBSCRIPTION_ID: 1})
    peer.say(suback(1, 1, 4))
    peer.session.unsubscribe("a", {fields.USER_PROPERTY: [("d", "")]})
    assert peer.hear() == [(0x82, two(1) + text("a") + b"\1"), (0xA2, two(2) + text("a"))]


def test_a_broker_without_identifiers_is_asked_for_no_filter_with_one(feed):
    peer = Peer(feed, connack_properties=b"\x29\0")
    peer.session.subscribe("a", 1, properties={fields.SUBSCRIPTION_ID: 1})
    peer.session.subscribe("b", 1, properties={fields.USER_PROPERTY: [("c", "d")]})
    assert peer.session.next_event() == Subscribed(1, (0xA1,), "a")
    assert [body[-2:] for _, body in peer.hear()] == [b"b\x09"]
    peer.reconnect(False)
    assert len(peer.hear()) == 2  # this one does not say that it has none


def test_what_no_subscription_may_say_is_refused_at_once(feed):
    session = Peer(feed).session
    for number in (0, -1, 1 << 28, "1", None):
        raises(ValueError, session.subscribe, "a", 1, 0, {fields.SUBSCRIPTION_ID: number})
    raises(ValueError, session.subscribe, "a", 1, 0, {fields.CONTENT_TYPE: "x"})
    for pairs in (("a", "b"), ["ab"], [("a", 1)], [("a",)], [("a", "\0")], [("a", "x" * 70000)]):
        raises(ValueError, session.subscribe, "a", 1, 0, {fields.USER_PROPERTY: pairs})
        raises(ValueError, session.unsubscribe, "a", {fields.USER_PROPERTY: pairs})
    raises(ValueError, session.unsubscribe, "a", {fields.SUBSCRIPTION_ID: 1})
    raises(ValueError, session.subscribe, "a\0")
    assert not session.wanted and not session.asked and not session.granted


def test_a_filter_keeps_the_properties_that_it_was_wanted_with(feed):
    peer = Peer(feed)
    asked = {fields.SUBSCRIPTION_ID: 1}
    peer.session.subscribe("a", 1, properties=asked)
    asked[fields.SUBSCRIPTION_ID] = 0
    first = peer.hear()[0][1]
    peer.reconnect(False)
    assert peer.hear()[0][1][2:] == first[2:]


def test_a_lost_session_is_subscribed_again(feed):
    peer = Peer(feed)
    peer.session.subscribe("a")
    peer.say(suback(1, 1))
    peer.hear()
    peer.reconnect(False)
    assert [first for first, _ in peer.hear()] == [0x82]


def test_an_unanswered_or_refused_filter_is_asked_for_in_the_kept_session(feed):
    peer = Peer(feed)
    peer.session.subscribe("a")
    peer.session.subscribe("b")
    peer.session.subscribe("c")
    peer.hear()
    assert peer.say(suback(2, 1) + suback(3, 0x87))[1] == Subscribed(3, (0x87,), "c")
    peer.reconnect(True)
    asked = sorted([body[3:6] for _, body in peer.hear()])
    assert asked == [text("a"), text("c")]


def test_an_unwanted_filter_is_not_asked_for_again(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.subscribe("a")
        peer.say(suback(1, 0, version))
        peer.hear()
        peer.session.unsubscribe("a")
        blank = b"\0" if version == 5 else b""
        assert peer.hear() == [(0xA2, two(2) + blank + text("a"))]
        done = packet(0xB0, two(2), b"\0\0" if version == 5 else b"")
        assert peer.say(done) == [Unsubscribed(2, "a")]
        peer.reconnect(False)
        assert peer.hear() == []


def test_a_filter_given_up_offline_is_given_up_in_the_kept_session(feed):
    peer = Peer(feed)
    peer.session.subscribe("a")
    peer.say(suback(1, 1))
    peer.session.close()
    peer.session.unsubscribe("a")
    peer.reconnect(True)
    ((first, body),) = peer.hear()
    assert first == 0xA2
    peer.say(packet(0xB0, body[:2], b"\0\0"))
    peer.reconnect(True)
    assert peer.hear() == []


def test_a_filter_wanted_again_is_asked_for_until_it_is_granted_again(feed):
    peer = Peer(feed)
    peer.session.subscribe("a")
    peer.say(suback(1, 1))
    peer.session.unsubscribe("a")
    peer.session.subscribe("a")
    peer.hear()
    peer.reconnect(True)
    assert [first for first, _ in peer.hear()] == [0x82]


def test_a_filter_wanted_otherwise_is_asked_for_in_the_kept_session(feed):
    peer = Peer(feed)
    peer.session.subscribe("a", 1)
    peer.say(suback(1, 1))
    peer.hear()
    peer.session.close()
    peer.session.subscribe("a", 2)  # while there is no connection
    peer.reconnect(True)
    assert [body[-1] for _, body in peer.hear()] == [0x0A]
    peer.reconnect(True)  # and was cut before the answer
    assert [body[-1] for _, body in peer.hear()] == [0x0A]
    peer.say(suback(3, 2))
    peer.reconnect(True)
    assert peer.hear() == []


def test_an_unanswered_end_of_a_filter_is_asked_for_in_the_kept_session(feed):
    peer = Peer(feed)
    peer.session.subscribe("a")
    peer.say(suback(1, 1))
    peer.session.unsubscribe("a")
    peer.session.subscribe("b")  # what is asked and not answered may be there as well
    peer.session.close()
    peer.session.unsubscribe("b")
    peer.reconnect(True)
    heard = peer.hear()
    assert sorted((first, body[-1:]) for first, body in heard) == [(0xA2, b"a"), (0xA2, b"b")]
    for _, body in heard:
        assert len(peer.say(packet(0xB0, body[:2], b"\0\0"))) == 1
    peer.reconnect(True)
    assert peer.hear() == []


def test_an_old_answer_grants_nothing_that_was_asked_for_since(feed):
    peer = Peer(feed)
    for call in (peer.session.subscribe, peer.session.unsubscribe, peer.session.subscribe):
        call("a")
    peer.say(suback(1, 1))
    peer.say(packet(0xB0, two(2), b"\0\0"))
    peer.hear()
    peer.reconnect(True)
    assert [first for first, _ in peer.hear()] == [0x82]


def test_answers_that_nobody_asked_for_are_ignored(feed):
    peer = Peer(feed)
    peer.session.subscribe("a")
    peer.hear()
    assert peer.say(suback(9, 1)) == []
    assert peer.say(packet(0xB0, two(1), b"\0\0")) == []  # an UNSUBACK for the SUBSCRIBE
    assert peer.say(suback(1, 1)) == [Subscribed(1, (1,), "a")]
    assert peer.say(suback(1, 1)) == []


# Receiving.


def test_a_message_comes_with_all_that_was_sent_with_it(feed):
    properties = b"\x02\0\0\0\x0a\x08" + text("r/1") + b"\x09" + text("id")
    peer = Peer(feed)
    (event,) = peer.say(publish("a/b", b"\x00\xff", 1, 513, flags=1, properties=properties))
    message = event.message
    assert message.topic == "a/b" and message.payload == b"\x00\xff"
    assert message.qos == 1 and message.retain and message.packet_id == 513
    assert message.properties == {2: 10, 8: "r/1", 9: b"id"}


def test_a_message_of_3_1_1_has_no_properties(feed):
    (event,) = Peer(feed, 4).say(publish("a/b", b"x", version=4))
    assert event.message == ("a/b", b"x", 0, False, 0, None)


def test_qos_1_is_acknowledged_by_its_owner_alone(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        (message,) = messages(peer.say(publish("a", b"1", 1, 7, version)))
        assert peer.hear() == []
        peer.session.acknowledge(message)
        assert peer.hear() == [(0x40, two(7))]
        peer.session.acknowledge(message)
        assert peer.hear() == []


def test_acknowledgements_leave_in_the_order_of_arrival(feed):
    peer = Peer(feed)
    data = publish("a", b"1", 1, 7) + publish("a", b"2", 2, 8) + publish("a", b"3", 1, 9)
    first, second, third = messages(peer.say(data))
    peer.session.acknowledge(third)
    peer.session.acknowledge(second)
    assert peer.hear() == []
    peer.session.acknowledge(first)
    assert peer.hear() == [(0x40, two(7)), (0x50, two(8)), (0x40, two(9))]


def test_a_message_of_an_earlier_connection_is_not_acknowledged(feed):
    peer = Peer(feed)
    (old,) = messages(peer.say(publish("a", b"1", 1, 7)))
    peer.reconnect(True)
    (new,) = messages(peer.say(publish("a", b"1", 1, 7, flags=8)))
    peer.session.acknowledge(old)
    assert peer.hear() == []
    peer.session.acknowledge(new)
    assert peer.hear() == [(0x40, two(7))]


def test_qos_2_is_received_once(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        (message,) = messages(peer.say(publish("a", b"1", 2, 7, version)))
        peer.session.acknowledge(message)
        assert peer.hear() == [(0x50, two(7))]
        assert peer.say(publish("a", b"1", 2, 7, version, flags=8)) == []
        assert peer.hear() == [(0x50, two(7))]
        peer.reconnect(True)
        assert peer.say(publish("a", b"1", 2, 7, version, flags=8)) == []
        assert peer.hear() == [(0x50, two(7))]
        assert peer.say(ack(0x62, 7)) == []
        assert peer.hear() == [(0x70, two(7))]
        assert len(peer.say(publish("a", b"2", 2, 7, version))) == 1


def test_qos_2_is_received_again_when_the_session_was_lost_or_nobody_took_it(feed):
    peer = Peer(feed)
    (message,) = messages(peer.say(publish("a", b"1", 2, 7)))
    peer.reconnect(True)
    (message,) = messages(peer.say(publish("a", b"1", 2, 7, flags=8)))
    peer.session.acknowledge(message)
    peer.reconnect(False)
    assert len(peer.say(publish("a", b"1", 2, 7))) == 1


def test_a_release_of_nothing_is_answered_so_that_it_ends(feed):
    for version, body in ((5, two(7) + b"\x92"), (4, two(7))):
        peer = Peer(feed, version)
        assert peer.say(ack(0x62, 7)) == []
        assert peer.hear() == [(0x70, body)]


def test_a_backlog_above_receive_maximum_is_taken_and_acknowledged_in_order(feed):
    count = 1100 if feed is Whole else 40  # mosquitto queues 1,000 unless told otherwise
    for version in VERSIONS:
        peer = Peer(feed, version, receive_maximum=2)
        (first,) = messages(peer.say(publish("a", b"", 1, 1, version)))
        for packet_id in range(2, count):
            for message in messages(peer.say(publish("a", b"", 1, packet_id, version))):
                peer.session.acknowledge(message)
        assert peer.hear() == []
        peer.session.acknowledge(first)
        assert peer.hear() == [(0x40, two(packet_id)) for packet_id in range(1, count)]


def test_a_full_inbox_still_hears_what_makes_room(feed):
    for version in VERSIONS:
        peer = Peer(feed, version, receive_maximum=1)
        peer.session.publish("a", b"1", 1)
        data = publish("a", b"", 1, 1, version) + publish("a", b"", 1, 2, version)
        events = peer.say(data + ack(0x40, 1))
        assert len(messages(events)) == 2 and events[-1] == Delivered(1, 0)
        assert not peer.session.paused


def flood(peer, payload, qos, take):
    """Say messages without end, `take` for each; the BadMessage, and how many came before it."""
    for packet_id in range(1, 65536):
        try:
            events = peer.say(publish("a", payload, qos, packet_id, peer.version))
        except BadMessage as error:
            return error, packet_id - 1
        for message in messages(events):
            take(message)
    raise AssertionError("65,535 messages were taken")


def test_more_than_the_memory_set_aside_is_an_error(feed):
    for version in VERSIONS:
        for payload in (b"x" * 1000, b""):
            most = 4 * (5000 + OVERHEAD) // (len(payload) + OVERHEAD)
            peer = Peer(feed, version, receive_maximum=4, maximum_packet_bytes=5000)
            error, count = flood(peer, payload, 1, lambda message: None)
            assert error.reason == fields.RECEIVE_MAXIMUM_EXCEEDED
            assert count == most, (count, most)


def test_more_unacknowledged_than_any_broker_queues_is_an_error(feed):
    for qos in (1, 2) if feed is Whole else ():  # one byte at a time shows nothing more
        peer = Peer(feed, receive_maximum=2)
        peer.say(publish("a", b"", 1, 65535))
        error, count = flood(peer, b"", qos, peer.session.acknowledge)
        assert error.reason == fields.RECEIVE_MAXIMUM_EXCEEDED
        # Of QoS 2 each is held twice: as an acknowledgement that waits, and until it is released.
        assert MOST_ENTRIES // qos - 2 < count < MOST_ENTRIES // qos + 1, count


def test_qos_2_that_is_still_with_its_owner_comes_once(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        (message,) = messages(peer.say(publish("a", b"1", 2, 7, version)))
        assert peer.say(publish("a", b"1", 2, 7, version, flags=8)) == []
        assert peer.hear() == []
        peer.session.acknowledge(message)
        assert peer.hear() == [(0x50, two(7))]


def test_a_topic_alias_stands_for_its_topic_on_its_connection(feed):
    peer = Peer(feed, topic_alias_maximum=2)
    alias = b"\x23" + two(2)
    data = publish("a/b", b"1", properties=alias) + publish("", b"2", properties=alias)
    assert [m.topic for m in messages(peer.say(data))] == ["a/b", "a/b"]
    peer.reconnect(True)
    assert peer.say_wrong(publish("", b"3", properties=alias)).reason == fields.PROTOCOL_ERROR
    peer.reconnect(True)
    over = publish("a", b"", properties=b"\x23" + two(3))
    assert peer.say_wrong(over).reason == fields.TOPIC_ALIAS_INVALID


def test_a_packet_that_just_fits_is_taken(feed):
    peer = Peer(feed, maximum_packet_bytes=256)
    fitting = publish("a", b"x" * 249)
    assert len(fitting) == 256
    assert len(messages(peer.say(fitting + fitting))) == 2


def test_an_oversized_packet_runs_through_without_being_held(feed):
    for size in (248, 250, 1000, 5000):
        peer = Peer(feed, 4, maximum_packet_bytes=250)
        data = publish("big", b"x" * size, 0, 0, 4) + publish("a", b"next", 0, 0, 4)
        events = peer.say(data)
        assert events[0] == Oversized(len(data) - 9, "big"), size
        assert [m.payload for m in messages(events)] == [b"next"]


def test_an_oversized_message_of_3_1_1_is_acknowledged_in_its_turn(feed):
    for qos, first in ((1, 0x40), (2, 0x50)):
        peer = Peer(feed, 4, maximum_packet_bytes=128)
        data = publish("a", b"small", 1, 1, 4) + publish("big", b"x" * 500, qos, 2, 4)
        message = messages(peer.say(data))[0]
        assert peer.hear() == []
        peer.session.acknowledge(message)
        assert peer.hear() == [(0x40, two(1)), (first, two(2))]


def test_an_oversized_packet_with_a_topic_longer_than_the_buffer_ends_it(feed):
    peer = Peer(feed, 4, maximum_packet_bytes=128)
    assert peer.say_wrong(publish("t" * 200, b"", 0, 0, 4)).reason == fields.PACKET_TOO_LARGE


def test_256_mb_are_announced_and_nothing_grows(feed):
    peer = Peer(feed, 4, maximum_packet_bytes=128)
    size = 268435455
    assert peer.say(b"\x30\xff\xff\xff\x7f" + text("big") + b"x" * 1000) == [
        Oversized(size + 5, "big")
    ]
    assert len(peer.session.space()) == 128


# Publishing.


def test_a_message_is_published_with_all_its_properties(feed):
    peer = Peer(feed)
    properties = {fields.MESSAGE_EXPIRY: 10, fields.CORRELATION_DATA: b"id"}
    assert peer.session.publish("r/1", b"yes", 1, True, properties) == 1
    body = text("r/1") + two(1) + b"\x0a\x02\0\0\0\x0a\x09" + text("id") + b"yes"
    assert peer.hear() == [(0x33, body)]
    peer = Peer(feed, 4)
    peer.session.publish("r/1", b"yes", 1, True, properties)
    assert peer.hear() == [(0x33, text("r/1") + two(1) + b"yes")]


def test_qos_1_is_delivered_by_its_acknowledgement(feed):
    peer = Peer(feed)
    peer.session.publish("a", b"1", 1)
    peer.session.publish("a", b"2", 1)
    assert peer.say(ack(0x40, 2, 0x10)) == [Delivered(2, 0x10)]
    assert peer.say(ack(0x40, 1)) == [Delivered(1, 0)]
    assert peer.say(ack(0x40, 1)) == []


def test_qos_2_is_delivered_in_four_steps(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.publish("a", b"1", 2)
        peer.hear()
        assert peer.say(ack(0x50, 1)) == []
        assert peer.hear() == [(0x62, two(1))]
        assert peer.say(ack(0x70, 1)) == [Delivered(1, 0)]


def test_every_acknowledgement_may_come_twice(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.publish("a", b"1", 1)
        peer.session.publish("a", b"2", 2)
        peer.hear()
        assert peer.say(ack(0x40, 1) * 2) == [Delivered(1, 0)]
        assert peer.say(ack(0x50, 2) * 2) == []
        assert peer.hear() == [(0x62, two(2))] * 2  # each has an answer, MQTT-4.3.3-4
        assert peer.say(ack(0x70, 2) * 2) == [Delivered(2, 0)]
        assert peer.hear() == []
        (event,) = peer.say(publish("a", b"3", 2, 7, version))
        peer.session.acknowledge(event.message)
        assert peer.say(ack(0x62, 7) * 2) == []
        unknown = two(7) + (b"\x92" if version == 5 else b"")
        assert peer.hear() == [(0x50, two(7)), (0x70, two(7)), (0x70, unknown)]


def test_qos_2_that_the_broker_refuses_is_told(feed):
    peer = Peer(feed)
    peer.session.publish("a", b"1", 2)
    peer.hear()
    assert peer.say(ack(0x50, 1, 0x97)) == [Delivered(1, 0x97)]
    assert peer.hear() == []


def test_an_acknowledgement_of_another_kind_is_an_error(feed):
    for qos, wrong in ((1, 0x50), (1, 0x70), (2, 0x40), (2, 0x70)):
        peer = Peer(feed)
        peer.session.publish("a", b"1", qos)
        assert peer.say_wrong(ack(wrong, 1)).reason == fields.PROTOCOL_ERROR


def test_a_recording_of_nothing_is_released_so_that_it_ends(feed):
    for version, body in ((5, two(9) + b"\x92"), (4, two(9))):
        peer = Peer(feed, version)
        assert peer.say(ack(0x50, 9)) == []
        assert peer.hear() == [(0x62, body)]


def test_the_window_of_the_broker_is_respected(feed):
    peer = Peer(feed, connack_properties=b"\x21" + two(2))
    ids = [peer.session.publish("a", b"%d" % n, 1) for n in range(5)]
    assert [body[3:5] for _, body in peer.hear()] == [two(1), two(2)]
    peer.session.publish("a", b"now", 0)  # QoS 0 does not count
    peer.session.subscribe("b")
    assert [first for first, _ in peer.hear()] == [0x30, 0x82]
    peer.say(ack(0x40, 2))
    assert [body[3:5] for _, body in peer.hear()] == [two(3)]
    peer.say(ack(0x40, 1) + ack(0x40, 3))
    assert [body[3:5] for _, body in peer.hear()] == [two(n) for n in ids[3:]]


def test_a_broker_of_3_1_1_gets_as_many_as_is_set(feed):
    peer = Peer(feed, 4, send_maximum=2)
    for n in range(3):
        peer.session.publish("a", b"%d" % n, 2)
    assert [first for first, _ in peer.hear()] == [0x34, 0x34]
    peer.say(ack(0x50, 1))
    assert [first for first, _ in peer.hear()] == [0x62]
    peer.say(ack(0x70, 1))
    assert [first for first, _ in peer.hear()] == [0x34]


def test_a_full_outbox_refuses_and_counts(feed):
    peer = Peer(feed, outbox_messages=2, outbox_bytes=1000)
    assert peer.session.publish("a", b"x" * 1000, 1) is None
    assert peer.session.publish("a", b"1", 1) and peer.session.publish("a", b"2", 2)
    assert peer.session.publish("a", b"3", 1) is None
    assert peer.session.dropped == 2
    peer.say(ack(0x40, 1))
    assert peer.session.publish("a", b"4", 1) == 3


def test_qos_0_goes_now_or_not_at_all(feed):
    peer = Peer(feed, outbox_bytes=200)
    assert peer.session.publish("a", b"x" * 150) == 0
    assert peer.session.publish("a", b"x" * 150) is None
    assert len(peer.hear()) == 1
    assert peer.session.publish("a", b"x" * 150) == 0
    peer.session.close()
    assert peer.session.publish("a", b"") is None
    assert peer.session.dropped == 2


def test_nobody_can_publish_to_a_filter(feed):
    peer = Peer(feed)
    for topic in ("", "a/+", "#", "a\0b"):
        raises(ValueError, peer.session.publish, topic, b"", 1)
    assert peer.hear() == []


def test_messages_accepted_offline_go_out_in_order_when_connected(feed):
    for version in VERSIONS:
        peer = Peer(feed, version, connected=False)
        for n in range(3):
            assert peer.session.publish("a", b"%d" % n, 1) == n + 1
        peer.reconnect(False)
        assert [body[-1:] for _, body in peer.hear()] == [b"0", b"1", b"2"]


def test_what_is_unacknowledged_is_sent_again_with_dup_in_a_kept_session(feed):
    for version in VERSIONS:
        peer = Peer(feed, version)
        peer.session.publish("a", b"1", 1)
        peer.session.publish("a", b"2", 2)
        peer.session.publish("a", b"3", 2)
        peer.say(ack(0x50, 2))
        peer.hear()
        peer.session.close()
        peer.session.publish("a", b"4", 1)
        peer.reconnect(True)
        heard = peer.hear()
        assert [first for first, _ in heard] == [0x3A, 0x62, 0x3C, 0x32]
        assert [body[3:5] for first, body in heard if first != 0x62] == [two(1), two(3), two(4)]
        assert peer.say(ack(0x40, 1) + ack(0x70, 2)) == [Delivered(1, 0), Delivered(2, 0)]


def test_what_is_unacknowledged_is_new_to_a_broker_that_lost_the_session(feed):
    peer = Peer(feed)
    peer.session.publish("a", b"1", 1)
    peer.session.publish("a", b"2", 2)
    peer.say(ack(0x50, 2))
    peer.hear()
    assert peer.reconnect(False)[1:] == [Delivered(2, 0)]
    assert [first for first, _ in peer.hear()] == [0x32]


def test_a_broker_of_3_1_1_gets_it_again_whatever_it_says_of_the_session(feed):
    peer = Peer(feed, 4)
    peer.session.publish("a", b"1", 1)
    peer.session.publish("a", b"2", 2)
    peer.say(ack(0x50, 2))
    peer.session.publish("a", b"3", 1)
    peer.hear()
    assert peer.reconnect(False)[1:] == []
    again = [first for first, _ in peer.hear()]
    assert again == [0x3A, 0x62, 0x3A]  # MQTT-4.4.0-1 there
    assert peer.say(ack(0x70, 2)) == [Delivered(2, 0)]


def test_a_clean_start_of_3_1_1_repeats_nothing(feed):
    peer = Peer(feed, 4, clean_start=True)
    peer.session.publish("a", b"1", 1)
    peer.session.publish("a", b"2", 2)
    peer.say(ack(0x50, 2))
    peer.hear()
    assert peer.reconnect(False)[1:] == [Delivered(2, 0)]
    assert [first for first, _ in peer.hear()] == [0x32]


def test_a_message_outlives_a_change_of_version(feed):
    peer = Peer(feed, 5)
    peer.session.publish("a", b"1", 1, False, {fields.MESSAGE_EXPIRY: 5})
    peer.hear()
    peer.session.version = peer.version = 4
    peer.reconnect(False)
    assert peer.hear() == [(0x3A, text("a") + two(1) + b"1")]


def test_an_acknowledgement_before_the_message_is_sent_again_is_ignored(feed):
    peer = Peer(feed)
    for n in range(3):
        peer.session.publish("a", b"%d" % n, 1)
    peer.hear()
    peer.reconnect(True, b"\x21" + two(1))  # only the first is under way now
    assert peer.say(ack(0x40, 3) + ack(0x40, 2)) == []
    assert peer.say(ack(0x40, 1)) == [Delivered(1, 0)]
    assert [body[3:5] for _, body in peer.hear()] == [two(1), two(2)]


def test_a_broker_gets_no_more_than_it_can_do(feed):
    peer = Peer(feed, connack_properties=b"\x24\0\x25\0\x27\0\0\0\x20")
    assert peer.session.publish("a", b"1", 1, True)
    assert peer.session.next_event() == Delivered(1, 0)
    assert peer.hear() == [(0x30, text("a") + b"\0" + b"1")]
    peer.session.publish("a", b"x" * 40, 2)
    assert peer.session.next_event() == Delivered(2, fields.PACKET_TOO_LARGE)
    assert peer.session.publish("a", b"x" * 40) is None
    assert peer.hear() == []


def test_a_question_over_the_brokers_maximum_is_not_put(feed):
    peer = Peer(feed, connected=False)
    peer.session.subscribe("x" * 40)
    peer.open()
    limit = b"\x27\0\0\0\x20"
    events = peer.say(connack(properties=limit))
    assert events[1:] == [Subscribed(1, (fields.PACKET_TOO_LARGE,), "x" * 40)]
    peer.session.unsubscribe("x" * 40)
    assert peer.session.next_event() == Unsubscribed(2, "x" * 40)
    peer.session.subscribe("x")
    assert [first for first, _ in peer.hear()] == [0x82]
    peer.reconnect(True, limit)
    assert peer.say(suback(4, 1)) == [Subscribed(4, (1,), "x")]


def test_a_refusal_of_what_was_never_sent_is_not_released(feed):
    peer = Peer(feed)
    peer.say(ack(0x50, 7, 0x80) + ack(0x50, 8, 0x10))
    assert peer.hear() == [(0x62, two(8) + b"\x92")]


def test_packet_identifiers_go_round_and_pass_over_those_in_use(feed):
    peer = Peer(feed)
    peer.session.publish("a", b"stays", 1)
    peer.session.subscribe("b")
    peer.hear()
    for expected in range(3, 32768 + 2) if feed is Whole else ():
        packet_id = peer.session.publish("a", b"", 1)
        assert packet_id == (expected if expected < 32768 else expected - 32765)
        peer.session.outbox.acknowledge(packet_id, 0)
        peer.session.events.clear()
        peer.session.packets.clear()


# Time.


def test_a_silent_connection_is_pinged_and_lives_when_answered(feed):
    peer = Peer(feed, keep_alive_s=10)
    assert peer.session.due == START + 10_000
    assert peer.after(9_999) == []
    assert peer.after(1) == [(0xC0, b"")]
    assert peer.after(4_999) == []
    peer.say(b"\xd0\x00")
    assert peer.after(5_000) == []
    assert peer.after(5_000) == [(0xC0, b"")]


def test_a_missing_answer_ends_the_connection_in_time(feed):
    peer = Peer(feed, keep_alive_s=10)
    peer.after(10_000)
    assert peer.after(4_999) == [] and peer.session.ended is None
    peer.after(1)
    assert peer.session.ended.reason == packets.KEEP_ALIVE_TIMEOUT
    assert peer.now > 2**30


def test_who_only_sends_still_finds_out_that_nobody_is_there(feed):
    peer = Peer(feed, keep_alive_s=10)
    pinged = 0
    while peer.session.ended is None and peer.now < START + 60_000:
        peer.session.publish("a", b"", 0)
        pinged += (0xC0, b"") in peer.after(1_000)
    assert pinged == 1
    assert peer.now == START + 15_000


def test_who_only_listens_still_pings(feed):
    peer = Peer(feed, keep_alive_s=10)
    for _ in range(9):
        peer.say(publish("a", b""))
        assert peer.after(1_000) == []
    peer.say(publish("a", b""))
    assert peer.after(1_000) == [(0xC0, b"")]


def test_without_a_keep_alive_nothing_is_due(feed):
    peer = Peer(feed, keep_alive_s=0)
    assert peer.session.due is None
    assert peer.after(10**9) == []


def test_one_output_holds_everything_that_is_queued(feed):
    peer = Peer(feed)
    (message,) = messages(peer.say(publish("a", b"1", 1, 7)))
    peer.session.acknowledge(message)
    peer.session.publish("b", b"2", 1)
    assert [first for first, _ in peer.hear()] == [0x40, 0x32]
    assert peer.session.output(peer.now) == b""


def test_a_peer_that_asks_and_never_reads_fills_its_own_buffers(feed):
    peer = Peer(feed)
    peer.say(ack(0x62, 7) * 1000)
    assert peer.session.paused
    held = len(peer.hear())
    assert held < 300
