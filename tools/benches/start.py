"""How long an agent takes from its start to `online`, and what it weighs then, beside CPython's.

The time runs from the creation of the process to the arrival of its retained status at another
client of the broker: interpreter, imports, configuration, storage, connection and subscriptions
are all in it. Rounds of all runtimes are interleaved; the figures are medians, the first round
warms the file cache and does not count. Its file is the program with the libraries that it has
mapped, without what it reads of Python.
"""

import json
import queue
import statistics
import tempfile
import time

from fleet import Fleet
from paho.mqtt import client as mqtt
from provision import Unavailable, broker

from benches import processes, subjects
from benches.frame import say
from benches.records import BenchError, Missing, Row, Subject, Target

NAME = "start"
ONLINE_S = 30
PINGS = 20  # round trips of each start
PEERS = ("limpet-cpython",)
RATIO_METRICS = ("online_ms", "rss_kib", "file_kib", "ping_ms")
AGENTS = {
    "limpetd": lambda name: subjects.limpetd(name, "x86-64", 1),
    "limpetd-armhf": lambda name: subjects.limpetd(name, "armhf", 1),
    "limpet-micropython-gil": lambda name: subjects.agent(name, "micropython-gil", 1),
    "limpet-micropython-gil-w0": lambda name: subjects.agent(name, "micropython-gil", 0),
    "limpet-micropython": lambda name: subjects.agent(name, "micropython", 0),
    "limpet-micropython-armhf": lambda name: subjects.agent(name, "micropython-armhf", 0),
    "limpet-cpython": lambda name: subjects.agent(name, "cpython", 1),
}
TARGETS = (
    Target("to online", "limpetd", "online_ms", "<=", 30),
    Target("to online", "limpetd", "rss_kib", "<=", 0.2, "limpet-cpython"),
)


def add_arguments(parser):
    """The bench's own options."""
    parser.add_argument("--rounds", type=int, help="starts of each runtime (10, quick: 2)")


def run(options):
    """Watch, start, stop; yields records as frame.py says."""
    rounds = options.rounds or (2 if options.quick else 10)
    recipes = []
    for name, recipe in AGENTS.items():
        try:
            recipes.append(recipe(name))
            yield Subject(name, recipes[-1].description)
        except Unavailable as error:
            yield Missing(name, str(error))
    times, memory, sizes, pings, missing = measure(recipes, rounds)
    for name, found in times.items():
        yield Row(NAME, "to online", name, "online_ms", round(statistics.median(found), 1), "ms")
        yield Row(NAME, "to online", name, "slowest_ms", round(max(found), 1), "ms")
        yield Row(NAME, "to online", name, "rss_kib", memory[name].rss_kib, "KiB")
        yield Row(NAME, "to online", name, "pss_kib", memory[name].pss_kib, "KiB")
        yield Row(NAME, "to online", name, "file_kib", sizes[name], "KiB")
        yield Row(NAME, "to online", name, "ping_ms", statistics.median(pings[name]), "ms")
    yield from (Missing(name, reason) for name, reason in missing.items())


def measure(recipes, rounds):
    """All rounds: {name: [ms]}, memory once online, KiB of files, [ms] of pings, why missing."""
    times, memory, sizes, pings, missing = {}, {}, {}, {}, {}
    try:
        served = broker.start(nodelay=True)
    except Unavailable as error:
        raise BenchError(str(error)) from None
    with served as running_broker, Watcher(running_broker) as watcher:
        for number in range(rounds + 1):
            say("round %d of %d" % (number, rounds))
            for recipe in recipes:
                if recipe.name in missing:
                    continue
                try:
                    taken, *found = time_start(recipe, running_broker, watcher)
                    memory[recipe.name], sizes[recipe.name], trips = found
                except Unavailable as error:
                    missing[recipe.name] = str(error)
                    continue
                if number:
                    times.setdefault(recipe.name, []).append(taken)
                    pings.setdefault(recipe.name, []).extend(trips)
    return times, memory, sizes, pings, missing


def time_start(recipe, served, watcher):
    """Start one agent in a fresh folder: ms until it is online, its memory, files, ms of pings."""
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
        command = recipe.command(served, folder)
        began = time.monotonic()
        with processes.started(recipe.name, command, folder, subjects.ROOT) as running:
            seen = watcher.await_online(recipe.name, began + ONLINE_S)
            if seen is None:
                raise Unavailable("never online: " + running.explain())
            pid = running.process.pid
            weighs = processes.read_memory(pid), processes.read_mapped(pid)
            return ((seen - began) * 1000, *weighs, ping(recipe.name, served))


def ping(name, served):
    """The ms of round trips of `system.ping`, as the library for technicians sees them."""
    taken = []
    with Fleet(served.url, timeout=ONLINE_S) as fleet:
        for _ in range(PINGS):
            began = time.monotonic()
            fleet.call(name, "system.ping")
            taken.append(round((time.monotonic() - began) * 1000, 2))
    return taken


class Watcher:
    """A client of the broker that notes when a device's status says online."""

    def __init__(self, served):
        self.seen = queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *rest: client.subscribe("limpet/+/status", 1)
        self.client.on_subscribe = lambda *rest: self.seen.put(("", 0))
        self.client.on_message = self.note
        self.client.connect(served.host, served.port)

    def note(self, client, userdata, message):
        """On paho's thread: keep who came online and when."""
        now = time.monotonic()
        state = json.loads(message.payload).get("state") if message.payload else None
        if state == "online" and not message.retain:
            self.seen.put((message.topic.split("/")[1], now))

    def await_online(self, device, deadline):
        """When that device came online (time.monotonic), or None if it did not by the deadline."""
        while True:
            try:
                name, now = self.seen.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if name == device:
                return now

    def __enter__(self):
        self.client.loop_start()
        self.seen.get(timeout=ONLINE_S)
        return self

    def __exit__(self, *error):
        self.client.disconnect()
        self.client.loop_stop()
