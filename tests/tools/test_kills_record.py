"""tests/kills/record.py: who repeats a message of QoS 2 after its release is named, no other."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "kills"), str(TESTS)]

from mqtt_peer import connack, packet, publish, text, two  # noqa: E402 - found through the path above
from record import TO_BROKER, TO_CLIENT, Record, judge  # noqa: E402


def message(number, packet_id, version, flags=0):
    return publish("kill/in", b"%d xyz" % number, 2, packet_id, version, flags)


def pubrel(packet_id):
    return packet(0x62, two(packet_id))


@pytest.fixture(params=(5, 4))
def scene(request):
    """(version, record of the device, record of the ledger)"""
    records = Record(), Record()
    for record in records:
        for connection in range(2):
            record.tap(connection, TO_BROKER, packet(0x10, text("MQTT"), bytes((request.param,))))
    return request.param, *records


def test_a_repetition_before_the_release_is_nobodys_fault(scene):
    version, device, ledger = scene
    device.tap(0, TO_CLIENT, connack(version) + message(7, 1, version))
    device.tap(1, TO_CLIENT, connack(version, True) + message(7, 1, version, 8) + pubrel(1))
    assert judge(7, device, ledger) == (False, "nobody is seen to have repeated it")


@pytest.mark.parametrize("whose", ("device", "ledger"))
def test_a_broker_that_publishes_after_its_release_is_seen(scene, whose):
    version, device, ledger = scene
    record = device if whose == "device" else ledger
    for byte in message(7, 9, version) + pubrel(9):  # however the bytes come
        record.tap(0, TO_CLIENT, bytes((byte,)))
    record.tap(1, TO_CLIENT, message(7, 9, version, 8))
    is_brokers, seen = judge(7, device, ledger)
    assert is_brokers and "to the %s: PUBREL 9, then PUBLISH 9 with DUP 1" % whose == seen
    assert judge(8, device, ledger)[0] is False


def test_an_identifier_that_is_used_again_is_no_repetition(scene):
    version, device, ledger = scene
    device.tap(0, TO_CLIENT, message(7, 9, version) + pubrel(9) + message(8, 9, version))
    assert judge(7, device, ledger)[0] is False and judge(8, device, ledger)[0] is False


@pytest.mark.parametrize("whose", ("device", "ledger"))
def test_a_client_that_repeats_is_not_excused_by_its_broker(scene, whose):
    version, device, ledger = scene
    record = device if whose == "device" else ledger
    record.tap(0, TO_BROKER, message(7, 1, version) + pubrel(1) + message(7, 1, version, 8))
    ledger.tap(0, TO_CLIENT, message(7, 9, version) + pubrel(9) + message(7, 9, version, 8))
    assert judge(7, device, ledger)[0] is False


def test_a_message_sent_as_new_under_two_identifiers_is_its_senders(scene):
    version, device, ledger = scene
    device.tap(0, TO_BROKER, message(7, 1, version) + message(7, 2, version))
    is_brokers, seen = judge(7, device, ledger)
    assert not is_brokers and seen.startswith("the device")
