"""Apps in a running agent: the example, one that fails, one that is replaced; on every runtime."""

import json
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "tools" / "examples" / "greenhouse"

FAILING = """
from agent.apps import App
app = App()

@app.schedule(every=1, phase=0)
@app.command("tick", repeat="repeat")
def tick(params):
    raise ValueError("no pump")
"""


@pytest.fixture
def lay(tmp_path):
    """`lay(name, source)` lays an app into the data folder of the first device."""

    def put(name, source):
        folder = tmp_path / "device0" / "data" / "apps" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "app.json").write_text(json.dumps({"name": name, "version": "1"}))
        (folder / (name + ".py")).write_text(source)

    return put


@pytest.fixture
def restart(start_device, runtime, caller5):
    """`restart(device)` kills an agent and waits for the next boot, which finds what was laid."""

    def again(device):
        device.kill()
        caller5.wait_for_state(device, "offline")
        device.start()
        caller5.wait_for_state(device, "online")

    return again


def test_the_example_runs_as_it_stands(start_device, runtime, caller5, restart, tmp_path):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    place = tmp_path / "device0" / "data" / "apps" / "greenhouse"
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns("__pycache__"))
    restart(device)
    (app,) = caller5.call(device, "app.list")["result"]["apps"]
    assert (app["name"], app["state"], app["version"]) == ("greenhouse", "up", "1")
    refusal = caller5.call(device, "greenhouse.wetness")["error"]
    assert refusal["code"] == "unavailable" and "greenhouse.use tells" in refusal["message"]
    sensor = tmp_path / "soil"
    sensor.write_text("150\n")
    caller5.follow("limpet/%s/event/+" % device.name)
    told = caller5.call(device, "greenhouse.use", {"path": str(sensor)})
    assert told["result"] == {"wetness": 0.15}
    event = next_event(caller5, "greenhouse.dry")
    assert event == {"wetness": 0.15}
    restart(device)  # what was saved is there again
    assert caller5.call(device, "greenhouse.wetness")["result"] == {"wetness": 0.15}
    done = caller5.call(device, "greenhouse.water", {"seconds": 1}, reply_within=10)
    assert done["result"] == {"seconds": 1, "wetness": 0.15}
    kept = caller5.call(device, "schedule.list")["result"]["schedules"]
    assert [entry["name"] for entry in kept] == ["greenhouse-wetness"]
    assert caller5.call(device, "app.stop", {"name": "greenhouse"})["result"]["state"] == "stopped"
    assert caller5.call(device, "greenhouse.wetness")["error"]["code"] == "unknown-method"
    assert caller5.call(device, "schedule.list")["result"]["schedules"] == []


def test_an_app_whose_runs_fail_is_stopped_and_says_so(
    start_device, runtime, caller5, restart, lay
):
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    lay("failing", FAILING)
    lay("broken", "import nothing_of_that_name\n")
    caller5.follow("limpet/%s/event/+" % device.name)
    restart(device)
    told = {}
    while told.get("name") != "failing":  # that of the other may have come before the state
        told = next_event(caller5, "app")
    assert "5 runs in a row failed" in told["reason"] and "no pump" in told["traceback"]
    broken = caller5.call(device, "app.get", {"name": "broken"})["result"]
    assert broken["state"] == "failed" and "nothing_of_that_name" in broken["traceback"]
    assert caller5.call(device, "system.ping")["result"] == {}
    lay("failing", FAILING.replace('raise ValueError("no pump")', 'return {"n": 2}'))
    again = caller5.call(device, "app.replace", {"name": "failing"})
    assert again["result"]["state"] == "up"
    assert caller5.call(device, "failing.tick")["result"] == {"n": 2}


def next_event(caller, name):
    """The next event of that name, as a dict."""
    while True:
        message = caller.messages.get(timeout=30)
        if message.topic.endswith("/event/" + name) and message.payload:
            return json.loads(message.payload)
