"""Cuts, kills and restarts while messages flow each way: none is lost, no QoS 2 comes twice.

    link_kills.py [--messages N] [--cuts N] [--kills N] [--broker-kills N] [--seed N]
                  [--runtime NAME] [--version 5|4]

N numbered messages, every other of QoS 1 and of QoS 2, go from a link that lives through mosquitto
to a device, which echoes each at its QoS; `cuts` times the network between device and broker ends
at a random moment, `kills` times the device gets SIGKILL, `broker-kills` times the broker, which
acknowledges what it has only in memory, so before it is killed its clients are cut off and it is
told to save: what it loses beyond that no client can bring back. Status 1 if anything is missing
or doubled. mosquitto, up to 2.0.21 at least, doubles some itself when two connections in a row, or
two starts, come between its PUBREL and the PUBCOMP: each double must be shown to be of that kind
by what passed on the wire (record.py).
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "faulty"))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
sys.path.insert(0, os.path.join(HERE, "..", ".."))
sys.path.append(os.path.join(HERE, "..", "..", "compat"))

from provision import environment  # noqa: E402 - found through the paths above

environment.enter()

from interpreter import random_bytes  # noqa: E402
from provision import broker as brokers  # noqa: E402
from provision import peers, runtimes  # noqa: E402
from record import Record, judge, story  # noqa: E402
from wire import Wire  # noqa: E402

from agent.clock import Clock  # noqa: E402
from agent.mqtt.backoff import Backoff  # noqa: E402
from agent.mqtt.link import Link  # noqa: E402
from agent.mqtt.session import Received, Session  # noqa: E402
from agent.mqtt.settings import Settings  # noqa: E402

ECHO = os.path.join(HERE, "durable_echo.py")
PATIENCE_S = 20  # without any progress
AHEAD = 400  # messages under way at most
_OPEN_STATES = ("01", "08")  # ESTABLISHED, CLOSE_WAIT
MOSQUITTO = (
    "persistence true",
    "autosave_interval 0",
    "max_queued_messages 0",
    "persistent_client_expiration 1d",
)


class Ledger(threading.Thread):
    """The other side, never killed: what it published, and what came back.

    It is the link under test, without a keeper. paho-mqtt 2.2 was tried: after a lost connection
    it sometimes sends a message of QoS 2 that the broker has released as a new one.
    """

    def __init__(self, port, version, count):
        super().__init__(daemon=True)
        self.count = count
        self.published = 0
        self.came = {}  # number: how often
        self.disordered = 0  # came for the first time after one of its QoS published later
        self.is_ready = threading.Event()  # the device has subscribed
        self.fault = None
        self.ends = False
        self._latest = [-1, -1]
        self._clock = Clock()
        settings = Settings(
            client_id="ledger", version=version, keep_alive_s=20, outbox_messages=400
        )
        backoff = Backoff(random_bytes, 5, 30, 1000, 30)
        self._link = Link(Session(settings), [("127.0.0.1", port)], None, backoff)
        self._link.subscribe("kill/out", 2)
        self._link.subscribe("kill/ready", 1)

    def run(self):
        link = self._link
        try:
            while not self.ends:
                for event in link.receive(self._clock.now()):
                    if isinstance(event, Received):
                        self._take(event.message)
                        link.acknowledge(event.message)
                if self.is_ready.is_set():
                    self._publish()
                link.send(self._clock.now())
                link.wait(5)
            link.close(self._clock.now())
        except Exception as error:  # noqa: BLE001 - a thread's loop: told by the main thread
            self.fault = repr(error)

    def _take(self, message):
        if message.topic == "kill/ready":
            self.is_ready.set()
            return
        number = int(message.payload.split()[0])
        self.came[number] = self.came.get(number, 0) + 1
        if self.came[number] == 1:
            self.disordered += number < self._latest[number % 2]
            self._latest[number % 2] = max(number, self._latest[number % 2])

    def _publish(self):
        """As many as may be under way."""
        while self.published < min(self.count, len(self.came) + AHEAD):
            number = self.published
            payload = b"%d " % number + b"x" * (number % 50)
            if self._link.publish("kill/in", payload, 1 + number % 2) is None:
                return
            self.published += 1

    def faults(self):
        """Missing numbers, and those of QoS 2 that came more than once."""
        missing = [number for number in range(self.count) if number not in self.came]
        return missing, [n for n, times in self.came.items() if n % 2 and times > 1]


class Device:
    """The echo, in a process of its own."""

    def __init__(self, path, port, version, folder):
        self._command = [path, ECHO, str(port), str(version), folder]
        self.log = open(os.path.join(folder, "log"), "ab")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )

    def kill(self):
        self.process.kill()
        self.process.wait()


class Scene:
    """Broker, wires and device, and what befalls them."""

    def __init__(self, options, folder):
        self.random = random.Random(options.seed)
        kind = peers.newer_mosquitto() if options.newer else None
        self.broker = brokers.start(True, MOSQUITTO, kind)
        self.records = [Record() for _ in range(2)]  # of the device, of the ledger
        self.wires = [
            Wire(self.broker.host, self.broker.port, tap=record.tap) for record in self.records
        ]
        self.ledger = Ledger(self.wires[1].port, options.version, options.messages)
        self.ledger.start()
        path = runtimes.get(options.runtime).path
        self.device = Device(path, self.wires[0].port, options.version, folder)

    def close(self):
        if self.device.process.poll() is None:
            self.device.kill()
        self.ledger.ends = True
        self.ledger.join()
        for wire in self.wires:
            wire.__exit__()
        self.broker.close()

    def cut(self):
        self.wires[0].cut(self.random.random() < 0.5)

    def kill(self):
        self.device.kill()
        self.device.start()

    def kill_broker(self):
        """Its clients are cut off, it saves, it is killed, it comes back."""
        for wire in self.wires:
            wire.down = True
        self._wait(self._is_alone, "the broker to see its clients off")
        saved = self._database()
        os.kill(self.broker.pid, signal.SIGUSR1)
        # It writes another file and renames it.
        self._wait(lambda: self._database() != saved, "the broker to save")
        self.broker.kill()
        self.broker.restart()
        for wire in self.wires:
            wire.down = False

    def _is_alone(self):
        """Cut the clients off; whether the broker has closed every socket there was."""
        for wire in self.wires:
            wire.cut()  # again and again: one may have been coming through
        end = ":%04X" % self.broker.port
        with open("/proc/net/tcp") as file:
            lines = [line.split() for line in file][1:]
        return not any(line[1].endswith(end) and line[3] in _OPEN_STATES for line in lines)

    def _database(self):
        path = os.path.join(os.path.dirname(self.broker.log), "mosquitto.db")
        return os.stat(path).st_ino if os.path.exists(path) else None

    def _wait(self, condition, what):
        end = time.monotonic() + 20
        while not condition():
            if time.monotonic() > end:
                print("gave up waiting for", what)
                return
            time.sleep(0.01)


def account(twice, records):
    """Of the numbers that came twice those that are not seen to be the broker's doing."""
    ours = []
    for number in sorted(twice):
        is_brokers, seen = judge(number, *records)
        print("%d came twice: %s" % (number, seen))
        if not is_brokers:
            ours.append(number)
    if twice:
        count = len(twice) - len(ours)
        print("%d of QoS 2 came twice because mosquitto sent them again after PUBREL" % count)
    return ours


def run(options, folder):
    scene = Scene(options, folder)
    ledger = scene.ledger
    try:
        if not ledger.is_ready.wait(PATIENCE_S):
            print("the device does not come up")
        faults = [scene.cut] * options.cuts
        faults += [scene.kill] * options.kills + [scene.kill_broker] * options.broker_kills
        scene.random.shuffle(faults)
        total = len(faults) + 1
        moved = time.monotonic()
        seen = -1
        while len(ledger.came) < options.messages:
            while faults and len(ledger.came) >= (total - len(faults)) * options.messages // total:
                time.sleep(scene.random.random() * 0.03)
                faults.pop()()
            if len(ledger.came) != seen:
                seen, moved = len(ledger.came), time.monotonic()
            has_ended = scene.device.process.poll() is not None or ledger.fault
            if time.monotonic() - moved > PATIENCE_S or has_ended:
                break
            time.sleep(0.002)
        while faults:  # more faults than messages
            faults.pop()()
        time.sleep(1)  # for what might still come twice
        if ledger.fault:
            print("the ledger fell:", ledger.fault)
        print("%d came out of order" % ledger.disordered)
        missing, twice = ledger.faults()
        for number in missing[:9]:
            print("%d is missing:" % number, *story(number, *scene.records), sep="\n")
        return (missing, account(twice, scene.records)), scene.device.process.poll()
    finally:
        with contextlib.suppress(OSError):
            scene.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("messages", 1500), ("cuts", 40), ("kills", 8), ("broker-kills", 3)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--runtime", default="micropython-gil")
    parser.add_argument("--version", type=int, choices=(4, 5), default=5)
    parser.add_argument("--newer", action="store_true", help="mosquitto of a newer generation")
    options = parser.parse_args()
    words = (options.seed, options.runtime, options.version, options.messages)
    print("seed %d, %s, MQTT level %d, %d messages each way" % words)
    with tempfile.TemporaryDirectory(prefix="limpet-kills-") as folder:
        begun = time.monotonic()
        (missing, twice), status = run(options, folder)
        with open(os.path.join(folder, "log"), errors="replace") as file:
            said = file.read()
    ledger = (options.cuts, options.kills, options.broker_kills, time.monotonic() - begun)
    print("%d cuts, %d kills, %d kills of the broker in %.0f s" % ledger)
    print(
        "%d missing %r, %d of QoS 2 twice %r" % (len(missing), missing[:9], len(twice), twice[:9])
    )
    if said or status is not None:
        print("the device said:", said[-2000:], status)
    return 1 if missing or twice or said else 0


if __name__ == "__main__":
    sys.exit(main())
