"""The subjects of the benches over MQTT: our agent on its runtimes, and the echo peers.

The one rule: each is started by its own plain command line, ours by `-m agent --config FILE` as
any user's. A subject that cannot be had raises `provision.Unavailable` with the reason.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from provision import runtimes

from benches import programs

ROOT = os.path.dirname(os.path.dirname(programs.HERE))
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


def ask_version(interpreter):
    """What an interpreter calls itself, in one line."""
    command = [interpreter, "-c", "import sys; print(sys.version)"]
    done = subprocess.run(command, capture_output=True, text=True)
    return " ".join(done.stdout.split()) or "version unknown"


def agent(name, runtime, workers):
    """The agent on that runtime with so many workers."""
    interpreter = runtimes.path(runtime)

    def command(broker, folder):
        path = os.path.join(folder, name + ".json")
        data = os.path.join(folder, name + ".data")
        os.makedirs(data, exist_ok=True)
        settings = {"host": broker.host, "port": broker.port}
        with open(path, "w") as file:
            json.dump({"device": name, "mqtt": settings, "workers": workers, "data": data}, file)
        return [interpreter, "-m", "agent", "--config", path]

    description = "the agent, workers %s, on %s" % (workers, ask_version(interpreter))
    return Recipe(name, description, "result", command, {})


def peer(name, description, command, environment=None):
    """An echo peer: a command that takes HOST PORT CALL REPLY."""

    def complete(broker, folder):
        topics = [recipe.call, recipe.reply]
        return [*command, broker.host, str(broker.port), *topics]

    recipe = Recipe(name, description, "echo", complete, environment or {})
    return recipe


def umqtt(name):
    """umqtt.simple on the same MicroPython as our agent."""
    interpreter = runtimes.path("micropython-gil")
    environment = {"MICROPYPATH": ".frozen:" + programs.fetch_umqtt()}
    description = "%s on %s" % (programs.UMQTT, ask_version(interpreter))
    command = [interpreter, os.path.join(PEERS_FOLDER, "echo_umqtt.py")]
    return peer(name, description, command, environment)


def paho(name):
    """paho-mqtt on this CPython."""
    versions = (importlib.metadata.version("paho-mqtt"), ask_version(sys.executable))
    command = [sys.executable, os.path.join(PEERS_FOLDER, "echo_paho.py")]
    return peer(name, "paho-mqtt %s on CPython %s" % versions, command)


def libmosquitto(name):
    """The C library of the mosquitto project."""
    program = programs.build_libmosquitto_echo()
    version = subprocess.run([program], capture_output=True, text=True).stdout.strip()
    return peer(name, "libmosquitto %s in C, TCP_NODELAY by its option" % version, [program])
