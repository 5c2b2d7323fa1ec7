"""A first command over MQTT: real broker, paho-mqtt, the agent on every runtime."""

import json
import random
import time

import pytest
from provision import runtimes

SEED = 20261120
MALFORMED = 1000
# The growth of resident memory that bad requests may cause, once the agent is warm.
GROWTH_KIB = 2048


def test_a_device_comes_online_and_answers(start_device, runtime, caller):
    device = start_device(runtime)
    status = caller.wait_for_state(device, "online")
    assert status["boot"] == 1 and len(status["nonce"]) == 16
    assert status["clock"] in ("unset", "restored", "synced")
    reply = caller.call(device, "system.ping")
    assert reply["result"] == {} and reply["device"] == device.name
    assert reply["uptime_ms"] >= 0
    echoed = {"text": "x: ü \U0001f600, }]"}
    assert caller.call(device, "system.echo", echoed)["result"] == echoed


def test_info_tells_runtime_memory_boots_and_clock(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    info = caller5.call(device, "system.info")["result"]
    assert info["runtime"]["version"].startswith(runtime.version.rsplit(".", 1)[0])
    assert info["runtime"]["threads"] == runtime.threads
    assert info["boot"] == 1 and info["uptime_ms"] >= 0
    assert info["clock"]["unix_ms"] > 1793491200000
    assert info["workers"]["count"] == (1 if runtime.threads == "gil" else 0)
    if runtime.name != "cpython":
        assert info["memory"]["used_bytes"] > 0 and info["memory"]["free_bytes"] > 0


def test_about_is_retained_and_honest(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    caller5.follow("limpet/%s/about" % device.name)
    while True:
        message = caller5.messages.get(timeout=20)
        if message.topic.endswith("/about"):
            break
    about = json.loads(message.payload)
    workers = about["capabilities"]["workers"]
    if runtime.threads == "gil":
        assert workers == {"count": 1}
    else:
        assert "not safe" in workers["absent"]
    assert about["runtime"]["threads"] == runtime.threads and len(about["commands"]) == 16


def test_the_commands_describe_themselves(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    names, more = [], True
    while more:
        told = caller5.call(device, "rpc.list", {"after": names[-1] if names else ""})["result"]
        names += [entry["name"] for entry in told["commands"]]
        more = told["more"]
    assert "system.ping" in names and names == sorted(names)
    for name in names:
        words = caller5.call(device, "rpc.describe", {"method": name})["result"]
        assert words["name"] == name and words["about"] and words["permission"]


def test_a_kill_shows_as_offline_and_the_next_boot_counts(start_device, runtime, caller5):
    device = start_device(runtime)
    first = caller5.wait_for_state(device, "online")
    device.kill()
    assert caller5.wait_for_state(device, "offline")["nonce"] == first["nonce"]
    device.start()
    second = caller5.wait_for_state(device, "online")
    assert second["boot"] == 2 and second["nonce"] != first["nonce"]


def test_a_response_topic_and_correlation_data_are_used(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    caller5.publish(
        device,
        b'{"method":"system.ping"}',
        ResponseTopic=caller5.topic,
        CorrelationData=b"\x00seven",
    )
    message = caller5.replies.get(timeout=20)
    assert message.properties.CorrelationData == b"\x00seven"
    assert json.loads(message.payload)["result"] == {}


def test_a_retained_call_is_refused(start_device, caller5):
    device = start_device(runtimes.get("cpython"))
    caller5.wait_for_state(device, "online")
    request = {"method": "system.ping", "reply": caller5.topic, "id": "retained-call-1"}
    caller5.publish(device, json.dumps(request), retain=True)
    try:
        reply = json.loads(caller5.replies.get(timeout=20).payload)
        assert reply["error"]["code"] == "retained"
        assert "result" in caller5.call(device, "system.ping")
    finally:
        caller5.publish(device, b"", retain=True)


def malformed(random_source, topic, at):
    """The `at`th bad request: its bytes, and the code that answers it, None for no answer."""

    def request(**members):
        document = {"id": "bad-%06d-%06d" % (at, random_source.randrange(10**6)), "reply": topic}
        document.update({"method": "system.ping"}, **members)
        return json.dumps(document).encode()

    good = request()
    cut = good[: random_source.randrange(1, len(good))]
    deep = b"[" * random_source.randrange(20, 1500)
    noise = bytes([random_source.randrange(128, 256) for _ in range(40)])
    kinds = (
        (cut, None),
        (good.replace(b",", b",,", 1), None),
        (good.replace(b'": "', b'" "', 1), None),
        (good.replace(b": ", b" ", 1), None),
        (b'{"method":' + deep, None),
        (b'{"method":' + deep + b"]" * len(deep) + b"}", None),
        (noise, None),
        (good[:-1] + b',"x":"' + noise + b'"}', None),
        (b"null", None),
        (b"", None),
        (request(method=7), "bad-request"),
        (request(method=None), "bad-request"),
        (request(params=[1, 2]), "bad-request"),
        (request(params={"x": 1}), "bad-params"),
        (request(method="system.echo", params={"text": {}}), "bad-params"),
        (request(method="no.such.command"), "unknown-method"),
        (request(method="x" * 500), "bad-request"),
        (request(ttl="soon"), "bad-request"),
        (request(ttl=-5), "bad-request"),
        (request(id=5), "bad-request"),
        (request(reply="limpet/other/call"), None),
        (request(reply={"to": "me"}), None),
        (request(deadline={"nonce": "wrong", "uptime_ms": 1}), "expired"),
    )
    return kinds[at % len(kinds)]


def test_malformed_requests_leave_the_agent_answering(start_device, runtime, caller):
    """1,000 of every kind, and ten of 1 MB: each answered where it can be, memory bounded."""
    device = start_device(runtime)
    caller.wait_for_state(device, "online")
    assert caller.call(device, "system.ping")["result"] == {}
    source = random.Random(SEED)
    print("seed", SEED)
    count = MALFORMED if "armhf" not in runtime.name else MALFORMED // 4
    before = None
    for at in range(count):
        payload, code = malformed(source, caller.topic, at)
        if at == count // 4:
            before = device.status_kib("VmRSS")
        if at % (count // 10) == 5:
            caller.publish(device, b'{"method":"' + b"x" * 1_000_000)
        caller.publish(device, payload)
        if code is not None:
            reply = json.loads(caller.replies.get(timeout=20).payload)
            assert reply["error"]["code"] == code, (payload, reply)
    assert caller.call(device, "system.ping")["result"] == {}
    assert caller.replies.empty()
    assert device.status_kib("VmRSS") - before < GROWTH_KIB
    assert caller.call(device, "system.info")["result"]["boot"] == 1


# Each of these once ended an agent, or its connection, for as long as the broker sent it again.
DEADLY = (
    b'{"method":"x","deadline":{"time":1e308}}',
    b'{"method":"x","deadline":{"nonce":"n","uptime_ms":1e300}}',
    b'{"method":"no.no","id":"\\ud800aaaaaaaaaaaa2"}',
    b'{"method":"system.ping","id":"aaaaaaaaaaaaaa3","reply":"limpet/reply/\\ud800"}',
    b'{"method":"x","reply":"limpet/reply/\\u0001"}',
    b'{"method":"x","reply":"limpet/reply/\\uffff"}',
    b'{"method":"x","reply":"limpet/reply/\xed\xa0\x80"}',
)


def test_no_single_message_ends_the_agent_or_its_connection(start_device, runtime, caller):
    device = start_device(runtime)
    caller.wait_for_state(device, "online")
    for payload in DEADLY:
        caller.publish(device, payload)
    assert caller.call(device, "system.info")["result"]["boot"] == 1
    assert device.log.read_text().count("connected to") == 1


def test_a_flood_of_calls_gets_one_answer_each(start_device, runtime, caller5):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    wanted = set()
    for at in range(300):
        identity = "flood-%06d" % at
        method = "system.echo" if at % 2 else "system.ping"
        document = {"id": identity, "method": method, "reply": caller5.topic}
        caller5.client.publish("limpet/%s/call" % device.name, json.dumps(document), 1)
        wanted.add(identity)
    answered = []
    while len(answered) < len(wanted):
        reply = json.loads(caller5.replies.get(timeout=20).payload)
        assert "result" in reply or reply["error"]["code"] == "busy"
        answered.append(reply["id"])
    assert sorted(answered) == sorted(wanted)


@pytest.mark.parametrize("workers", (0, 1, 3))
def test_the_number_of_workers_changes_no_answer(start_device, caller5, workers):
    device = start_device(runtimes.get("micropython-gil"), workers=workers)
    caller5.wait_for_state(device, "online")
    assert caller5.call(device, "system.info")["result"]["workers"]["count"] == workers
    for at in range(20):
        params = {"text": "n%d" % at}
        assert caller5.call(device, "system.echo", params)["result"] == params


def test_the_broker_may_be_killed_and_restarted(start_device, runtime):
    from conftest import Caller
    from provision import broker as brokers

    with brokers.start(nodelay=True) as own:
        device = start_device(runtime, on=own)
        caller = Caller(own)
        caller.follow("limpet/+/status")
        caller.wait_for_state(device, "online")
        caller.close()
        own.kill()
        own.restart()
        again = Caller(own)
        again.follow("limpet/+/status")
        assert again.wait_for_state(device, "online")["boot"] == 1
        assert again.call(device, "system.ping")["result"] == {}
        again.close()


def test_a_wrong_configuration_is_one_line_and_status_2(runtime, tmp_path):
    import subprocess

    from conftest import ROOT

    path = tmp_path / "wrong.json"
    path.write_text('{"device": "x", "mqtt": {"port": "y"}}')
    absent = tmp_path / "absent-ca.json"
    absent.write_text('{"device": "x", "mqtt": {"tls": {"ca": "/no/such/ca.pem"}}}')
    cases = (
        (["--config", str(absent), "--check"], "mqtt.tls.ca: /no/such/ca.pem: cannot be read"),
        (["--config", str(path)], "mqtt.port: expected an integer from 1 to 65535"),
        (["--config", str(tmp_path / "absent.json")], "cannot be read"),
        (["--config"], "--config: expected a file"),
        (["--cofnig"], "--cofnig: unknown option"),
        ([], "--config FILE is missing"),
    )
    for arguments, part in cases:
        done = subprocess.run(
            [runtime.path, "-m", "agent", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 2 and part in done.stderr, done
        assert done.stderr.count("\n") == 1 and done.stdout == ""
    done = subprocess.run(
        [runtime.path, "-m", "agent", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "--config FILE" in done.stdout


def test_without_a_broker_the_agent_keeps_trying(start_device, caller5, broker):
    from provision import broker as brokers

    with brokers.start() as own:
        device = start_device(runtimes.get("micropython-gil"), on=own)
        own.kill()
        deadline = time.monotonic() + 20
        while device.log.read_text().count("no connection") < 3:
            assert time.monotonic() < deadline and device.process.poll() is None
            time.sleep(0.02)


@pytest.mark.parametrize("kind", ("folder", "fifo"))
def test_a_data_folder_with_what_is_no_file_does_not_stop_the_agent(
    start_device, runtime, kind, caller5
):
    import os

    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    device.kill()
    caller5.wait_for_state(device, "offline")
    data = device.config.parent / "data"
    data.mkdir(exist_ok=True)
    for name in ("boot.1", "twin.0", "journal-00000001.log", "journal-99999999999.log"):
        make = os.mkfifo if kind == "fifo" else os.mkdir
        if not (data / name).exists():
            make(data / name)
    device.start()
    caller5.wait_for_state(device, "online")
    assert caller5.call(device, "system.ping")["result"] == {}
    assert "nothing can be stored" in device.log.read_text()


def test_the_same_id_started_twice_is_named_in_the_log(start_device, caller5):
    first = start_device(runtimes.get("micropython-gil"))
    caller5.wait_for_state(first, "online")
    second = start_device(runtimes.get("cpython"), device=first.name)
    deadline = time.monotonic() + 20
    words = "has another client the id %s?" % first.name  # mosquitto 2.0.11 only closes
    while words not in first.log.read_text() and words not in second.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
