"""The broker on loopback comes up, is found, is killed and started again, and is always ended."""

import os
import threading

import paho.mqtt.client as paho
import pytest
from provision import Unavailable, broker

PATIENCE_S = 20


@pytest.fixture(scope="module")
def kind():
    found = broker.find()
    if found.name != "mosquitto":
        pytest.skip("these need mosquitto, there is " + found.description)
    return found


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def connect(served):
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect(served.host, served.port)
    client.loop_start()
    return client


def keep(served, payload):
    """Leave a retained message with the broker."""
    client = connect(served)
    client.publish("kept", payload, 1, retain=True).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def kept(served):
    """The retained message, or None: a message of our own, sent last, ends the waiting."""
    met, done = [], threading.Event()

    def take(client, userdata, message):
        if message.topic == "end":
            done.set()
        else:
            met.append(message.payload)

    client = connect(served)
    client.on_message = take
    client.on_subscribe = lambda *told: client.publish("end", b"", 1)
    client.subscribe([("kept", 1), ("end", 1)])
    assert done.wait(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
    return met[0] if met else None


def test_a_client_is_served_as_soon_as_start_returns(kind):
    with broker.start(kind=kind) as served:
        assert served.url == "mqtt://127.0.0.1:%d" % served.port
        keep(served, b"hello")
        assert kept(served) == b"hello"
        assert "running" in served.log_text()


def test_two_brokers_have_ports_of_their_own(kind):
    with broker.start(kind=kind) as one, broker.start(kind=kind) as other:
        assert one.port != other.port


def test_the_block_ends_the_process_and_removes_its_files(kind):
    with pytest.raises(RuntimeError), broker.start(kind=kind) as served:
        pid = served.pid
        assert is_running(pid)
        raise RuntimeError("the test of somebody fails")
    assert not is_running(pid)
    assert served.pid is None
    assert not os.path.exists(served.log)


def test_after_a_kill_it_starts_again_on_the_same_port_without_a_memory(kind):
    with broker.start(kind=kind) as served:
        port, pid = served.port, served.pid
        keep(served, b"hello")
        served.kill()
        assert served.pid is None and not is_running(pid)
        served.restart()
        assert served.port == port and served.pid != pid
        assert kept(served) is None


def test_with_persistence_asked_for_a_stop_keeps_what_it_held(kind):
    with broker.start(kind=kind, extra_lines=["persistence true"]) as served:
        keep(served, b"hello")
        served.restart()
        assert kept(served) == b"hello"


def test_a_line_it_does_not_understand_is_told_with_the_brokers_own_words(kind):
    with pytest.raises(Unavailable) as caught:
        broker.start(kind=kind, extra_lines=["no_such_setting true"])
    text = str(caught.value)
    assert text.startswith("the broker mosquitto ended at once; its log says\n")
    assert "no_such_setting" in text


def test_a_port_that_another_takes_first_is_left_for_a_free_one(kind, monkeypatch):
    with broker.start(kind=kind) as first:
        free = broker._free_port()
        ports = [first.port, free]
        monkeypatch.setattr(broker, "_free_port", lambda: ports.pop(0))
        with broker.start(kind=kind) as second:
            assert second.port == free
        assert first.pid is not None


def test_the_configuration_says_nodelay_and_lets_extra_lines_win():
    text = broker.mosquitto_config(1883, True, ["allow_anonymous false"], "/f")
    assert "listener 1883 127.0.0.1\n" in text
    assert "set_tcp_nodelay true\n" in text
    assert "persistence false\n" in text
    assert "allow_anonymous true" not in text and "allow_anonymous false\n" in text
    assert "set_tcp_nodelay false\n" in broker.mosquitto_config(1883, False, [], "/f")


def test_amqtt_refuses_settings_that_it_does_not_have():
    with pytest.raises(Unavailable, match="amqtt cannot do what mosquitto's max_qos 1 does"):
        broker.amqtt_config(1883, False, ["max_qos 1"], "/f")


def test_every_way_to_a_broker_is_tried_and_its_reason_told(monkeypatch, tmp_path):
    def refuse(*asked):
        raise Unavailable("not Debian")

    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path))
    monkeypatch.setattr(broker.shutil, "which", lambda *asked, **more: None)
    monkeypatch.setattr(broker.debian.Archive, "unpack", refuse)
    monkeypatch.setattr(broker.environment, "make", refuse)
    with pytest.raises(Unavailable) as caught:
        broker.find()
    assert str(caught.value) == (
        "no MQTT broker can be had: mosquitto is not installed; not Debian; not Debian"
    )
