"""`limpet config` and `limpet logs` with a real agent, as a shell sees them."""

import contextlib
import json
import queue
import subprocess
import sys
import threading

import pytest
from conftest import PATIENCE_S, ROOT, Caller
from provision import broker as brokers
from provision import runtimes


@pytest.fixture
def device(start_device, caller5):
    made = start_device(runtimes.get("micropython-gil"), log="info")
    caller5.wait_for_state(made, "online")
    return made


def command(broker, *words):
    return [sys.executable, str(ROOT / "tools" / "limpet"), *map(str, words),
            "--broker", broker.url]  # fmt: skip


def limpet(broker, *words, status=0):
    done = subprocess.run(
        command(broker, *words), capture_output=True, text=True, timeout=3 * PATIENCE_S
    )
    assert done.returncode == status, done.stderr
    return done


def follow(broker, *words):
    return subprocess.Popen(
        command(broker, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process):
    process.terminate()
    process.communicate()


def test_settings_are_shown_changed_and_said_to_differ(broker, device):
    assert "  log " in limpet(broker, "config", device.name).stdout
    done = limpet(broker, "config", device.name, "set", "log=debug", "workers=0")
    assert "workers: limpet call %s system.restart" % device.name in done.stderr
    done = limpet(broker, "config", device.name)
    assert "* log " in done.stdout and '"debug"' in done.stdout and "differs" in done.stderr
    assert limpet(broker, "config", device.name, "get", "log").stdout == '"debug"\n'
    limpet(broker, "config", device.name, "set", "--unset", "log", "--unset", "workers")
    assert json.loads(limpet(broker, "config", device.name, "--json").stdout)["changed"] == []
    done = limpet(broker, "config", device.name, "set", "log=loud", status=1)
    assert "log: expected" in done.stderr
    done = limpet(broker, "config", device.name, "set", "log=debug", "--if-revision", 1, status=1)
    assert "conflict" in done.stderr
    assert "on trial" in limpet(broker, "config", device.name, "describe").stdout
    assert "1883" in limpet(broker, "config", device.name, "describe", "mqtt").stdout
    assert "set what?" in limpet(broker, "config", device.name, "set", status=2).stderr
    assert "no-trial" in limpet(broker, "config", device.name, "revert", status=1).stderr


def test_another_broker_is_confirmed_over_that_broker(broker, device):
    with brokers.start(nodelay=True) as other:
        words = ("config", device.name, "set", "mqtt.port=%d" % other.port, "--within", 60)
        assert "goes back in" in limpet(broker, *words).stderr
        there = Caller(other)
        there.follow("limpet/+/status")
        there.wait_for_state(device, "online")
        there.close()
        limpet(other, "config", device.name, "confirm")
        assert limpet(other, "config", device.name, "get", "mqtt.port").stdout.strip() == str(
            other.port
        )
        limpet(other, "config", device.name, "confirm", status=1)


def test_a_desired_document_is_left_and_answered(broker, device):
    done = limpet(broker, "config", device.name, "want", "log=debug", "--id", "one")
    assert done.stdout == "revision 1\n"
    done = limpet(broker, "config", device.name, "want", "log=loud", "--id", "two", status=1)
    assert "log: expected" in done.stderr
    done = limpet(broker, "config", device.name)
    assert "the desired document two: refused" in done.stderr and '"debug"' in done.stdout


def lines_of(stream):
    """A queue of the lines of a stream as they come."""
    lines = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    return lines


def wait_for_text(lines, text, stir):
    """Wait for a log line with `text`; `stir(number)` makes the device say one, again and again,
    since nobody knows when following began."""
    for number in range(int(2 * PATIENCE_S)):
        stir(number)
        with contextlib.suppress(queue.Empty):
            while text not in json.loads(lines.get(timeout=0.5))["text"]:
                pass
            return
    raise AssertionError("no line with %r" % text)


def test_a_log_is_followed_over_a_restart(broker, device, caller5):
    done = limpet(broker, "logs", device.name)
    assert "connected to" in done.stdout and "device %s, boot 1" % device.name in done.stdout
    logs = follow(broker, "logs", "-f", device.name, "--level", "debug", "--json")
    lines = lines_of(logs.stdout)

    def stir(number):
        settings = {"mqtt": {"keep_alive_s": 31 + number}}
        caller5.call(device, "config.set", {"settings": settings})

    wait_for_text(lines, "going to", stir)
    device.kill()
    device.start()
    caller5.wait_for_state(device, "offline")
    wait_for_text(lines, "boot 2", lambda number: None)  # what it said before anybody followed
    wait_for_text(lines, "connected to", lambda number: None)
    wait_for_text(lines, "going to", stir)
    logs.terminate()
    assert "%s restarted: boot 2" % device.name in logs.communicate()[1]


def test_watching_an_unknown_device_is_said(broker):
    watch = follow(broker, "watch", "nobody-of-that-name")
    said = lines_of(watch.stderr).get(timeout=PATIENCE_S)
    assert "there is no device called nobody-of-that-name" in said
    end(watch)
