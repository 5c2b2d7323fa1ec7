"""agent/bridge.py: no response is lost to a full outbox, and no call is taken meanwhile."""

from agent.bridge import CHECK_STEPS, Bridge
from agent.mqtt.inbox import Message

CALL = "limpet/pump/call"
RECEIVE_MAXIMUM = 5


class FakeLink:
    """A link whose outbox has `room` places."""

    def __init__(self, room):
        self.room = room
        self.sent = []
        self.acknowledged = []
        self.wanted = []
        self.commits = []  # how many messages were acknowledged before each commit

    def subscribe(self, topic, qos):
        self.wanted.append((topic, qos))

    def publish(self, topic, payload, qos, retain, properties):
        if qos and self.room == 0:
            return None
        self.room -= 1 if qos else 0
        self.sent.append((topic, payload, properties))
        return len(self.sent)

    def acknowledge(self, message):
        self.acknowledged.append(message.packet_id)


def make(room):
    link = FakeLink(room)
    bridge = Bridge(link, [CALL], RECEIVE_MAXIMUM)
    bridge.connect(
        lambda incoming: bridge.answer("r", incoming.payload, incoming.correlation, True),
        lambda incoming: bridge.answer("busy", incoming.payload, incoming.correlation, False),
        lambda: link.commits.append(len(link.acknowledged)),
    )
    return link, bridge


def message(number, qos=1, topic=CALL, properties=None):
    return Message(topic, b"%d" % number, qos, False, number, properties)


def payloads(link):
    return [int(payload) for _, payload, _ in link.sent]


def test_calls_are_wanted_and_answered():
    link, bridge = make(9)
    assert link.wanted == [(CALL, 1)]
    bridge.receive(message(1, properties={9: b"c"}))
    assert link.sent == [("r", b"1", {9: b"c"})] and link.acknowledged == []
    bridge.step()
    assert link.acknowledged == [1]
    bridge.step()
    assert link.acknowledged == [1]


def test_a_message_on_another_topic_is_acknowledged_and_no_call():
    link, bridge = make(9)
    bridge.receive(message(1, topic="limpet/other/call"))
    bridge.step()
    assert link.sent == [] and link.acknowledged == [1]


def test_without_room_calls_wait_unacknowledged_and_in_order():
    link, bridge = make(2)
    for number in range(1, 8):
        bridge.receive(message(number))
    bridge.step()
    # The third was taken before its response found no room; the rest is still the broker's.
    assert payloads(link) == [1, 2] and link.acknowledged == [1, 2, 3]
    bridge.step()
    assert payloads(link) == [1, 2] and link.acknowledged == [1, 2, 3]
    link.room = 2
    bridge.step()
    assert payloads(link) == [1, 2, 3, 4] and link.acknowledged == [1, 2, 3, 4, 5]
    link.room = 99
    bridge.step()
    assert payloads(link) == [1, 2, 3, 4, 5, 6, 7] and link.acknowledged == [1, 2, 3, 4, 5, 6, 7]


def test_calls_of_one_turn_are_committed_to_together_and_acknowledged_after_it():
    link, bridge = make(9)
    for number in (1, 2, 3):
        bridge.receive(message(number))
    assert link.acknowledged == [] and link.commits == []
    bridge.step()
    assert link.commits == [0] and link.acknowledged == [1, 2, 3]


def test_responses_keep_their_order_when_there_is_room_again():
    link, bridge = make(0)
    bridge.answer("r", b"1", None, True)
    link.room = 99
    bridge.answer("r", b"2", None, True)
    assert link.sent == []
    bridge.step()
    assert payloads(link) == [1, 2]


def test_what_comes_above_receive_maximum_is_answered_busy_at_once():
    link, bridge = make(0)
    for number in range(1, 9):  # one is taken, five wait, two are too many
        bridge.receive(message(number))
    bridge.step()
    assert [(topic, payload) for topic, payload, _ in link.sent] == [
        ("busy", b"7"),
        ("busy", b"8"),
    ]
    assert link.acknowledged == [1, 7, 8]
    link.room = 99
    bridge.step()
    assert payloads(link) == [7, 8, 1, 2, 3, 4, 5, 6]


def test_a_call_at_qos_0_is_answered_busy_while_responses_wait():
    link, bridge = make(0)
    bridge.receive(message(1))
    bridge.receive(message(2, qos=0))
    assert link.sent == [("busy", b"2", None)]


def test_after_a_disconnect_the_broker_sends_again_what_waited():
    link, bridge = make(0)
    for number in (1, 2, 3):
        bridge.receive(message(number))
    bridge.disconnected()
    link.room = 99
    bridge.step()
    assert payloads(link) == [1]


def test_a_signed_call_is_acknowledged_when_it_was_checked_and_the_link_has_its_turns():
    link = FakeLink(9)
    bridge = Bridge(link, [CALL], RECEIVE_MAXIMUM)
    accepted = []

    def check(payload):
        for _ in range(3 * CHECK_STEPS):
            yield
        accepted.append(payload)

    def accept(incoming):
        if incoming.payload == b"2":
            return check(incoming.payload)
        accepted.append(incoming.payload)
        return None

    bridge.connect(accept, None, lambda: None)
    for number in (1, 2, 3):
        bridge.receive(message(number))
    turns = 0
    while bridge.step():
        turns += 1
        assert link.acknowledged == [1, 3] and accepted == [b"1", b"3"]
    assert turns == 3 and accepted[-1] == b"2" and link.acknowledged == [1, 3, 2]


def test_calls_to_check_are_bounded_and_wait_in_order():
    link = FakeLink(9)
    bridge = Bridge(link, [CALL], RECEIVE_MAXIMUM)
    accepted = []

    def accept(incoming):
        yield
        accepted.append(int(incoming.payload))

    bridge.connect(accept, lambda incoming: accepted.append(-1), lambda: None)
    for number in range(1, 2 * RECEIVE_MAXIMUM + 3):
        bridge.receive(message(number))
    assert accepted == [-1, -1]
    while bridge.step():
        pass
    assert accepted[2:] == list(range(1, 2 * RECEIVE_MAXIMUM + 1))
    bridge.receive(message(77))
    bridge.disconnected()
    assert not bridge.step() and 77 not in accepted
