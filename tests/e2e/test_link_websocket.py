"""MQTT over WebSocket with mosquitto's own listener for it, on every interpreter."""

import socket

import pytest
from provision import broker as brokers
from test_link_mosquitto import VERSIONS, Here

from agent.mqtt.events import Disconnected
from agent.mqtt.outbox import Delivered
from agent.mqtt.session import Received, Subscribed
from agent.mqtt.transports import transport


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def port():
    """A mosquitto that listens for WebSockets too."""
    number = free_port()
    lines = ("listener %d 127.0.0.1" % number, "protocol websockets")
    with brokers.start(True, lines) as broker:
        if "without websockets" in broker.log_text():
            pytest.skip("this mosquitto has no WebSockets")
        yield number


class Address:
    def __init__(self, port):
        self.host, self.port = "127.0.0.1", port


@VERSIONS
def test_every_qos_and_size_comes_back(port, version):
    here = Here(Address(port), version)
    here.link.make_transport = transport(None, "/mqtt")
    with here:
        here.link.subscribe("ws/x", 2)
        here.until(Subscribed)
        for qos in (0, 1, 2):
            sent = [b"%d " % n + b"x" * (n * 211 % 3500) for n in range(20)]
            for one in sent:
                here.link.publish("ws/x", one, qos)
            for one in sent:
                message = here.until(Received).message
                assert message.payload == one
                here.link.acknowledge(message)
                if qos:
                    here.until(Delivered)


def test_who_speaks_plain_mqtt_is_told_so(broker):
    here = Here(broker)
    here.link.make_transport = transport(None, "/mqtt")
    with here:
        assert here.until(Disconnected).code in ("lost", "refused")


def test_an_agent_on_every_runtime_is_reached(port, broker, start_device, runtime, tmp_path):
    device = start_device(runtime, mqtt={"port": port, "websocket": "/mqtt"})
    with Here(Address(port)) as watcher:
        watcher.link.make_transport = transport(None, "/mqtt")
        watcher.link.subscribe("limpet/%s/status" % device.name)
        assert b'"online"' in watcher.until(Received).message.payload
