"""Settings from afar, for real: what would cut the link goes back by itself, on every runtime."""

import hashlib
import json
import secrets
import socket
import time
import types
from base64 import b64encode

import pytest
from conftest import PATIENCE_S, Caller
from fleet import keys
from fleet.seal import Sealer, split
from provision import broker as brokers
from provision import runtimes
from test_link_tls import Authority

WITHIN_S = 2
USUAL = ("cpython", "micropython-gil")  # one with CPython's sockets, one with MicroPython's


@pytest.fixture(params=USUAL)
def usual(request):
    return runtimes.get(request.param)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def reported(caller, device, wanted):
    """Wait until what the device reports fits `wanted`, a function; returns it."""
    while True:
        message = caller.messages.get(timeout=PATIENCE_S)
        if message.topic == "limpet/%s/reported" % device.name and message.payload:
            told = json.loads(split(message.payload)[1])
            if wanted(told):
                return told


def goes_back(caller, device, changes):
    """Set what cuts the link; the device must come back by itself, and say why."""
    caller.follow("limpet/%s/reported" % device.name)
    params = {"settings": changes, "within_s": WITHIN_S}
    told = caller.call(device, "config.set", params)["result"]
    assert told["trial"]["left_s"] <= WITHIN_S and told["changed"]
    assert caller.wait_for_state(device, "offline")
    assert caller.wait_for_state(device, "online")["boot"] == 1
    told = reported(caller, device, lambda told: told["last_trial"])
    assert told["trial"] is None and told["changed"] == []
    assert told["last_trial"]["state"] == "reverted"
    assert "not confirmed within 2 s" in told["last_trial"]["reason"]
    assert caller.call(device, "system.ping")["result"] == {}


def test_a_wrong_broker_address_goes_back_by_itself(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    goes_back(caller5, device, {"mqtt": {"port": free_port()}})


def password_line(user, password, salt=b"twelve bytes"):
    """A line of mosquitto's password file."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return "%s:$7$101$%s$%s\n" % (user, b64encode(salt).decode(), b64encode(digest).decode())


def test_a_wrong_password_goes_back_by_itself(start_device, usual, tmp_path):
    (tmp_path / "passwords").write_text(password_line("pump", "right"))
    with brokers.start(True, ("password_file %s" % (tmp_path / "passwords"),)) as broker:
        caller = Caller(broker)
        caller.follow("limpet/+/status")
        device = start_device(usual, on=broker, mqtt={"username": "pump", "password": "right"})
        caller.wait_for_state(device, "online")
        goes_back(caller, device, {"mqtt": {"password": "wrong-wrong"}})
        assert "wrong-wrong" not in device.log.read_text()
        caller.close()


def test_a_wrong_authority_goes_back_by_itself(start_device, usual, tmp_path):
    right, wrong = Authority(tmp_path), Authority(tmp_path, "stranger")
    port = free_port()
    certificate, key = right.sign("localhost")
    lines = ["certfile %s" % certificate, "keyfile %s" % key, "listener %d 127.0.0.1" % port]
    with brokers.start(True, lines) as broker:
        caller = Caller(types.SimpleNamespace(host=broker.host, port=port))
        caller.follow("limpet/+/status")
        tls = {"ca": str(right.path), "name": "localhost"}
        device = start_device(usual, on=broker, mqtt={"tls": tls})
        caller.wait_for_state(device, "online")
        absent = {"mqtt": {"tls": {"ca": str(tmp_path / "absent.pem")}}}
        told = caller.call(device, "config.set", {"settings": absent})["error"]
        assert told["code"] == "bad-config" and "absent.pem: cannot be read" in told["message"]
        goes_back(caller, device, {"mqtt": {"tls": {"ca": str(wrong.path)}}})
        caller.close()


def test_a_right_broker_is_confirmed_and_holds_after_a_restart(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    with brokers.start(nodelay=True) as other:
        there = Caller(other)
        there.follow("limpet/+/status")
        params = {"settings": {"mqtt": {"port": other.port}}, "within_s": 60}
        trial = caller5.call(device, "config.set", params)["result"]["trial"]
        caller5.wait_for_state(device, "offline")
        there.wait_for_state(device, "online")
        told = there.call(device, "config.confirm", {"trial": trial["id"]})["result"]
        assert told["trial"] is None and told["last_trial"]["state"] == "confirmed"
        assert told["settings"]["mqtt"]["port"] == other.port
        device.kill()
        device.start()
        there.wait_for_state(device, "offline")
        assert there.wait_for_state(device, "online")["boot"] == 2
        assert there.call(device, "config.get")["result"]["changed"] == ["mqtt.port"]
        there.close()


def test_a_trial_may_confirm_itself_once_the_device_can_be_called(start_device, usual, caller5):
    device = start_device(usual)
    caller5.wait_for_state(device, "online")
    with brokers.start(nodelay=True) as other:
        there = Caller(other)
        there.follow("limpet/%s/reported" % device.name)
        params = {"settings": {"mqtt": {"port": other.port}}, "within_s": 60, "confirm": "online"}
        assert "result" in caller5.call(device, "config.set", params)
        told = reported(there, device, lambda told: told["last_trial"])
        assert told["last_trial"]["state"] == "confirmed" and told["trial"] is None
        there.close()


def test_two_kills_within_a_trial_go_back_however_long_it_would_last(start_device, usual, caller5):
    device = start_device(usual)
    caller5.wait_for_state(device, "online")
    params = {"settings": {"mqtt": {"port": free_port()}}, "within_s": 3600}
    assert "result" in caller5.call(device, "config.set", params)
    caller5.wait_for_state(device, "offline")
    for number in (2, 3):
        device.kill()
        device.start()
        wait_for_boot(device, number)
    assert caller5.wait_for_state(device, "online")["boot"] == 3
    told = caller5.call(device, "config.get")["result"]
    assert told["changed"] == [] and "started 2 times" in told["last_trial"]["reason"]


def test_what_needs_a_restart_is_tried_from_then_on_and_goes_back_by_another(
    start_device, usual, caller5
):
    device = start_device(usual)
    caller5.wait_for_state(device, "online")
    params = {"settings": {"mqtt": {"receive_maximum": 5}}, "within_s": WITHIN_S}
    told = caller5.call(device, "config.set", params)["result"]
    assert told["trial"]["waits"] and told["pending_restart"] == ["mqtt.receive_maximum"]
    assert caller5.call(device, "config.confirm")["error"]["code"] == "no-trial"
    document = {"id": "restart-for-a-trial", "method": "system.restart", "reply": caller5.topic}
    caller5.publish(device, json.dumps(document))
    restarted(device)
    told = caller5.call(device, "config.get")["result"]
    assert told["settings"]["mqtt"]["receive_maximum"] == 5 and not told["trial"]["waits"]
    restarted(device)  # nobody confirms: it ends by itself, to go back
    assert caller5.wait_for_state(device, "online")
    told = caller5.call(device, "config.get")["result"]
    assert told["settings"]["mqtt"]["receive_maximum"] == 20 and told["changed"] == []
    assert told["last_trial"]["state"] == "reverted"


def restarted(device):
    """The process ends with the status that asks for a restart, and is started again."""
    assert device.process.wait(PATIENCE_S) == 75
    device.start()


def wait_for_boot(device, number):
    """Wait until the log says that the device has started so many times."""
    deadline = time.monotonic() + PATIENCE_S
    while ", boot %d" % number not in device.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_settings_reach_running_parts_without_a_restart(start_device, runtime, caller5):
    device = start_device(runtime, log="warning")
    caller5.wait_for_state(device, "online")
    group = "g" + secrets.token_hex(4)
    settings = {"log": "debug", "groups": [group], "workers": 0, "mqtt": {"keep_alive_s": 33}}
    told = caller5.call(device, "config.set", {"settings": settings})["result"]
    assert told["pending_restart"] == ["workers"] and told["trial"] is None
    caller5.wait_for_state(device, "offline")  # the keep-alive takes another connection
    assert caller5.wait_for_state(device, "online")["boot"] == 1
    document = {"id": "to-a-group-of-one", "method": "system.ping", "reply": caller5.topic}
    topic = "limpet/group/%s/call" % group
    caller5.client.publish(topic, json.dumps(document), 1)
    assert json.loads(caller5.replies.get(timeout=PATIENCE_S).payload)["device"] == device.name
    assert "connected to" in device.log.read_text()  # an info, which the file leaves out
    caller5.call(device, "config.set", {"unset": ["groups"], "settings": {"log": "error"}})
    caller5.client.publish(topic, json.dumps(dict(document, id="to-a-group-of-none")), 1)
    told = caller5.call(device, "config.get")["result"]
    assert told["settings"]["groups"] == [] and caller5.replies.empty()


def test_a_desired_document_is_answered_and_an_old_one_never_comes_back(
    start_device, usual, caller5
):
    ann = keys.new("ann")
    device = start_device(usual)
    device.kill()
    words = {"keys": [ann.provision_for(device.name, ("read", "admin"))]}
    (device.config.parent / "data").mkdir(exist_ok=True)
    (device.config.parent / "data" / "keys.json").write_text(json.dumps(words))
    topic = "limpet/%s/desired" % device.name
    sealer = Sealer(ann)

    def sealed(**document):
        return sealer.request(device.name, topic, json.dumps(document).encode())

    def put(payload):
        caller5.client.publish(topic, payload, 1, True).wait_for_publish(PATIENCE_S)

    def answer(identity, state):
        told = reported(
            caller5, device, lambda told: (told["desired"] or {}).get("id") == identity
        )
        assert told["desired"]["state"] == state, told["desired"]
        return told

    caller5.follow("limpet/%s/reported" % device.name)
    first = sealed(id="one", settings={"log": "error"})
    put(first)  # it waits for the device
    device.start()
    assert answer("one", "in-force")["settings"]["log"] == "error"
    put(sealed(id="two", settings={"log": "loud"}))
    reason = answer("two", "refused")["desired"]["reason"]
    assert reason["code"] == "bad-config" and reason["message"].startswith("log: expected")
    put(sealed(id="three", settings={"groups": ["north"]}))
    told = answer("three", "in-force")
    assert told["settings"]["log"] == "debug" and told["changed"] == ["groups"]
    put(first)  # what the broker may have kept
    told = answer("one", "refused")
    assert told["desired"]["reason"]["code"] == "stale" and told["changed"] == ["groups"]
    put(json.dumps({"id": "bare", "settings": {"log": "error"}}))
    device.kill()
    device.start()
    told = answer("three", "in-force")
    assert told["changed"] == ["groups"] and told["revision"] == 2
    put(b"")
    caller5.client.publish("limpet/%s/reported" % device.name, b"", 1, True)
