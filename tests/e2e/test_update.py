"""An update over a real broker: fetched, tried, confirmed; and a wrong one undone."""

import os
import random
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from faulty.wire import TO_CLIENT, Fault, Wire
from provision import runtimes
from releases import publishing
from update_yard import PRODUCT, Slotted, Yard, new_version, wait_for_update

from agent.update.depot_mqtt import WINDOW
from agent.update.tree import UNIT, stream_bytes

USUAL = ("cpython", "micropython-gil")
SEED = 20261124


@pytest.fixture
def yard(broker, tmp_path, request):
    """A depot served on the broker."""
    made = Yard(tmp_path / "depot", broker, "c%d" % abs(hash(request.node.nodeid)))
    yield made
    made.close()


@pytest.fixture
def slotted(broker, tmp_path, yard, caller5):
    """`slotted(runtime, **changes)`: a device with release 1 in its slot, started."""
    started = []

    def start(runtime, **changes):
        folder = tmp_path / "device"
        folder.mkdir()
        device = Slotted(runtime, changes.pop("on", broker), folder, yard, **changes)
        yard.build(1, runtime.name != "cpython")
        yard.install(1, device.root)
        caller5.follow("limpet/%s/event/update" % device.name)
        device.start()
        started.append(device)
        return device

    yield start
    for device in started:
        device.stop()
        print(device.log.read_text(errors="replace")[-6000:])


@pytest.fixture
def some_runtime(runtime):
    """Two runtimes at the usual size, every one at full size."""
    if os.environ.get("LIMPET_SIZE") != "full" and runtime.name not in USUAL:
        pytest.skip("at full size only")
    return runtime


def test_a_release_is_fetched_tried_and_confirmed(slotted, runtime, yard, caller5):
    device = slotted(runtime)
    caller5.wait_for_state(device, "online")
    yard.publish(yard.build(2, runtime.name != "cpython", new_version(2), since=(1,)))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    assert words["sequence"] == 2 and words["slot"] == "b"
    assert caller5.call(device, "system.info")["result"]["agent"] == "0.2.0"
    status = caller5.call(device, "update.status")["result"]
    assert status["other"] == {"kind": "previous", "sequence": 1, "tries": 0}
    assert device.starts == 2


def read(path):
    """A file of this tree."""
    return (ROOT / path).read_bytes()


def test_a_release_that_raises_at_import_goes_back_with_its_reason(
    slotted, some_runtime, yard, caller5
):
    device = slotted(some_runtime)
    caller5.wait_for_state(device, "online")
    broken = {"agent/app.py": b"raise RuntimeError('broken on purpose')\n"}
    yard.publish(yard.build(2, some_runtime.name != "cpython", broken))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "rolled-back")
    assert words["failed"] == 2 and words["slot"] == "a"
    assert "not-confirmed" in words["reason"] and "broken on purpose" in words["reason"]
    assert caller5.call(device, "update.check")["result"]["state"] == "rolled-back"
    assert device.starts == 5  # itself, three trials, and back
    yard.publish(yard.build(3, some_runtime.name != "cpython", new_version(3)))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    assert words["sequence"] == 3


def test_a_release_that_never_connects_goes_back_with_its_reason(
    slotted, some_runtime, yard, caller5
):
    device = slotted(some_runtime, update={"within_s": 5, "tries": 1})
    caller5.wait_for_state(device, "online")
    deaf = b"""


class Tcp(Tcp):
    def open(self):
        from agent.mqtt.faults import TransportError

        raise TransportError("refused", "on purpose")
"""
    changes = {"agent/mqtt/tcp.py": read("agent/mqtt/tcp.py") + deaf}
    yard.publish(yard.build(2, some_runtime.name != "cpython", changes))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "rolled-back")
    assert words["failed"] == 2 and words["reason"] == "no-health: lacks a connection"


def test_a_release_that_connects_and_hangs_goes_back(slotted, some_runtime, yard, caller5):
    device = slotted(some_runtime, update={"healthy_s": 60, "within_s": 120, "tries": 1})
    start = device.root / "limpet_start.py"
    caller5.wait_for_state(device, "online")
    text = start.read_text()
    start.write_text(text.replace("STALLED_S = 60", "STALLED_S = 4"))
    hanging = b"""

_connected = Agent._on_connected


def _hang(self, event):
    _connected(self, event)
    self.link.send(self.clock.now())
    self.log.info("hanging on purpose")
    while True:
        pass


Agent._on_connected = _hang
"""
    changes = {"agent/app.py": read("agent/app.py") + hanging}
    yard.publish(yard.build(2, some_runtime.name != "cpython", changes))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "rolled-back")
    assert words["failed"] == 2 and words["reason"] == "not-confirmed"
    assert "hanging on purpose" in device.log.read_text(errors="replace")


def test_a_release_comes_over_a_link_that_is_cut_fifty_times(
    slotted, some_runtime, yard, caller5, broker
):
    source = random.Random(SEED)
    print("seed", SEED)
    faults = [Fault("cut", TO_CLIENT, source.randrange(3000, 9000)) for _ in range(50)]
    wire = Wire(broker.host, broker.port, faults)
    device = slotted(some_runtime, on=wire)
    caller5.wait_for_state(device, "online")
    changes = {**new_version(2), "agent/ballast.bin": source.randbytes(300_000)}
    yard.publish(yard.build(2, some_runtime.name != "cpython", changes, since=(1,)))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    assert words["sequence"] == 2 and wire.met == 50
    assert caller5.call(device, "system.info")["result"]["agent"] == "0.2.0"


def test_a_release_comes_over_http(slotted, some_runtime, yard, caller5):
    server = publishing.serve_http(yard.depot, 0)
    url = "http://127.0.0.1:%d/depot" % server.server_address[1]
    device = slotted(some_runtime, update={"url": url})
    caller5.wait_for_state(device, "online")
    changes = {**new_version(2), "agent/ballast.bin": random.Random(SEED).randbytes(100_000)}
    yard.publish(yard.build(2, some_runtime.name != "cpython", changes))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    assert words["sequence"] == 2 and not yard.server.given
    server.shutdown()


@pytest.mark.parametrize("name", ["cpython", "micropython-gil"])
def test_a_megabyte_is_resumed_after_twenty_kills(slotted, yard, caller5, name):
    source = random.Random(SEED)
    runtime = runtimes.get(name)
    device = slotted(runtime)
    caller5.wait_for_state(device, "online")
    image = source.randbytes(1 << 20)
    data = yard.build(2, name != "cpython", {"agent/ballast.bin": image}, since=(1,))
    size = stream_bytes(len(image))
    part = device.root / "parts"
    marks = sorted(source.randrange(1, size) for _ in range(20))
    yard.publish(data)
    for mark in marks:
        until = time.monotonic() + 60
        while not any(one.stat().st_size > mark for one in part.glob("*")):
            assert time.monotonic() < until
            time.sleep(0.002)
        device.process.kill()
    wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    again = yard.server.given[max(yard.server.given, key=yard.server.given.get)] - size
    print("%d bytes sent again for 20 kills" % again)
    assert again <= 20 * (WINDOW + UNIT)


def test_a_release_without_an_app_that_is_required_goes_back_with_that_reason(
    slotted, some_runtime, yard, caller5
):
    device = slotted(some_runtime, update={"within_s": 5, "tries": 1})
    caller5.wait_for_state(device, "online")
    app = {
        "apps/garden/app.json": b'{"name": "garden", "version": "1", "required": true}',
        "apps/garden/garden.py": b"raise ValueError('no pump on purpose')\n",
    }
    yard.publish(yard.build(2, some_runtime.name != "cpython", app))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "rolled-back")
    assert words["failed"] == 2 and words["slot"] == "a"
    assert words["reason"].startswith("no-health: lacks app garden: ")
    assert "no pump on purpose" in words["reason"]


def limpet(broker, *words):
    """Run the command line; (status, what it printed)."""
    command = [sys.executable, str(ROOT / "tools/limpet"), *map(str, words)]
    command += ["--broker", broker.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


def test_limpet_update_follows_it_through_the_restart_to_its_end(
    slotted, some_runtime, yard, caller5, broker
):
    device = slotted(some_runtime, update={"policy": "ask"})
    caller5.wait_for_state(device, "online")
    is_compiled = some_runtime.name != "cpython"
    yard.build(2, is_compiled, new_version(2), since=(1,))
    folder = os.path.join(yard.depot.folder, "releases", PRODUCT, yard.channel)
    status, told = limpet(broker, "update", device.name, os.path.join(folder, "2"))
    assert (status, "runs release 2, slot b" in told) == (0, True), told
    assert limpet(broker, "update", device.name, "--rollback")[0] == 0
    wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    yard.build(3, is_compiled, {"agent/app.py": b"raise RuntimeError('broken on purpose')\n"})
    status, told = limpet(broker, "update", device.name, os.path.join(folder, "3"))
    assert status == 1 and "not-taken: not-confirmed" in told and "broken on purpose" in told
    assert caller5.call(device, "update.status")["result"]["slot"] == "a"
