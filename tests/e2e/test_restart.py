"""`system.restart` over MQTT: answered once, after the restart, on every runtime."""

import json
import queue

import pytest
from conftest import PATIENCE_S

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
