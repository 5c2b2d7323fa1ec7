"""`limpet rollout` with real agents: one device after the other, and a wrong release stops it."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT
from fleet.rollout import Plan
from provision import runtimes
from update_yard import Slotted, Yard, new_version

LIMPET = [sys.executable, str(ROOT / "tools" / "limpet"), "rollout"]
PATIENCE_S = 150


@pytest.fixture
def yard(broker, tmp_path):
    """A depot served on the broker, which tells nobody what it has."""
    made = Yard(tmp_path / "depot", broker, "rollout")
    yield made
    made.close()


def test_one_after_the_other_takes_it_and_a_wrong_release_stops_at_the_first(
    broker, yard, caller5, tmp_path
):
    yard.build(1, False)
    devices = {}
    for runtime in (runtimes.get("cpython"), runtimes.get("micropython-gil")):
        folder = tmp_path / runtime.name
        folder.mkdir()
        options = {"policy": "ask", "tries": 1}
        device = Slotted(runtime, broker, folder, yard, update=options)
        yard.install(1, device.root)
        devices[device.name] = device
        device.start()
        caller5.wait_for_state(device, "online")
    try:
        good, bad = tmp_path / "2.release", tmp_path / "3.release"
        good.write_bytes(yard.build(2, False, new_version(2)))
        broken = {"agent/app.py": b"raise RuntimeError('broken on purpose')\n"}
        bad.write_bytes(yard.build(3, False, broken))
        done = bring(broker, good, devices)
        assert done.returncode == 0, done.stdout + done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one["device"] for one in told if one["state"] == "done"] == Plan(devices, 2).order
        for device in devices.values():
            assert caller5.call(device, "system.info")["result"]["agent"] == "0.2.0"
        for _ in range(2):  # taken up again, it stays stopped
            done = bring(broker, bad, devices)
            first, second = Plan(devices, 3).order
            failed = [one for one in map(json.loads, done.stdout.splitlines())
                      if one["state"] == "failed"]  # fmt: skip
            assert done.returncode == 1 and [one["device"] for one in failed] == [first], done
            assert "broken on purpose" in failed[0]["text"]
        status = caller5.call(devices[second], "update.status")["result"]
        assert (status["sequence"], status["failed"], status["last"]) == (2, None, None)
    finally:
        for device in devices.values():
            device.stop()
            print(device.log.read_text(errors="replace")[-3000:])


def bring(broker, release, names):
    """Run the command to its end."""
    words = [*LIMPET, str(release), *names, "--waves", "50,100", "--json", "--broker", broker.url]
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S
    )
