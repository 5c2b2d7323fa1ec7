"""Apps brought by releases of their own, as a technician does it; the agent is never restarted."""

import json
import random
import shutil
import subprocess
import sys

import pytest
from conftest import PATIENCE_S, ROOT, Device
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faulty.wire import TO_CLIENT, Fault, Wire
from provision import runtimes
from releases import building, keys, publishing, signing
from releases.depot import Depot
from update_yard import FAR

from agent.update import release

EXAMPLE = ROOT / "tools" / "examples" / "greenhouse"
SEED = 20261125
PASSPHRASE = "of some length"


def limpet(broker, *words, status=0):
    """Run the command line; what it printed."""
    command = [sys.executable, str(ROOT / "tools/limpet"), *map(str, words)]
    done = subprocess.run(
        [*command, "--broker", broker.url], capture_output=True, text=True, timeout=6 * PATIENCE_S
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def device(start_device, runtime, caller5):
    """A device that keeps an app after a second of health."""
    made = start_device(runtime, apps={"healthy_s": 1, "within_s": 5})
    caller5.wait_for_state(made, "online")
    return made


@pytest.fixture
def mine(tmp_path):
    """A copy of the example, to change."""
    place = tmp_path / "greenhouse"
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def change(place, version, old="", new=""):
    """Another version of an app."""
    words = json.loads((place / "app.json").read_text())
    (place / "app.json").write_text(json.dumps(dict(words, version=version)))
    source = (place / "greenhouse.py").read_text()
    assert old in source
    (place / "greenhouse.py").write_text(source.replace(old, new))


def test_an_app_is_installed_replaced_undone_and_removed(device, broker, caller5, mine):
    name = device.name
    denied = limpet(broker, "app", "install", name, mine, status=1)
    assert "policy.set code=true" in denied
    caller5.call(device, "policy.set", {"code": True})
    boot = caller5.call(device, "system.info")["result"]["boot"]
    assert "greenhouse 1  up  release 1" in limpet(broker, "app", "install", name, mine)
    schedules = caller5.call(device, "schedule.list")["result"]["schedules"]
    assert [one["name"] for one in schedules] == ["greenhouse-wetness"]
    change(mine, "2", "DRY = 0.2", "DRY = 0.3")
    assert "greenhouse 2  up  release 2" in limpet(broker, "app", "install", name, mine)
    change(mine, "3", "app = App()", "app = App()\nraise ValueError('no pump on purpose')")
    told = limpet(broker, "app", "install", name, mine, status=1)
    assert "app-failed" in told and "no pump on purpose" in told
    listed = limpet(broker, "app", "ls", name)
    assert "greenhouse  up     2        2" in listed and "no pump on purpose" in listed
    change(mine, "4", "\nraise ValueError('no pump on purpose')")
    assert "greenhouse 4  up  release 4" in limpet(broker, "app", "install", name, mine)
    assert "release 2" in limpet(broker, "app", "rollback", name, "greenhouse")
    assert "stopped" in limpet(broker, "app", "stop", name, "greenhouse")
    assert "up" in limpet(broker, "app", "start", name, "greenhouse")
    assert caller5.call(device, "greenhouse.wetness")["error"]["code"] == "unavailable"
    device.kill()
    caller5.wait_for_state(device, "offline")
    device.start()
    caller5.wait_for_state(device, "online")
    (app,) = caller5.call(device, "app.list")["result"]["apps"]
    assert (app["state"], app["version"], app["release"]["sequence"]) == ("up", "2", 2)
    limpet(broker, "app", "rm", name, "greenhouse")
    assert caller5.call(device, "app.list")["result"]["apps"] == []
    assert caller5.call(device, "greenhouse.wetness")["error"]["code"] == "unknown-method"
    assert caller5.call(device, "system.info")["result"]["boot"] == boot + 1  # by the kill alone


class Trusted:
    """A depot of apps, and the keyring that a device believes."""

    def __init__(self, folder):
        self.folder = folder
        self.depot = Depot(str(folder / "depot"))
        self.key_file = folder / "release.pem"
        keys.make(str(self.key_file), PASSPHRASE.encode())
        self.key = keys.load(str(self.key_file), PASSPHRASE.encode())
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        root = Ed25519PrivateKey.generate()
        roles = [release.Role(1, (keys.public_hex(key),)) for key in (root, self.key)]
        body = release.encode_keyring(release.Keyring("apps", 1, FAR, *roles))
        self.keyring = self.depot.write(signing.sign(body, root), "keyrings", "apps", 1)

    def build(self, sequence, place, key=None):
        """A signed release of an app's folder: the path of its description."""
        words = {
            "product": "app-greenhouse", "channel": "stable", "version": "%d" % sequence,
            "sequence": sequence, "floor": 0, "expires": FAR, "keyring": 1, "needs": (),
        }  # fmt: skip
        inner = sorted(one.name for one in place.iterdir())
        path = building.build(self.depot, building.collect(str(place), inner), words)
        with open(path, "rb") as file:
            data = signing.sign(file.read(), key or self.key)
        with open(path, "wb") as file:
            file.write(data)
        return path


@pytest.fixture
def trusted(tmp_path):
    """See above."""
    return Trusted(tmp_path)


def test_a_signed_app_needs_no_permission_for_code_and_another_key_is_refused(
    broker, start_device, caller5, runtime, trusted, mine
):
    device = start_device(runtime, apps={"healthy_s": 0, "keyring": trusted.keyring})
    caller5.wait_for_state(device, "online")
    path = trusted.build(3, mine)
    assert "release 3" in limpet(broker, "app", "install", device.name, path)
    signer = ("--sign", trusted.key_file, "--passphrase-file", trusted.folder / "passphrase")
    assert "release 4" in limpet(broker, "app", "install", device.name, mine, *signer)
    wrong = trusted.build(5, mine, Ed25519PrivateKey.generate())
    told = limpet(broker, "app", "install", device.name, wrong, status=1)
    assert "bad-release" in told and "by keys known here" in told
    old = trusted.build(2, mine)
    assert "not-newer" in limpet(broker, "app", "install", device.name, old, status=1)
    assert caller5.call(device, "app.list")["result"]["apps"][0]["release"]["sequence"] == 4


def next_state(caller, holds):
    """The next state of a job for which it holds."""
    while True:
        message = caller.messages.get(timeout=3 * PATIENCE_S)
        if "/job/" in message.topic and message.payload:
            state = json.loads(message.payload)
            if holds(state):
                return state


@pytest.mark.parametrize("name", ["cpython", "micropython-gil"])
def test_an_app_comes_over_a_link_that_is_cut_and_an_agent_that_is_killed(
    broker, tmp_path, caller5, trusted, mine, name
):
    (mine / "ballast.bin").write_bytes(random.Random(SEED).randbytes(60_000))
    source = random.Random(SEED)
    faults = [Fault("cut", TO_CLIENT, source.randrange(3000, 9000)) for _ in range(10)]
    wire = Wire(broker.host, broker.port, faults)
    folder = tmp_path / "device0"
    folder.mkdir()
    options = {"healthy_s": 0, "keyring": trusted.keyring, "rate": 20000}
    device = Device(runtimes.get(name), wire, folder, apps=options)
    server = publishing.Server(trusted.depot, broker.host, broker.port).start()
    try:
        device.start()
        caller5.wait_for_state(device, "online")
        with open(trusted.build(1, mine)) as file:
            params = {"release": file.read(), "downgrade": False}
        caller5.follow("limpet/%s/job/+" % device.name)
        caller5.call(device, "app.install", params, reply_within=0)
        state = next_state(caller5, lambda state: (state["progress"] or 0) > 0.3)
        assert state["phase"] == "fetching"
        device.kill()
        device.start()
        state = next_state(caller5, lambda state: state["state"] not in ("accepted", "running"))
        assert state["state"] == "done" and state["result"]["sequence"] == 1
        assert caller5.call(device, "greenhouse.wetness")["error"]["code"] == "unavailable"
    finally:
        device.kill()
        server.close()
        print(device.log.read_text(errors="replace")[-4000:])
