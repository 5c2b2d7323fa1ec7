"""Waiting for a device stops nobody, with no workers either; and each write is told."""

import json
import os
import tty

import pytest
from conftest import FieldDevice
from provision import Unavailable, runtimes


@pytest.mark.parametrize("name", ("cpython", "micropython-gil", "micropython-oldest"))
def test_a_device_answers_while_it_waits_for_bytes_on_a_line(start_device, name, caller5):
    try:
        runtime = runtimes.get(name)
    except Unavailable as reason:
        pytest.skip(str(reason))
    far, near = os.openpty()
    try:
        tty.setraw(near)
        path = os.ttyname(near)
        device = start_device(runtime, workers=0)
        caller5.wait_for_state(device, "online")
        span = {"kind": "bus", "where": path, "write": True}
        assert "result" in caller5.call(device, "policy.set", {"hardware": [span]})
        words = {"path": path, "wait_ms": 60000}
        request = {"id": "waits-%s" % device.name, "method": "uart.read", "params": words}
        caller5.publish(device, json.dumps(dict(request, reply=caller5.topic)))
        for _ in range(20):
            assert caller5.call(device, "system.ping")["result"] == {}
        busy = caller5.call(device, "uart.read", dict(words, wait_ms=0))["error"]
        assert busy["code"] == "busy" and path in busy["message"]
        os.write(far, b"level 42\r\n")
        caller5.follow("limpet/%s/job/#" % device.name)
        assert told(caller5, request["id"])["text"] == "level 42\r\n"
    finally:
        os.close(far)
        os.close(near)


def told(caller, identity):
    """The result: of the reply, or of the job's state where the reply only named a job."""
    while True:
        reply = json.loads(caller.replies.get(timeout=20).payload)
        if reply.get("id") == identity:
            break
    while "job" in reply["result"]:
        message = caller.messages.get(timeout=20)
        state = json.loads(message.payload) if message.payload else {}
        if "/job/" in message.topic and state.get("state") == "done":
            return state["result"]
    return reply["result"]


def test_a_write_is_audited_with_what_stood_there(start_device, caller5):
    field = FieldDevice("socket", 7)
    try:
        device = start_device(runtimes.get("cpython"))
        caller5.wait_for_state(device, "online")
        path = "127.0.0.1:%d" % field.port
        span = {"kind": "modbus", "where": path + "/7", "last": 499999, "write": True}
        assert "result" in caller5.call(device, "policy.set", {"hardware": [span]})
        caller5.follow("limpet/%s/event/audit" % device.name)
        params = {"path": path, "unit": 7, "address": 5, "values": [500]}
        assert caller5.call(device, "modbus.write", params)["result"] == {"before": [15]}
        while True:
            event = json.loads(caller5.messages.get(timeout=20).payload)
            if event.get("event") == "changed":
                break
        assert event["method"] == "modbus.write" and event["before"] == [15]
        assert event["params"]["address"] == 5 and event["params"]["values"] == [500]
    finally:
        field.close()
