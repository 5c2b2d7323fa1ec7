"""An update over a real broker: fetched, tried, confirmed; and a wrong one undone."""

import pytest
from update_yard import Slotted, Yard, wait_for_update


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


def new_version(number):
    """A one-line change of the agent: what it says of its version."""
    return {"agent/__init__.py": b'"""Limpet\'s agent."""\n\nVERSION = "0.%d.0"\n' % number}


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
