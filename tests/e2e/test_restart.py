"""`system.restart` over MQTT: answered once, after the restart, on every runtime."""

import json
import queue
import subprocess

import pytest
from conftest import PATIENCE_S, ROOT

from agent.__main__ import RESTART


def test_a_restart_is_answered_once_and_after_it(start_device, runtime, caller5):
    device = start_device(runtime)
    first = caller5.wait_for_state(device, "online")
    words = {"id": "restart-me-0001", "method": "system.restart", "reply": caller5.topic}
    caller5.publish(device, json.dumps(words))
    assert device.process.wait(PATIENCE_S) == RESTART
    assert caller5.wait_for_state(device, "offline")["nonce"] == first["nonce"]
    assert caller5.replies.empty()
    device.start()
    assert caller5.wait_for_state(device, "online")["boot"] == 2
    reply = json.loads(caller5.replies.get(timeout=PATIENCE_S).payload)
    assert reply["result"] == {"boot": 2} and reply["id"] == words["id"]
    caller5.publish(device, json.dumps(words))  # asked again, it is not done again
    assert json.loads(caller5.replies.get(timeout=PATIENCE_S).payload)["result"] == {"boot": 2}
    assert caller5.call(device, "system.info")["result"]["boot"] == 2
    with pytest.raises(queue.Empty):
        caller5.replies.get(timeout=0.2)


def test_answers_that_were_queued_leave_before_the_end(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    requests = [{"id": "ping-%08d" % n, "method": "system.ping"} for n in range(10)]
    requests.append({"id": "restart-me-0002", "method": "system.restart"})
    for words in requests:
        topic = "limpet/%s/call" % device.name
        caller5.client.publish(topic, json.dumps(dict(words, reply=caller5.topic)), 1)
    assert device.process.wait(PATIENCE_S) == RESTART
    for words in requests[:-1]:
        reply = json.loads(caller5.replies.get(timeout=PATIENCE_S).payload)
        assert reply["id"] == words["id"] and reply["result"] == {}


def test_a_second_agent_in_the_same_folder_is_refused(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    command = [device.runtime.path, "-m", "agent", "--config", str(device.config)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2 and "another agent works in this folder" in second.stderr
    assert str(device.config.parent / "data") in second.stderr
