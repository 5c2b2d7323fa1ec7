"""The link with a real broker: mosquitto, and paho-mqtt on the other side of it."""

import queue
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from provision import broker as brokers
from provision import runtimes

from agent.clock import Clock
from agent.mqtt import fields
from agent.mqtt.backoff import Backoff
from agent.mqtt.events import Disconnected, Oversized
from agent.mqtt.link import Link
from agent.mqtt.outbox import Delivered
from agent.mqtt.session import Connected, Received, Session, Subscribed
from agent.mqtt.settings import Settings

ECHO = Path(__file__).with_name("link_echo.py")
PATIENCE_S = 20
VERSIONS = pytest.mark.parametrize("version", (5, 4), ids=("mqtt5", "mqtt3.1.1"))


class Other:
    """paho-mqtt on the other side, with what came in a queue."""

    def __init__(self, broker, topic, qos=2):
        self.messages = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.on_message = lambda client, userdata, message: self.messages.put(message)
        ready = queue.Queue()
        options = SubscribeOptions(qos, retainAsPublished=True)
        self.client.on_connect = lambda *told: self.client.subscribe(topic, options=options)
        self.client.on_subscribe = lambda *told: ready.put(told)
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        ready.get(timeout=PATIENCE_S)

    def publish(self, topic, payload, qos=1, retain=False, **properties):
        told = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(told, name, value)
        self.client.publish(topic, payload, qos, retain, told)

    def get(self):
        return self.messages.get(timeout=PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.client.disconnect()
        self.client.loop_stop()


class Here:
    """A link in this process, driven until something has happened."""

    def __init__(self, broker, version=5, **settings):
        self.clock = Clock()
        name = "here-%x" % time.monotonic_ns()  # the broker keeps sessions by it
        chosen = {"client_id": name, "version": version, "keep_alive_s": 5}
        chosen.update(settings)
        backoff = Backoff(lambda count: b"\x80" * count, 10, 50)
        self.link = Link(Session(Settings(**chosen)), [(broker.host, broker.port)], None, backoff)
        self.events = []

    def until(self, kind, accept=lambda event: True):
        """The first event of this kind, since the last one taken."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for index, event in enumerate(self.events):
                if isinstance(event, kind) and accept(event):
                    return self.events.pop(index)
            now = self.clock.now()
            self.events += self.link.receive(now)
            self.link.send(now)
            if not self.events:
                self.link.wait(20)
        raise AssertionError("no %s, but %r" % (kind, self.events))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.link.close(self.clock.now())


@VERSIONS
def test_every_runtime_echoes_at_every_qos(runtime, version):
    with brokers.start() as broker, Other(broker, "echo/#") as other:
        device = subprocess.Popen([runtime.path, str(ECHO), str(broker.port), str(version)])
        try:
            here = other.get()
            assert (here.topic, here.payload, here.retain) == ("echo/here", b"%d" % version, True)
            payloads = [
                b"%d " % n + b"x" * size for n, size in enumerate((0, 100, 1000, 3000) * 8)
            ]
            for qos in (0, 1, 2):
                for payload in payloads:
                    other.publish("echo/in", payload, qos)
                back = []
                while len(back) < len(payloads):
                    message = other.get()
                    if message.topic == "echo/out":
                        assert message.qos == qos
                        back.append(message.payload)
                assert back == payloads, qos
            other.publish("echo/in", b"stop")
            assert device.wait(PATIENCE_S) == 0
            other.publish("echo/end", b"")
            topics = [other.get().topic]
            while topics[-1] != "echo/end":
                topics.append(other.get().topic)
            assert "echo/gone" not in topics  # no will after a goodbye
        finally:
            device.kill()
            device.wait()


def test_every_runtime_leaves_its_will_and_comes_back_to_a_broker_killed(runtime):
    with brokers.start() as broker, Other(broker, "echo/#") as other:
        device = subprocess.Popen([runtime.path, str(ECHO), str(broker.port), "5"])
        try:
            other.get()
            broker.kill()
            broker.restart()
            while other.get().topic != "echo/here":
                pass
            other.publish("echo/in", b"again")  # the subscription was made again
            while other.get().payload != b"again":
                pass
            device.kill()
            while other.get().topic != "echo/gone":
                pass
        finally:
            device.kill()
            device.wait()


def test_properties_pass_both_ways(broker):
    with Other(broker, "props/out") as other, Here(broker) as here:
        here.link.subscribe("props/in")
        here.until(Subscribed)
        correlation = b"\x00\xff id"
        other.publish(
            "props/in",
            b"?",
            ResponseTopic="limpet/reply/x",
            CorrelationData=correlation,
            MessageExpiryInterval=60,
            UserProperty=("k", "v"),
        )
        told = here.until(Received).message.properties
        assert told[fields.RESPONSE_TOPIC] == "limpet/reply/x"
        assert told[fields.CORRELATION_DATA] == correlation
        assert told[fields.MESSAGE_EXPIRY] in (59, 60)
        assert told[fields.USER_PROPERTY] == [("k", "v")]
        here.link.publish("props/out", b"!", 1, False, told)
        here.until(Delivered)
        back = other.get().properties
        assert back.ResponseTopic == "limpet/reply/x" and back.CorrelationData == correlation
        assert back.UserProperty == [("k", "v")]


def test_a_kept_message_shows_it_also_when_it_is_new(broker):
    with Other(broker, "kept/none") as other, Here(broker) as here:
        here.link.subscribe("kept/#")
        here.until(Subscribed)
        other.publish("kept/a", b"live, kept", 1, True)
        assert here.until(Received).message.retain
        other.publish("kept/a", b"live", 1)
        assert not here.until(Received).message.retain


@VERSIONS
def test_what_the_owner_has_not_acknowledged_comes_again(broker, version):
    name = "forgetful%d" % version
    with Other(broker, "x") as other:
        with Here(broker, version, client_id=name) as here:
            here.link.subscribe("again/%d" % version)
            here.until(Subscribed)
            other.publish("again/%d" % version, b"once")
            here.until(Received)
        with Here(broker, version, client_id=name) as here:
            assert here.until(Connected).session_present
            message = here.until(Received).message
            assert message.payload == b"once"
            here.link.acknowledge(message)
            here.link.send(here.clock.now())
        with Here(broker, version, client_id=name) as here:
            here.until(Connected)
            here.link.subscribe("again/end")
            here.until(Subscribed)
            other.publish("again/end", b"end")
            assert here.until(Received).message.payload == b"end"


@VERSIONS
@pytest.mark.parametrize("qos", (1, 2))
def test_hundreds_of_messages_pass_a_small_window_in_order(version, qos):
    lines = ("max_inflight_messages 3",)  # of QoS 2 it drops what is over this, on 3.1.1
    with (
        brokers.start(True, lines) as broker,
        Other(broker, "many") as other,
        Here(broker, version, send_maximum=3) as here,
    ):
        here.until(Connected)
        for number in range(300):
            while here.link.publish("many", b"%d" % number, qos) is None:
                here.until(Delivered)
        here.until(Delivered, lambda event: event.packet_id == 300)
        assert [int(other.get().payload) for _ in range(300)] == list(range(300))


def test_an_oversized_message_of_3_1_1_is_told_and_gone(broker):
    with Other(broker, "x") as other, Here(broker, 4, maximum_packet_bytes=256) as here:
        here.link.subscribe("big")
        here.until(Subscribed)
        other.publish("big", b"x" * 100_000)
        other.publish("big", b"small")
        assert here.until(Oversized).topic == "big"
        assert here.until(Received).message.payload == b"small"


def test_a_broker_that_lets_nobody_in_is_told_and_asked_slowly():
    with brokers.start(extra_lines=("allow_anonymous false",)) as broker, Here(broker) as here:
        event = here.until(Disconnected)
        assert event.code == "rejected" and "0x87" in event.reason
        assert event.retry_in_ms == 50  # the longest that is configured here


def test_an_idle_connection_is_kept_by_pings():
    with brokers.start(False, ("log_type all",)) as broker, Here(broker, keep_alive_s=1) as here:
        here.until(Connected)
        end = time.monotonic() + 4  # mosquitto looks for dead clients; 1.5 times the keep-alive
        while time.monotonic() < end:
            now = here.clock.now()
            here.events += here.link.receive(now)
            here.link.send(now)
            here.link.wait(max(0, here.link.due - here.clock.now()))
        assert here.events == []
        assert 3 <= broker.log_text().count("Received PINGREQ") <= 5


def test_the_agent_turns_to_the_next_broker(start_device, caller5, broker):
    with brokers.start() as first:
        other = {"host": broker.host, "port": broker.port}
        device = start_device(runtimes.get("cpython"), on=first, mqtt={"fallbacks": [other]})
        end = time.monotonic() + PATIENCE_S
        while "connected to" not in device.log.read_text() and time.monotonic() < end:
            time.sleep(0.02)
        first.kill()
        caller5.wait_for_state(device, "online")
        assert caller5.call(device, "system.ping")["result"] == {}
