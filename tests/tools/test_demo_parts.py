"""The parts of the demo: what it chooses, what it says, and that it cleans up after itself."""

import json
import os
import shlex

import paho.mqtt.client as paho
import pytest
from demos import DemoFailed, agent_process, stage, tour, traffic
from fleet import Fleet, address
from provision import Unavailable, runtimes
from provision import broker as brokers
from scripted_device import ScriptedDevice


def message(topic, **members):
    return traffic.tell("demo", topic, json.dumps(members).encode())


def test_traffic_is_told_in_words():
    assert message("limpet/demo/call", method="m", params={"a": 1}) == '-> demo  m {"a": 1}'
    assert message("limpet/demo/call", method="m") == "-> demo  m {}"
    assert message("limpet/reply/s/demo", device="demo", result=[1]) == "<- demo  [1]"
    error = {"code": "busy", "message": "later"}
    reply = message("limpet/reply/s/demo", device="demo", error=error)
    assert reply == "<- demo  error busy: later"
    status = message("limpet/demo/status", state="offline", clock="unset")
    assert status == "   demo  is offline, clock unset"
    assert message("limpet/demo/about", agent="1") == '   demo  about {"agent": "1"}'


def test_traffic_of_others_is_left_out():
    assert message("limpet/reply/s/other", device="other", result=1) is None
    assert traffic.tell("demo", "limpet/reply/s/other", b"{") is None


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_traffic_that_is_no_object_is_told_by_its_size(payload):
    line = traffic.tell("demo", "limpet/demo/call", payload)
    assert line == f"limpet/demo/call: {len(payload)} bytes that are no JSON object"


def test_a_command_is_spelled_as_a_person_types_it(monkeypatch, tmp_path):
    folder = os.path.dirname(tour.LIMPET)
    monkeypatch.chdir(os.path.dirname(folder))
    assert tour.spelling() == os.path.join(os.path.basename(folder), "limpet")
    monkeypatch.chdir(tmp_path)
    assert tour.spelling() == tour.LIMPET


@pytest.fixture
def said():
    return []


@pytest.fixture
def say(said):
    return lambda label, text: said.append((label, text))


def test_without_any_micropython_the_demo_runs_on_cpython_and_says_why(monkeypatch, said, say):
    cpython = runtimes.look("cpython")

    def get(name):
        if name == "cpython":
            return cpython
        raise Unavailable(f"{name} is out of reach")

    monkeypatch.setattr(stage.runtimes, "get", get)
    monkeypatch.setattr(stage.runtimes, "look", lambda name: cpython._replace(path=None))
    assert stage.choose_runtime(None, say) == cpython
    reasons = [text for label, text in said if not label]
    assert reasons == [
        "no micropython: micropython is out of reach",
        "no micropython-oldest: micropython-oldest is out of reach",
    ]
    assert said[-1][1].startswith("CPython 3.")


def test_a_runtime_that_was_asked_for_and_cannot_be_had_is_an_error(monkeypatch, say):
    def get(name):
        raise Unavailable("no such luck")

    monkeypatch.setattr(stage.runtimes, "get", get)
    with pytest.raises(DemoFailed, match="no such luck"):
        stage.choose_runtime("micropython", say)


def test_a_step_that_ends_with_another_status_fails_the_tour(monkeypatch):
    with brokers.start() as broker, ScriptedDevice(broker, "demo"):
        steps = (tour.Step("Is it there?", ("call", "{device}", "system.ping"), 1),)
        monkeypatch.setattr(tour, "STEPS", steps)
        shown = []
        with pytest.raises(DemoFailed, match="status 0, not 1"):
            tour.run(broker.url, "demo", lambda why, command: shown.append(shlex.split(command)))
    assert shown == [[tour.spelling(), "call", "demo", "system.ping"]]


def test_what_a_device_left_on_the_users_broker_is_taken_away():
    with brokers.start() as broker, Fleet(broker.url) as fleet:
        for name in ("demo-1", "other"):
            with ScriptedDevice(broker, name):
                pass
        stage.clear(address.parse(broker.url), "demo-1")
        assert list(fleet.devices()) == ["other"]


def test_clearing_a_broker_that_is_gone_is_no_error():
    with brokers.start() as broker:
        url = broker.url
    stage.clear(address.parse(url), "demo-1")


def write_script(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def anywhere():
    return address.parse("mqtt://ann:s3cret@127.0.0.1:1")


def test_an_agent_that_ends_is_told_with_the_end_of_its_log(tmp_path, anywhere):
    lines = ["seq 100", "echo 'cannot go on' >&2", "exit 7"]
    with agent_process.AgentProcess(write_script(tmp_path / "a", *lines), "d", anywhere) as agent:
        assert agent.wait(10) == 7
        with pytest.raises(DemoFailed) as caught:
            stage.fail_if_ended(agent)
    assert "status 7" in str(caught.value)
    assert str(caught.value).endswith("    100\n    cannot go on")
    assert "    50\n" not in str(caught.value)


def test_an_agent_that_does_not_listen_is_ended_all_the_same(tmp_path, anywhere, monkeypatch):
    endings = tuple((number, seconds and 0.2) for number, seconds in agent_process.ENDINGS)
    monkeypatch.setattr(agent_process, "ENDINGS", endings)
    lines = ["trap '' INT TERM", "echo up", "while :; do sleep 0.05; done"]
    with agent_process.AgentProcess(write_script(tmp_path / "a", *lines), "d", anywhere) as agent:
        while "up" not in agent.log_tail():
            assert agent.wait(0.02) is None
        pid = agent.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_agents_configuration_is_for_its_user_alone_and_goes_with_it(tmp_path, anywhere):
    script = write_script(tmp_path / "a", 'cat "$4"', "ls -ld $(dirname $4)", "exec sleep 30")
    with agent_process.AgentProcess(script, "d", anywhere) as agent:
        while "drwx" not in agent.log_tail():
            assert agent.wait(0.02) is None
        folder = os.path.dirname(agent.data)
        configuration, mode = agent.log_tail().split("drwx")
    assert json.loads(configuration)["mqtt"]["password"] == "s3cret"
    assert mode.startswith("------")
    assert not os.path.exists(folder)


def test_the_stage_notices_that_its_broker_ended(say):
    with stage.set_up(None, "cpython", say) as running:
        running.fail_if_ended()
        running.broker.kill()
        with pytest.raises(DemoFailed, match="the broker ended; its log says"):
            running.fail_if_ended()


def test_listening_tells_what_goes_to_the_device(say, capsys):
    with stage.set_up(None, "cpython", say) as running:
        link = traffic.listen(running)
        with Fleet(running.url) as fleet:
            fleet.call("demo", "system.echo", {"text": "\x1b[2J"})
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect(running.address.host, running.address.port)
        client.loop_start()
        client.publish("limpet/demo/end", b"{}", 1).wait_for_publish(10)
        client.loop_stop()
        out = ""
        while "end {}" not in out:
            running.fail_if_ended()
            out += capsys.readouterr().out
        link.close()
    assert '-> demo  system.echo {"text": "' in out
    assert '<- demo  {"text": "' in out
    assert "\x1b" not in out
