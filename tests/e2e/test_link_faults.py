"""The link through a network that fails at every place in turn, to a real broker."""

import os
import sys
import time
from pathlib import Path

import pytest
from provision import broker as brokers
from test_link_mosquitto import VERSIONS, Here

from agent.mqtt.outbox import Delivered
from agent.mqtt.session import Connected, Received

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "faulty"))
from wire import TO_BROKER, TO_CLIENT, Fault, Wire  # noqa: E402 - found through the path above

# Beyond what either side says in `whole_session`, shown by a fault that is no longer met.
MOST_BYTES = 400


def whole_session(broker, version, fault, keep_alive_s):
    """Subscribe, and publish to oneself at QoS 1 and 2, through a fault.

    Returns what was received as a list of (qos, payload), and whether the fault was met.
    """
    with (
        Wire(broker.host, broker.port, [fault]) as wire,
        Here(wire, version, keep_alive_s=keep_alive_s) as here,
    ):
        topic = "fault/%x" % time.monotonic_ns()
        here.link.subscribe(topic, 2)
        here.until(Connected)
        sent = [(qos, b"%d" % number) for number, qos in enumerate((1, 2, 2, 1))]
        for qos, payload in sent:
            here.link.publish(topic, payload, qos)
        received, delivered = [], 0
        while delivered < len(sent) or set(received) < set(sent):
            event = here.until((Received, Delivered))
            if isinstance(event, Delivered):
                delivered += 1
            else:
                received.append((event.message.qos, event.message.payload))
                here.link.acknowledge(event.message)
        return received, wire.met


def check(broker, version, fault, keep_alive_s=2):
    """Nothing is lost; at QoS 2 nothing is doubled."""
    received, met = whole_session(broker, version, fault, keep_alive_s)
    place = (version, fault.kind, fault.direction, fault.after)
    assert {payload for _, payload in received} == {b"0", b"1", b"2", b"3"}, (place, received)
    twice = [payload for qos, payload in received if qos == 2]
    assert sorted(twice) == [b"1", b"2"], (place, received)
    return met


@VERSIONS
@pytest.mark.parametrize("direction", (TO_BROKER, TO_CLIENT), ids=("to-broker", "to-client"))
@pytest.mark.parametrize("kind", ("cut", "reset"))
def test_a_cut_after_any_byte_loses_nothing_and_doubles_no_qos_2(broker, version, direction, kind):
    step = 1 if kind == "cut" or os.environ.get("LIMPET_SIZE") == "full" else 7
    for after in range(0, MOST_BYTES, step):
        if not check(broker, version, Fault(kind, direction, after)):
            assert after > 50
            return
    raise AssertionError("the session is longer than MOST_BYTES")


@VERSIONS
def test_one_byte_at_a_time_changes_nothing(broker, version):
    check(broker, version, Fault(piece=1))


@VERSIONS
def test_packets_that_come_merged_change_nothing(broker, version):
    check(broker, version, Fault("merge"))


@VERSIONS
def test_five_seconds_of_delay_lose_nothing(broker, version):
    """The keep-alive of two seconds ends the connection first; what comes late is void."""
    assert check(broker, version, Fault("delay", TO_CLIENT, 60)) == 1


def test_five_seconds_of_delay_are_waited_out_where_the_keep_alive_is_longer(broker):
    for direction in (TO_BROKER, TO_CLIENT):
        with Wire(broker.host, broker.port, [Fault("delay", direction, 20)]) as wire:
            received = echo_once(wire)
            assert received == b"late" and wire.met == 1 and wire.connections == 1


def echo_once(wire):
    """What comes back of one message, over one connection."""
    with Here(wire, 5, keep_alive_s=20) as here:
        topic = "fault/%x" % time.monotonic_ns()
        here.link.subscribe(topic, 2)
        here.until(Connected)
        here.link.publish(topic, b"late", 2)
        return here.until(Received).message.payload


@VERSIONS
def test_another_broker_behind_the_same_address_gets_all_that_is_owed(broker, version):
    with (
        brokers.start(True) as other,
        Wire(
            broker.host, broker.port, [Fault("cut", TO_CLIENT, 60)], [(other.host, other.port)]
        ) as wire,
        Here(wire, version, keep_alive_s=2) as here,
    ):
        here.link.subscribe("swap", 2)
        sent = {b"%d" % number for number in range(6)}
        for payload in sorted(sent):
            here.link.publish("swap", payload, 1 + int(payload) % 2)
        for _ in sent:
            assert here.until(Delivered).reason < 0x80
        while wire.connections < 2:
            here.events += here.link.receive(here.clock.now())
        # The subscription is there too, so what is published now comes back.
        here.until(Connected, lambda event: not event.session_present and wire.connections == 2)
        here.link.publish("swap", b"end", 1)
        here.until(Received, lambda event: event.message.payload == b"end")


@VERSIONS
def test_a_network_that_stops_is_noticed_and_left(broker, version):
    for direction in (TO_BROKER, TO_CLIENT):
        fault = Fault("stall", direction, 60)
        assert check(broker, version, fault) == 1
