"""An agent that brings its network up itself, on a real broker: it comes, goes, and comes back."""

import json

from conftest import ROOT, Device


def test_the_agent_joins_loses_and_finds_its_network_again(runtime, broker, tmp_path, caller5):
    air = tmp_path / "air.json"
    air.write_text("{}")
    wifi = [{"ssid": "home", "password": "password-1"}, {"ssid": "site", "password": "password-2"}]
    entry = [str(ROOT / "tests/e2e/networked_agent.py"), str(air)]
    device = Device(runtime, broker, tmp_path, entry=entry, network={"wifi": wifi, "join_s": 5})
    device.start()
    try:
        replace(air, {"site": "password-2"})
        caller5.wait_for_state(device, "online")
        network = caller5.call(device, "system.info")["result"]["network"]
        assert (network["up"], network["ssid"], network["losses"]) == (True, "site", 0)
        replace(air, {})
        caller5.wait_for_state(device, "offline")  # the broker tells the will
        replace(air, {"home": "password-1"})
        caller5.wait_for_state(device, "online")
        network = caller5.call(device, "system.info")["result"]["network"]
        assert (network["ssid"], network["losses"]) == ("home", 1)
        shown = json.dumps(caller5.call(device, "config.get")["result"])
        assert "home" in shown and "password-1" not in shown
    finally:
        device.kill()
        print(device.log.read_text())
    assert "password-1" not in device.log.read_text()


def replace(path, air):
    """Other access points, at once."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(air))
    new.rename(path)
