"""Jobs, streams and schedules over a real broker, on every runtime."""

import json
import time

import pytest
from conftest import PATIENCE_S, ROOT

ENTRY = [str(ROOT / "tests" / "e2e" / "working_agent.py")]
CANCEL_S = 1.0  # what is cancelled has ended by then
SLOW_MACHINE = 5  # times that a machine under load may take; `stuck` is judged by the device


@pytest.fixture
def device(start_device, runtime, caller5):
    """An agent with long work to do, online."""
    started = start_device(runtime, entry=ENTRY)
    caller5.wait_for_state(started, "online")
    return started


def messages_on(caller, topic):
    """Each message on one topic, as it came."""
    while True:
        message = caller.messages.get(timeout=PATIENCE_S)
        if message.topic == topic:
            yield message


def wait_for_job(caller, device, name, *states):
    """The next state of a job among `states`, from its topic."""
    messages = messages_on(caller, "limpet/%s/job/%s" % (device.name, name))
    told = (json.loads(message.payload) for message in messages if message.payload)
    return next(words for words in told if words["state"] in states)


def begin(caller, device, method, **members):
    """Start long work; the name of its job."""
    return caller.call(device, method, reply_within=0, **members)["result"]["job"]


def test_long_work_is_followed_and_cancelled_within_a_second(device, caller5, runtime):
    caller5.follow("limpet/%s/job/+" % device.name)
    methods = ["work.count"] + (["work.wait"] if runtime.threads == "gil" else [])
    for method in methods:
        name = begin(caller5, device, method)
        wait_for_job(caller5, device, name, "running")
        assert caller5.call(device, "system.ping")["result"] == {}
        start = time.monotonic()
        told = caller5.call(device, "job.cancel", {"job": name})["result"]
        took_s = time.monotonic() - start
        print("%s on %s: cancelled in %.3f s" % (method, runtime.name, took_s))
        assert told["state"] == "cancelled" and "stuck" not in told
        assert took_s < CANCEL_S * SLOW_MACHINE
        assert wait_for_job(caller5, device, name, "cancelled")["error"]["code"] == "cancelled"
        assert "result" in caller5.call(device, "job.clear", {"job": name})


def test_what_outlives_patience_becomes_a_job_by_itself(device, caller5):
    caller5.follow("limpet/%s/job/+" % device.name)
    reply = caller5.call(device, "work.count", {"steps": 20}, reply_within=0.2)
    name = reply["result"]["job"]
    assert name == reply["id"]
    last = wait_for_job(caller5, device, name, "done")
    assert last["result"] == {"from": 0}
    assert caller5.call(device, "job.get", {"job": name})["result"]["state"] == "done"
    assert caller5.call(device, "work.idle")["result"] == {}


def test_jobs_survive_a_kill_by_their_rule(device, caller5, runtime):
    if runtime.name not in ("cpython", "micropython-armhf"):
        pytest.skip("takes as long as a checkpoint may wait; shown on two, one with threads")
    caller5.follow("limpet/%s/job/+" % device.name)
    once = begin(caller5, device, "work.count")
    resumed = begin(caller5, device, "work.resume", params={"steps": 160})
    wait_for_job(caller5, device, resumed, "running")
    deadline = time.monotonic() + PATIENCE_S
    stale = "limpet/%s/job/nobody-knows-it" % device.name
    caller5.client.publish(stale, b"{}", 1, True).wait_for_publish(PATIENCE_S)
    while caller5.call(device, "job.get", {"job": resumed})["result"]["progress"] < 0.65:
        assert time.monotonic() < deadline
    device.kill()
    device.start()
    seen = set()
    for message in iter(lambda: caller5.messages.get(timeout=PATIENCE_S), None):
        words = json.loads(message.payload or b"null")
        if message.topic == stale and words is None:
            seen.add("stale")
        elif message.topic.endswith("/job/" + once) and words["state"] == "interrupted":
            seen.add("once")
        elif message.topic.endswith("/job/" + resumed) and words["state"] == "done":
            assert words["result"]["from"] > 50
            seen.add("resumed")
        if len(seen) == 3:
            break


def test_bytes_go_both_ways_while_it_runs(device, caller5):
    name = "stream-%x" % time.monotonic_ns()
    base = "limpet/%s/stream/%s/" % (device.name, name)
    caller5.follow(base + "out")
    request = {"id": name, "method": "work.echo", "reply": caller5.topic, "reply_within": 0}
    caller5.publish(device, json.dumps(request))
    sent, heard, ended = 0, b"", False
    for message in messages_on(caller5, base + "out"):
        head, data = message.payload.split(b"\n", 1)
        words = json.loads(head)
        heard += data
        while words.get("want", 0) > sent and sent <= 30:
            last = sent == 30
            chunk = {"n": sent, "end": True} if last else {"n": sent}
            body = b"" if last else b"%03d" % sent
            caller5.client.publish(base + "in", json.dumps(chunk).encode() + b"\n" + body, 1)
            sent += 1
        if words.get("end"):
            ended = True
            break
    assert ended and heard == b"".join([b"%03d" % number for number in range(30)])


def test_a_schedule_runs_over_a_kill(device, caller5):
    caller5.follow("limpet/%s/job/+" % device.name)
    words = {"name": "often", "method": "work.count", "params": {"steps": 2}, "every": 1}
    added = caller5.call(device, "schedule.add", words)["result"]
    assert added["state"] == "waiting"
    for boot in (1, 2):
        start = "limpet/%s/job/often@%d." % (device.name, boot)
        while True:
            message = caller5.messages.get(timeout=PATIENCE_S)
            state = json.loads(message.payload or b"{}").get("state")
            if message.topic.startswith(start) and state == "done":
                break
        if boot == 1:
            device.kill()
            device.start()
    assert caller5.call(device, "schedule.remove", {"name": "often"})["result"] == {}
