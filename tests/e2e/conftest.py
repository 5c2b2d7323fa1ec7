"""A real broker, real agents on every runtime, and a client that nobody here wrote."""

import json
import queue
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from provision import Unavailable, runtimes
from provision import broker as brokers

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 20  # for anything to happen; only a failing test waits so long


@pytest.fixture(scope="session")
def broker():
    """One mosquitto for all tests that do not harm it."""
    with brokers.start(nodelay=True) as started:
        yield started


@pytest.fixture(params=runtimes.NAMES)
def runtime(request):
    """Each interpreter's name and path; skipped with its reason where it cannot be had."""
    try:
        return runtimes.get(request.param)
    except Unavailable as reason:
        pytest.skip(str(reason))


class Device:
    """An agent in a process of its own."""

    def __init__(self, runtime, broker, folder, **changes):
        self.runtime = runtime
        # The broker keeps a device's session: no two tests may share a name.
        self.name = "%s-%s" % (runtime.name, secrets.token_hex(4))
        values = {
            "device": self.name,
            "data": str(folder / "data"),
            "mqtt": {"port": broker.port, "backoff_first_s": 0.01, "backoff_most_s": 0.05},
            "log": "debug",
        }
        values["mqtt"].update(changes.pop("mqtt", {}))
        self.entry = changes.pop("entry", ["-m", "agent"])
        values.update(changes)
        self.config = folder / "agent.json"
        self.config.write_text(json.dumps(values))
        self.log = folder / "agent.log"
        self.process = None

    def start(self):
        """Start the agent; it comes online by itself."""
        command = [self.runtime.path, *self.entry, "--config", str(self.config)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self):
        """The normal stop: SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def status_kib(self, field):
        """A line of /proc/PID/status, as its number."""
        for line in Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise LookupError(field)


@pytest.fixture
def start_device(broker, tmp_path):
    """`start_device(runtime, **changes of its configuration)`; all are ended after the test."""
    started = []

    def start(runtime, on=broker, **changes):
        folder = tmp_path / ("device%d" % len(started))
        folder.mkdir()
        device = Device(runtime, on, folder, **changes)
        device.start()
        started.append(device)
        return device

    yield start
    for device in started:
        device.kill()
        sys.stdout.write(device.log.read_text(errors="replace"))  # shown where the test failed


def _send_at_once(client, userdata, connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class FieldDevice:
    """pymodbus' server, framed as on a network ("socket") or as on a serial line ("rtu")."""

    def __init__(self, framer, unit):
        command = [sys.executable, str(ROOT / "tests/e2e/modbus_server.py"), framer, str(unit)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Caller:
    """paho-mqtt, with replies and retained topics as they came."""

    def __init__(self, broker, version=5):
        self.replies = queue.Queue()
        self.messages = queue.Queue()
        self.topic = "limpet/reply/caller-%x" % time.monotonic_ns()
        self.version = version
        protocol = paho.MQTTv5 if version == 5 else paho.MQTTv311
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=protocol)
        self.client.on_message = self._take
        self.client.on_socket_open = _send_at_once
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        self._subscribe(self.topic)

    def _subscribe(self, topic):
        done = queue.Queue()
        self.client.on_subscribe = lambda *told: done.put(told)
        self.client.subscribe(topic, 1)
        done.get(timeout=PATIENCE_S)

    def _take(self, client, userdata, message):
        (self.replies if message.topic == self.topic else self.messages).put(message)

    def follow(self, topic):
        """Collect what comes on `topic` in `messages` too."""
        self._subscribe(topic)

    def publish(self, device, payload, retain=False, **properties):
        """Publish raw bytes to the device's call topic, at QoS 1."""
        told = None
        if self.version == 5:
            told = Properties(PacketTypes.PUBLISH)
            for name, value in properties.items():
                setattr(told, name, value)
        topic = "limpet/%s/call" % device.name
        self.client.publish(topic, payload, 1, retain, told).wait_for_publish(PATIENCE_S)

    def call(self, device, method, params=None, **members):
        """Send one request and wait for its response, as a dict."""
        document = {"id": "id-%x" % time.monotonic_ns(), "method": method, "reply": self.topic}
        if params is not None:
            document["params"] = params
        document.update(members)
        self.publish(device, json.dumps(document))
        while True:
            reply = json.loads(self.replies.get(timeout=PATIENCE_S).payload)
            if reply.get("id") == document["id"]:
                return reply

    def wait_for_state(self, device, state):
        """Wait until the device's retained status shows `state`; returns the status."""
        while True:
            message = self.messages.get(timeout=PATIENCE_S)
            if message.topic == "limpet/%s/status" % device.name and message.payload:
                status = json.loads(message.payload)
                if status["state"] == state:
                    return status

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=(5, 4), ids=("mqtt5", "mqtt3.1.1"))
def caller(broker, request):
    """A paho-mqtt client of each version that follows every status."""
    made = Caller(broker, request.param)
    made.follow("limpet/+/status")
    yield made
    made.close()


@pytest.fixture
def caller5(broker):
    """A paho-mqtt client of MQTT 5 that follows every status."""
    made = Caller(broker)
    made.follow("limpet/+/status")
    yield made
    made.close()
