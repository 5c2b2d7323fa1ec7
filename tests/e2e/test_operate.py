"""A crash told at the next start, and a service manager that hears of the agent, for real."""

import json
import os
import signal
import socket
import time

import pytest
from conftest import PATIENCE_S, ROOT
from provision import runtimes

CRASHING = [str(ROOT / "tests" / "e2e" / "crashing_agent.py")]


def event(caller, device, name):
    while True:
        message = caller.messages.get(timeout=PATIENCE_S)
        if message.topic == "limpet/%s/event/%s" % (device.name, name):
            return json.loads(message.payload)


def set_groups(caller, device, group):
    caller.call(device, "config.set", {"settings": {"groups": [group]}})


def test_what_ended_the_agent_is_told_at_its_next_start(start_device, runtime, caller5):
    device = start_device(runtime, entry=CRASHING)
    caller5.wait_for_state(device, "online")
    caller5.follow("limpet/%s/event/crash" % device.name)
    payload = {"method": "config.set", "params": {"settings": {"groups": ["loop"]}},
               "id": "it-will-not-be-answered"}  # fmt: skip
    caller5.publish(device, json.dumps(payload))
    assert device.process.wait(PATIENCE_S) == 70
    caller5.wait_for_state(device, "offline")  # its will: nobody waits for the keep-alive
    assert "planted in the loop" in device.log.read_text()
    device.start()
    told = event(caller5, device, "crash")
    assert told["error"] == "RuntimeError: planted in the loop" and told["boot"] == 1
    assert "crashing_agent" in told["traceback"] and told["thread"] is None
    assert caller5.wait_for_state(device, "online")["boot"] == 2


def test_a_thread_that_fails_is_told_and_the_agent_goes_on(start_device, caller5):
    device = start_device(runtimes.get("micropython-gil"), entry=CRASHING)
    caller5.wait_for_state(device, "online")
    caller5.follow("limpet/%s/event/crash" % device.name)
    set_groups(caller5, device, "thread")
    told = event(caller5, device, "crash")
    assert told["thread"] == "victim" and told["error"] == "RuntimeError: planted in a thread"
    assert caller5.call(device, "system.info")["result"]["boot"] == 1


@pytest.fixture
def manager(tmp_path, monkeypatch):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = "/tmp/limpet-notify-%d-%x" % (os.getpid(), time.monotonic_ns())
    channel.bind(path)
    channel.settimeout(PATIENCE_S)
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    yield channel
    channel.close()
    os.remove(path)


def test_a_service_manager_hears_ready_once_online_and_then_alive(
    start_device, runtime, caller5, manager
):
    device = start_device(runtime)
    heard = []
    while b"READY=1" not in heard:
        heard.append(manager.recv(100))
    assert caller5.wait_for_state(device, "online")
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    os.kill(device.process.pid, signal.SIGSTOP)  # a loop that hangs says nothing
    manager.settimeout(1)
    with pytest.raises(TimeoutError):
        for _ in range(3):
            manager.recv(100)
    os.kill(device.process.pid, signal.SIGCONT)
    manager.settimeout(PATIENCE_S)
    assert manager.recv(100) == b"WATCHDOG=1"


def test_a_signal_prints_every_stack_and_the_agent_goes_on(start_device, caller5):
    device = start_device(runtimes.get("cpython"))
    caller5.wait_for_state(device, "online")
    os.kill(device.process.pid, signal.SIGUSR1)
    deadline = time.monotonic() + PATIENCE_S
    while "Current thread" not in device.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "_work" in device.log.read_text()
    assert caller5.call(device, "system.ping")["result"] == {}
