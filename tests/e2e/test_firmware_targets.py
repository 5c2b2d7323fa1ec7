"""limpetd for every machine it is built for: it tests itself, and answers over MQTT.

Building all of them takes minutes: one is built at the usual size, the others at full size.
"""

import json
import os
import subprocess
from types import SimpleNamespace

import pytest
from firmwares import linux, targets
from provision import Unavailable, package

USUAL = ("x86-64",)  # armhf has test_firmware.py
FULL = os.environ.get("LIMPET_SIZE") == "full"
SUITE = "aarch64"  # that runs the portable tests too, at full size


@pytest.fixture(scope="module", params=[name for name in targets.TARGETS if name != "armhf"])
def limpetd(request):
    """(target, the words that run its file)."""
    if request.param not in USUAL and not FULL:
        pytest.skip("at full size only")
    try:
        emulator = targets.TARGETS[request.param].emulator
        words = package.emulator("qemu-user-static", emulator) if emulator else []
        return request.param, [*words, linux.program(request.param)]
    except Unavailable as reason:
        pytest.skip(str(reason))


def run(words, *arguments, timeout=300):
    return subprocess.run(
        [*words, *arguments], capture_output=True, text=True, timeout=timeout, cwd=linux.ROOT
    )


def test_its_self_test_passes(limpetd):
    done = run(limpetd[1], "--self-test")
    assert done.returncode == 0 and "FAILED" not in done.stdout, done


def test_it_comes_online_and_answers(limpetd, broker, caller5, tmp_path):
    target, words = limpetd
    device = SimpleNamespace(name="limpetd-" + target)
    config = tmp_path / "agent.json"
    values = {"device": device.name, "data": str(tmp_path), "mqtt": {"port": broker.port}}
    config.write_text(json.dumps(values))
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([*words, "--config", str(config)], stdout=log, stderr=log)
    try:
        caller5.wait_for_state(device, "online")
        assert caller5.call(device, "system.ping")["result"] == {}
    finally:
        process.kill()
        process.wait()
        print((tmp_path / "log").read_text(errors="replace"))


def test_the_portable_tests_pass_in_it(limpetd):
    target, words = limpetd
    if not FULL or target != SUITE:
        pytest.skip("at full size, in one of them")
    options = ("--python", "-X", "heapsize=4m", "tests/run.py", "--frozen")
    done = run(words, *options, timeout=1800)
    assert done.returncode == 0, done.stdout[-5000:]
