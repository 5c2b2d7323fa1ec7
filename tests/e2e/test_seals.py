"""Keys and seals for real: a broker, an agent on every runtime, and callers of both kinds."""

import contextlib
import json
import queue
import random
import subprocess
import sys
import time

import pytest
from conftest import PATIENCE_S, ROOT
from fleet import CallError, CallTimeout, Fleet, keys
from fleet.seal import Sealer, split

SEED = 20261120
ALL = ("read", "act", "files", "code", "update", "admin")


@pytest.fixture
def ann():
    return keys.new("ann")


@pytest.fixture
def start_sealed(start_device, ann):
    """`start_sealed(runtime)`: a device that took ann's key from its data directory."""

    def start(runtime, **changes):
        device = start_device(runtime, **changes)
        device.kill()
        folder = device.config.parent / "data"
        folder.mkdir(exist_ok=True)
        words = {"keys": [ann.provision_for(device.name, ALL)]}
        (folder / "keys.json").write_text(json.dumps(words))
        device.start()
        return device

    return start


@contextlib.contextmanager
def fleet_of(broker, device, key=None):
    with Fleet(broker.url, key=key, timeout=PATIENCE_S) as fleet:
        wait_for(fleet, device, "online")
        yield fleet


def wait_for(fleet, device, state):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = fleet.device(device.name)
        if found is not None and found.state == state:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{device.name} is not {state}")


def test_a_sealed_call_is_answered_and_a_bare_one_may_read(broker, start_sealed, runtime, ann):
    device = start_sealed(runtime)
    with fleet_of(broker, device, ann) as fleet:
        assert fleet.device(device.name).sealed is True
        assert fleet.call(device.name, "system.ping") == {}
        assert [k["name"] for k in fleet.call(device.name, "key.list")] == ["ann"]
        assert fleet.call(device.name, "policy.set", {"code": True})["code"] is True
    with fleet_of(broker, device) as fleet:
        assert fleet.call(device.name, "system.ping") == {}
        with pytest.raises(CallError, match="denied: key.list needs the permission admin"):
            fleet.call(device.name, "key.list")


def test_a_wrong_key_gets_no_answer_and_the_audit_says_so(broker, start_sealed, caller5, ann):
    from provision import runtimes

    device = start_sealed(runtimes.get("cpython"))
    caller5.follow(f"limpet/{device.name}/event/audit")
    with fleet_of(broker, device, keys.new("ann")) as fleet:
        assert fleet.device(device.name).sealed is False
        with pytest.raises(CallTimeout, match="does not hold the key ann"):
            fleet.call(device.name, "system.ping", timeout=1)
    while True:
        message = caller5.messages.get(timeout=PATIENCE_S)
        if message.topic.endswith("/event/audit"):
            lines, body = split(message.payload)
            assert len(lines) == 1 and json.loads(body)["counts"] == {"wrong-mac": 1}
            return


def test_after_a_restart_a_call_is_sealed_again_for_the_new_boot(
    broker, start_sealed, runtime, ann
):
    device = start_sealed(runtime)
    with fleet_of(broker, device, ann) as fleet:
        old = fleet.device(device.name).status
        device.kill()
        wait_for(fleet, device, "offline")
        left = fleet.submit(device.name, "system.ping")  # sealed to be left for it
        device.start()
        assert left.result() == {}
        wait_for(fleet, device, "online")
        fleet._nonce = lambda name: old["nonce"]  # as if the new status had not come yet
        again = fleet.submit(device.name, "key.list")
        assert again.result()[0]["name"] == "ann" and again.resealed == 1


def test_a_replayed_request_does_not_run(broker, start_sealed, caller5, runtime, ann):
    device = start_sealed(runtime)
    with fleet_of(broker, device, ann) as fleet:
        nonce = fleet.device(device.name).status["nonce"]
    topic = f"limpet/{device.name}/call"
    body = {"id": "0123456789ab", "method": "system.info", "reply": caller5.topic}
    sealed = Sealer(ann).request(device.name, topic, json.dumps(body).encode(), nonce)
    caller5.publish(device, sealed)
    first = caller5.replies.get(timeout=PATIENCE_S).payload
    reply = Sealer(ann).open(device.name, caller5.topic, first)
    assert json.loads(reply)["result"]["gate"] == {"keys": 1, "refused": 0}
    for _ in range(3):
        caller5.publish(device, sealed)
    assert caller5.call(device, "system.info")["result"]["gate"] == {"keys": 1, "refused": 3}
    device.kill()
    device.start()
    with fleet_of(broker, device, ann):
        pass
    caller5.publish(device, sealed)
    reply = Sealer(ann).open(
        device.name, caller5.topic, caller5.replies.get(timeout=PATIENCE_S).payload
    )
    error = json.loads(reply)["error"]
    assert error["code"] == "stale" and error["data"]["nonce"] != nonce


def test_a_signed_call_reaches_a_group(broker, start_sealed, caller5, runtime, ann):
    device = start_sealed(runtime, groups=["pumps"])
    with fleet_of(broker, device, ann) as fleet:
        sealer = fleet.sealer
    topic = "limpet/group/pumps/call"
    body = {"id": "0123456789ab", "method": "key.list", "reply": caller5.topic}
    payload = sealer.group_call("group/pumps", topic, json.dumps(body).encode())
    caller5.client.publish(topic, payload, 1).wait_for_publish(PATIENCE_S)
    reply = caller5.replies.get(timeout=PATIENCE_S).payload
    words = json.loads(sealer.open(device.name, caller5.topic, reply))
    assert words["result"][0]["name"] == "ann" and words["result"][0]["signs"]
    caller5.client.publish(topic, payload, 1).wait_for_publish(PATIENCE_S)
    caller5.client.publish(topic, payload + b" ", 1).wait_for_publish(PATIENCE_S)
    answer = caller5.call(device, "system.info")  # the link is served while it checks
    assert answer["result"]["uptime_ms"] > 0
    with pytest.raises(queue.Empty):
        caller5.replies.get(timeout=0.5)


def test_keys_are_given_and_withdrawn_over_the_wire(broker, start_sealed, runtime, ann, tmp_path):
    device = start_sealed(runtime)
    with fleet_of(broker, device, ann):
        pass
    ann_file, bob_file = tmp_path / "ann.key", tmp_path / "bob.key"
    keys.save(ann, ann_file)
    limpet(broker, "key", "new", bob_file)
    told = limpet(broker, "key", "give", bob_file, device.name, "--permissions", "read",
                  "--key", ann_file)  # fmt: skip
    assert f"{device.name} knows bob" in told
    bob = keys.load(bob_file)
    with fleet_of(broker, device, bob) as fleet:
        assert fleet.call(device.name, "system.ping") == {}
        with pytest.raises(CallError, match="the key bob has read"):
            fleet.call(device.name, "key.withdraw", {"name": "ann"})
    with fleet_of(broker, device, ann) as fleet:
        assert fleet.call(device.name, "key.withdraw", {"name": "bob"}) == {}
        with pytest.raises(CallError, match="no key with the permission admin would be left"):
            fleet.call(device.name, "key.withdraw", {"name": "ann"})
    with fleet_of(broker, device, bob) as fleet, pytest.raises(CallTimeout):
        fleet.call(device.name, "system.ping", timeout=0.5)


def limpet(broker, *arguments):
    command = [sys.executable, str(ROOT / "tools" / "limpet"), *map(str, arguments)]
    done = subprocess.run(
        [*command, "--broker", broker.url], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_many_hostile_payloads_a_sealed_call_still_counts(
    broker, start_sealed, caller5, runtime, ann
):
    device = start_sealed(runtime)
    dice = random.Random(SEED)
    print("seed", SEED)
    with fleet_of(broker, device, ann) as fleet:
        nonce = fleet.device(device.name).status["nonce"]
        topic = f"limpet/{device.name}/call"
        body = b'{"id":"0123456789ab","method":"key.withdraw","params":{"name":"ann"}}'
        for number in range(500):
            payload = bytearray(Sealer(ann).request(device.name, topic, body, nonce))
            payload[dice.randrange(len(payload))] ^= 1 << dice.randrange(8)
            caller5.client.publish(topic, bytes(payload), 1)
            if number % 100 == 99:
                assert fleet.call(device.name, "system.ping") == {}
        # A change in the first three bytes makes a bare payload of it, hence not all 500.
        deadline = time.monotonic() + PATIENCE_S
        gate = {"refused": 0}
        while gate["refused"] < 480 and time.monotonic() < deadline:
            gate = fleet.call(device.name, "system.info")["gate"]
        assert gate["refused"] >= 480 and gate["keys"] == 1
