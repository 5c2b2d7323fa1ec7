"""A whole update in a small device's heap: 32-bit ARM, from compiled files; at full size only."""

import json
import os
import subprocess

import pytest
from conftest import ROOT
from provision import Unavailable, runtimes
from releases import building
from update_yard import Yard

SCRIPT = ROOT / "tests/stress/update_heap.py"
MOST_KIB = 32  # over the idle agent


@pytest.fixture
def place(broker, tmp_path):
    """A device's slots, and a depot with a release that changes a module and brings another."""
    yard = Yard(tmp_path / "depot", broker, "h%d" % os.getpid())
    root = tmp_path / "root"
    root.mkdir()
    files = building.collect(str(ROOT), compiled=True)
    yard.release(1, files)
    yard.install(1, root)
    changed = dict(files)
    source = (ROOT / "agent/mqtt/link.py").read_bytes()
    (tmp_path / "link.py").write_bytes(source + b"\nREVISION = 7\n")
    data = building._compile(str(tmp_path / "link.py"), "agent/mqtt/link.py")
    changed["agent/mqtt/link.mpy"] = (data, "644")
    changed["agent/ballast.bin"] = (bytes(range(256)) * 200, "644")
    yard.release(2, changed, (1,))
    values = {"device": "pump", "data": str(tmp_path / "data"), "log": "error"}
    (root / "bare.json").write_text(json.dumps(values))
    values["update"] = {"keyring": yard.keyring, "channel": yard.channel}
    (root / "agent.json").write_text(json.dumps(values))
    yield yard, root
    yard.close()


def run(runtime, yard, root, mode, heap_kib, *more):
    """Run the script on slots as they were; the process that ended."""
    for name in ("state.0", "state.1"):
        kept = root / (name + ".kept")
        if kept.exists():
            (root / name).write_bytes(kept.read_bytes())
        elif (root / name).exists():
            kept.write_bytes((root / name).read_bytes())
    if not (root / "state.0.kept").exists():
        (root / "state.0").unlink(missing_ok=True)
    subprocess.run(["rm", "-rf", str(root / "b"), str(root / "parts")], check=True)
    command = [runtime.path, "-X", "heapsize=%dk" % heap_kib, str(SCRIPT), mode, str(root)]
    command += [yard.depot.folder, yard.channel, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=ROOT)


@pytest.mark.parametrize("name", ["micropython-armhf"])
def test_an_update_takes_no_more_than_32_kib_over_the_idle_agent(place, name):
    if os.environ.get("LIMPET_SIZE") != "full":
        pytest.skip("at full size only: minutes under the emulator")
    try:
        runtime = runtimes.get(name)
    except Unavailable as reason:
        pytest.skip(str(reason))
    yard, root = place
    done = run(runtime, yard, root, "update", 1024, "watched")
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.split()
    idle, most = int(words[1]), int(words[3])
    print("idle %d bytes in use, at most %d: %d more" % (idle, most, most - idle))
    assert most - idle <= MOST_KIB * 1024
    bare = run(runtime, yard, root, "bare", 1024).stdout.split()
    print("an agent without updates has %s" % bare[1])
