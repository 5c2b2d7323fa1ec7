"""Channels of samples in a running agent: declared ones, and an app's; on every runtime."""

import json

APP = """
from agent.apps import App
app = App()

@app.command("put", repeat="repeat")
def put(params):
    app.hands.sample("depth", 1.5)
"""


def test_declared_channels_and_apps_send_batches(start_device, runtime, caller5, tmp_path):
    row = {"name": "p", "method": "system.ping", "every_s": 0.1, "batch": 3, "within_s": 60}
    wrong = {"name": "q", "method": "system.restart", "every_s": 60}
    device = start_device(runtime, channels=[row, wrong])
    caller5.follow("limpet/%s/data/+" % device.name)
    caller5.wait_for_state(device, "online")
    message = caller5.messages.get(timeout=30)
    while not message.topic.endswith("/data/p"):
        message = caller5.messages.get(timeout=30)
    batch = json.loads(message.payload)
    assert batch["boot"] == 1 and len(batch["samples"]) == 3
    listed = caller5.call(device, "data.list")["result"]["channels"]
    assert listed[1]["error"]["code"] == "denied" and listed[0]["failed"] == 0
    folder = tmp_path / "device0" / "data" / "apps" / "well"
    folder.mkdir(parents=True)
    (folder / "app.json").write_text(json.dumps({"name": "well", "version": "1"}))
    (folder / "well.py").write_text(APP)
    caller5.call(device, "app.start", {"name": "well"})
    caller5.call(device, "well.put")
    listed = []
    while len(listed) < 3:  # it is the loop's next turn that takes it
        listed = caller5.call(device, "data.list")["result"]["channels"]
    read = caller5.call(device, "data.read", {"channel": "well.depth"})["result"]
    assert read["samples"][0][2] == 1.5
    flush = caller5.call(device, "data.flush", {"channel": "well.depth"})
    assert flush["result"] == {"batches": 1}
