"""The same life of a link with brokers of different make: what one make alone cannot show."""

import time

import pytest
from provision import Unavailable, peers
from provision import broker as brokers
from test_link_mosquitto import Here

from agent.mqtt import fields
from agent.mqtt.events import Disconnected, Unsubscribed
from agent.mqtt.outbox import Delivered
from agent.mqtt.packets import Will
from agent.mqtt.session import Connected, Received, Subscribed

MAKES = {
    "mosquitto": (brokers.find, (5, 4)),
    "mosquitto-newer": (peers.newer_mosquitto, (5, 4)),
    "aedes": (peers.aedes, (4,)),
    "ejabberd": (peers.ejabberd, (5, 4)),
}
# What a make does not do, found here; each with what it does instead.
LIMITS = {
    ("ejabberd", "shared"): "ejabberd 23.01 has no shared subscriptions",
}


@pytest.fixture(scope="module", params=MAKES)
def make(request):
    """A broker of each make, started once."""
    get, versions = MAKES[request.param]
    try:
        kind = get()
    except Unavailable as reason:
        pytest.skip("%s: %s" % (request.param, reason))
    with brokers.start(request.param.startswith("mosquitto"), kind=kind) as broker:
        print(kind.description)
        broker.versions = versions
        # ejabberd knows users of a domain only, though any of them may come.
        broker.options = (
            {"username": "me@localhost", "password": "x"} if get is peers.ejabberd else {}
        )
        yield broker


@pytest.fixture(params=(5, 4), ids=("mqtt5", "mqtt3.1.1"))
def version(request, make):
    if request.param not in make.versions:
        pytest.skip("%s speaks no such version" % make.kind.name)
    return request.param


def Link(make, version, **settings):  # noqa: N802 - stands for a class
    """A link to a broker of this make."""
    return Here(make, version, **settings, **make.options)


def topic():
    return "make/%x" % time.monotonic_ns()


def payloads(here, count):
    """What comes next, acknowledged."""
    found = []
    while len(found) < count:
        message = here.until(Received).message
        here.link.acknowledge(message)
        found.append((message.topic, message.payload, message.qos))
    return found


def test_every_qos_comes_back_as_it_left_and_in_order(make, version):
    with Link(make, version) as here:
        name = topic()
        here.link.subscribe(name, 2)
        assert here.until(Subscribed).codes == (2,)
        for qos in (0, 1, 2):
            sent = [b"%d " % number + b"x" * (number * 97 % 3000) for number in range(30)]
            for one in sent:
                assert here.link.publish(name, one, qos) is not None
            assert payloads(here, 30) == [(name, one, qos) for one in sent]
            if qos:
                for _ in sent:
                    assert here.until(Delivered).reason < 0x80


def test_a_session_is_kept_and_gives_what_came_meanwhile(make, version):
    name = topic()
    client = "kept-%x" % time.monotonic_ns()
    with Link(make, version, client_id=client) as here:
        here.link.subscribe(name, 1)
        here.until(Subscribed)
    with Link(make, version) as other:
        other.until(Connected)
        for number in range(5):
            other.link.publish(name, b"%d" % number, 1)
        for _ in range(5):
            other.until(Delivered)
    with Link(make, version, client_id=client) as here:
        assert here.until(Connected).session_present
        assert [one[1] for one in payloads(here, 5)] == [b"%d" % n for n in range(5)]


def test_what_is_not_acknowledged_comes_again(make, version):
    name = topic()
    client = "again-%x" % time.monotonic_ns()
    for qos in (1, 2):
        with Link(make, version, client_id=client) as here:
            here.link.subscribe(name, 2)
            here.until(Subscribed)
            here.link.publish(name, b"once", qos)
            here.until(Received)
            here.until(Delivered)
        with Link(make, version, client_id=client) as here:
            assert payloads(here, 1) == [(name, b"once", qos)]


def test_a_kept_message_greets_who_subscribes_and_an_empty_one_removes_it(make, version):
    name = topic()
    with Link(make, version) as here:
        here.until(Connected)
        here.link.publish(name, b"kept", 1, True)
        here.until(Delivered)
    with Link(make, version) as here:
        here.link.subscribe(name)
        message = here.until(Received).message
        assert message.payload == b"kept" and message.retain
        here.link.publish(name, b"", 1, True)
        here.until(Delivered)
    with Link(make, version) as here:
        here.link.subscribe(name)
        here.until(Subscribed)
        here.link.publish(name, b"first", 1)
        assert here.until(Received).message.payload == b"first"


def test_wildcards_and_an_end_of_them(make, version):
    with Link(make, version) as here:
        name = topic()
        here.link.subscribe(name + "/+/a")
        here.until(Subscribed)
        here.link.publish(name + "/x/b", b"no", 1)
        here.link.publish(name + "/x/a", b"yes", 1)
        assert payloads(here, 1)[0][1] == b"yes"
        here.link.unsubscribe(name + "/+/a")
        here.until(Unsubscribed)
        here.link.subscribe(name + "/#")
        here.until(Subscribed)
        here.link.publish(name + "/x/y/z", b"deep", 1)
        assert payloads(here, 1)[0][1] == b"deep"


def test_the_will_is_told_of_who_falls_silent(make, version):
    name = topic()
    with Link(make, version) as watcher:
        watcher.link.subscribe(name)
        watcher.until(Subscribed)
        fallen = Link(make, version)
        fallen.link.session.will = Will(name, b"gone", 1, False, None)
        fallen.until(Connected)
        fallen.link.transport.close()
        assert payloads(watcher, 1)[0][1] == b"gone"


def test_a_second_client_of_the_name_ends_the_first(make, version):
    client = "twin-%x" % time.monotonic_ns()
    with Link(make, version, client_id=client) as first:
        first.until(Connected)
        with Link(make, version, client_id=client) as second:
            second.until(Connected)
            event = first.until(Disconnected)
            assert event.code in ("dismissed", "lost")


def test_an_idle_link_is_kept(make, version):
    with Link(make, version, keep_alive_s=1) as here:
        here.until(Connected)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            now = here.clock.now()
            here.events += here.link.receive(now)
            here.link.send(now)
            here.link.wait(20)
        assert here.events == [] and here.link.connected


def test_properties_of_5_come_through(make, version):
    if version != 5:
        pytest.skip("3.1.1 has none")
    with Link(make, 5) as here:
        name = topic()
        here.link.subscribe(name)
        here.until(Subscribed)
        sent = {
            fields.RESPONSE_TOPIC: "limpet/reply/x",
            fields.CORRELATION_DATA: b"\x00\xff" * 8,
            fields.MESSAGE_EXPIRY: 60,
            fields.CONTENT_TYPE: "text/plain",
            fields.USER_PROPERTY: [("a", "1"), ("a", "2")],
        }
        here.link.publish(name, b"x", 1, False, sent)
        told = here.until(Received).message.properties
        assert told.pop(fields.MESSAGE_EXPIRY) in (59, 60)
        del sent[fields.MESSAGE_EXPIRY]
        assert {key: told[key] for key in sent} == sent


def test_a_message_brings_the_identifier_of_the_filter_it_met(make, version):
    if version != 5:
        pytest.skip("a matter of MQTT 5")
    name = topic()
    client = "numbered-%x" % time.monotonic_ns()
    asked = {fields.SUBSCRIPTION_ID: 300, fields.USER_PROPERTY: [("who", "me")]}
    with Link(make, version, client_id=client) as here:
        here.link.subscribe(name, 1, properties=asked)
        assert here.until(Subscribed).codes == (1,)
        here.link.publish(name, b"", 1)
        assert here.until(Received).message.properties[fields.SUBSCRIPTION_ID] == [300]
    with Link(make, version, client_id=client) as here:
        assert here.until(Connected).session_present  # what was met before comes again
        assert here.until(Received).message.properties[fields.SUBSCRIPTION_ID] == [300]
        here.link.unsubscribe(name, {fields.USER_PROPERTY: [("why", "gone")]})
        here.until(Unsubscribed)


def test_a_shared_subscription_gives_each_message_to_one(make, version):
    if version != 5:
        pytest.skip("a matter of MQTT 5")
    reason = LIMITS.get((make.kind.name, "shared"))
    if reason:
        pytest.skip(reason)
    name = topic()
    with Link(make, 5) as one, Link(make, 5) as two:
        for here in (one, two):
            here.link.subscribe("$share/group/" + name)
            here.until(Subscribed)
        for number in range(10):
            one.link.publish(name, b"%d" % number, 1)
        came = []
        end = time.monotonic() + 20
        while len(came) < 10 and time.monotonic() < end:
            for here in (one, two):
                now = here.clock.now()
                for event in list(here.events) + list(here.link.receive(now)):
                    if isinstance(event, Received):
                        came.append(event.message.payload)
                        here.link.acknowledge(event.message)
                here.events = []
                here.link.send(now)
                here.link.wait(5)
        assert sorted(came) == [b"%d" % number for number in range(10)]
