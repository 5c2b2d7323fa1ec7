"""limpetd replaced by an update: tried, confirmed; and one that does not start is not tried."""

import os
import shutil

import pytest
from firmwares import linux
from provision import Unavailable
from update_yard import Slotted, Yard, wait_for_update

MACHINE = "x86-64"


class Native:
    """limpetd for this machine, as a runtime."""

    name, path = "limpetd", ""


@pytest.fixture
def limpetd(broker, tmp_path, caller5):
    """A device that runs limpetd from its slot, and the yard that serves it."""
    if os.environ.get("LIMPET_SIZE") != "full":
        pytest.skip("at full size only: limpetd is built for this machine")
    try:
        program = linux.program(MACHINE)
    except Unavailable as reason:
        pytest.skip(str(reason))
    yard = Yard(tmp_path / "depot", broker, "image%d" % os.getpid())
    device = Slotted(Native, broker, tmp_path, yard)
    with open(program, "rb") as file:
        data = file.read()
    image(yard, 1, data)
    yard.install(1, device.root)
    runtime = tmp_path / "limpetd"
    shutil.copy(device.root / "a/limpetd", runtime)
    runtime.chmod(0o755)
    device.runtime = type("Placed", (), {"name": "limpetd", "path": str(runtime)})
    device.entry = ["--heap", "1m", "--slots", str(device.root)]
    caller5.follow("limpet/%s/event/update" % device.name)
    device.start()
    yield device, yard, data
    device.stop()
    yard.close()
    print(device.log.read_text(errors="replace")[-3000:])


def image(yard, sequence, data, mode="755"):
    """A signed release of one executable."""
    return yard.release(sequence, {"limpetd": (data, mode)})


def test_an_image_is_replaced_and_one_that_does_not_start_is_not(limpetd, caller5):
    device, yard, data = limpetd
    caller5.wait_for_state(device, "online")
    yard.publish(image(yard, 2, data + b"another one"))
    words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
    assert (words["sequence"], words["slot"]) == (2, "b")
    with open(device.runtime.path, "rb") as file:
        assert file.read() == data + b"another one"
    yard.publish(image(yard, 3, data[: len(data) // 2]))
    words = wait_for_update(caller5, device, lambda words: words["failed"] == 3)
    assert words["state"] == "failed" and "--self-test ends with" in words["reason"]
    assert caller5.call(device, "update.status")["result"]["sequence"] == 2
