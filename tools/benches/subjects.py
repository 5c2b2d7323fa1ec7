"""The subjects of the benches over MQTT: our agent on its runtimes, and the echo peers.

The one rule: each is started by its own plain command line, ours by `-m agent --config FILE` as
any user's. A subject that cannot be had raises `provision.Unavailable` with the reason.
"""

import importlib.metadata
import json
import os
import subprocess
from collections.abc import Callable
from typing import NamedTuple

from firmwares import linux, targets
from provision import broker, package, runtimes

from benches import programs
from benches.records import Subject

ROOT = os.path.dirname(os.path.dirname(programs.HERE))
COMMANDS = os.path.join(programs.HERE, "peers", "agent_commands.py")
PEERS_FOLDER = os.path.join(programs.HERE, "peers")


class Recipe(NamedTuple):
    """How to start a subject. `expect` is what the driver takes for an answer: result or echo.

    `command(broker, folder)` gives the command line; it may write files into the folder.
    """

    name: str
    description: str
    expect: str
    command: Callable
    environment: dict

    @property
    def call(self):
        """The topic of the requests to it."""
        return "limpet/%s/call" % self.name

    @property
    def reply(self):
        """The topic of its answers."""
        return "limpet/reply/%s" % self.name


def describe_runtime(runtime):
    """An interpreter in words: name, version, thread safety, where it comes from."""
    return "%s %s, threads %s, %s" % (
        "CPython" if runtime.name == "cpython" else "MicroPython",
        runtime.version,
        runtime.threads,
        runtime.origin,
    )


def describe_broker(kind=None):
    """The broker that will be used, as a Subject; raises `provision.Unavailable`."""
    kind = kind or broker.find()
    return Subject("broker", ", ".join(filter(None, (kind.name, kind.version, kind.limits))))


# Commands that a device of the bench remembers at most: more than it is asked, so that none is
# refused as `busy`.
JOURNAL = {"entries": 20000, "kib": 16384}


def agent(name, runtime, workers, entry=None):
    """The agent on that runtime with so many workers; `entry` is a file in place of its own."""
    found = runtimes.get(runtime)

    def command(served, folder):
        words = [entry] if entry else ["-m", "agent"]
        return [found.path, *words, "--config", _configure(name, workers, served, folder)]

    description = "the agent, workers %s, on %s" % (workers, describe_runtime(found))
    return Recipe(name, description, "result", command, {})


def limpetd(name, target, workers, tls=True):
    """The agent in its single file for `target`, under qemu-user where that is another machine."""
    path = linux.program(target, tls)
    emulator = targets.TARGETS[target].emulator
    words = package.emulator("qemu-user-static", emulator) if emulator else []

    def command(served, folder):
        return [*words, path, "--config", _configure(name, workers, served, folder)]

    size = os.path.getsize(path)
    how = ", emulated" if emulator else ""
    description = "limpetd for %s%s, %d bytes, workers %s" % (target, how, size, workers)
    return Recipe(name, description, "result", command, {})


def _configure(name, workers, served, folder):
    """Write the agent's configuration into `folder`; returns its path."""
    path = os.path.join(folder, name + ".json")
    data = os.path.join(folder, name + ".data")
    os.makedirs(data, exist_ok=True)
    settings = {"host": served.host, "port": served.port}
    with open(path, "w") as file:
        words = {"device": name, "mqtt": settings, "workers": workers, "data": data}
        json.dump(dict(words, journal=JOURNAL), file)
    return path


def peer(name, description, command, words=(), environment=None):
    """An echo peer: a command that takes HOST PORT CALL REPLY and what more is given."""

    def complete(served, folder):
        topics = [recipe.call, recipe.reply]
        return [*command, served.host, str(served.port), *topics, *words]

    recipe = Recipe(name, description, "echo", complete, environment or {})
    return recipe


def link(name, runtime, *words):
    """Our link alone, without the rest of the agent, as an echo peer on that runtime.

    `words` are those of peers/echo_link.py behind its topics: the QoS, and a folder that makes it
    durable.
    """
    found = runtimes.get(runtime)
    command = [found.path, os.path.join(PEERS_FOLDER, "echo_link.py")]
    durable = ", its messages durable" if len(words) > 1 else ""
    description = "agent/mqtt/link.py on %s%s" % (describe_runtime(found), durable)
    return peer(name, description, command, words)


def umqtt(name, *words):
    """umqtt.simple on the same MicroPython as our agent."""
    found = runtimes.get("micropython-gil")
    environment = {"MICROPYPATH": ".frozen:" + programs.fetch_umqtt()}
    description = "%s on %s" % (programs.UMQTT, describe_runtime(found))
    command = [found.path, os.path.join(PEERS_FOLDER, "echo_umqtt.py")]
    return peer(name, description, command, words, environment)


def paho(name, *words):
    """paho-mqtt on this CPython."""
    found = runtimes.get("cpython")
    versions = (importlib.metadata.version("paho-mqtt"), describe_runtime(found))
    command = [found.path, os.path.join(PEERS_FOLDER, "echo_paho.py")]
    return peer(name, "paho-mqtt %s on %s" % versions, command, words)


def libmosquitto(name, *words):
    """The C library of the mosquitto project."""
    program = programs.build_libmosquitto_echo()
    version = subprocess.run([program], capture_output=True, text=True).stdout.strip()
    description = "libmosquitto %s in C, TCP_NODELAY by its option" % version
    return peer(name, description, [program], words)
