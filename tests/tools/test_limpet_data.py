"""`limpet data`: channels and samples of a scripted device, as a shell sees them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_device import Refuse, ScriptedDevice

LIMPET = [sys.executable, str(Path(__file__).parents[2] / "tools" / "limpet")]
NOON_MS = 1795176000250  # 2026-11-20T12:00:00.250Z


def read(_device, request):
    if request["params"]["channel"] != "level":
        raise Refuse("bad-params", "channel: none is called so")
    return {"boot": 3, "samples": [[4500, "restored", 1], [NOON_MS, "synced", {"a": 2}]]}


SCRIPT = {
    "data.read": read,
    "data.list": lambda _device, _request: {"channels": [
        {"name": "level", "taken": 9, "waiting": 2, "dropped": 1, "failed": 3, "batches": 1,
         "method": "adc.read", "error": {"code": "unavailable", "message": "no \x1b[31m adc"}},
        {"name": "well.depth", "taken": 0, "waiting": 0, "dropped": 0, "failed": 0},
    ]},
}  # fmt: skip


@pytest.fixture
def device(broker):
    with ScriptedDevice(broker, "pump-7", SCRIPT) as running:
        yield running


def environment(broker):
    return dict(os.environ, LIMPET_BROKER=broker.url, COLUMNS="200")


def limpet(broker, *arguments):
    command = [*LIMPET, "data", "pump-7", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=environment(broker)
    )


def test_channels_are_listed_with_how_they_fare(broker, device):
    done = limpet(broker)
    head, first, second = done.stdout.splitlines()
    assert head.split()[:5] == ["CHANNEL", "TAKEN", "WAITING", "DROPPED", "FAILED"], done
    assert first.split()[:6] == ["level", "9", "2", "1", "3", "adc.read"]
    assert "unavailable: no \\u001b[31m adc" in first
    assert second.split() == ["well.depth", "0", "0", "0", "0", "an", "app's", "-"]


def test_the_newest_samples_come_with_their_times(broker, device):
    first, second = limpet(broker, "level").stdout.splitlines()
    assert first.split() == ["4.500", "s", "1"]
    assert second == '2026-11-20T12:00:00.250Z  {"a":2}'
    rows = [json.loads(line) for line in limpet(broker, "level", "--json").stdout.splitlines()]
    assert rows[0] == {"boot": 3, "uptime_ms": 4500, "value": 1}
    assert rows[1] == {"boot": 3, "unix_ms": NOON_MS, "value": {"a": 2}}


def test_an_unknown_channel_and_a_wrong_line_are_told(broker, device):
    done = limpet(broker, "nothing")
    assert done.returncode == 1 and "none is called so" in done.stderr
    for words in (["-f"], ["a/b"], ["+"]):
        done = limpet(broker, *words)
        assert done.returncode == 2 and "--help" in done.stderr, done


def batch(first, values, boot=3, at=NOON_MS):
    rows = [[at + number, "synced", value] for number, value in enumerate(values)]
    return json.dumps({"boot": boot, "first": first, "samples": rows}).encode()


def test_each_sample_is_followed_once_and_gaps_are_told(broker, device):
    command = [*LIMPET, "data", "pump-7", "level", "-f", "--json"]
    follower = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(broker)
    )
    try:
        lines = [json.loads(follower.stdout.readline()) for _ in range(2)]
        for payload in (
            batch(0, [{"a": 2}, 11]),  # its first was shown already
            batch(0, [{"a": 2}, 11]),  # a copy
            b"no JSON", b"{}", b'{"first": 9, "samples": [3, [1, 2]]}',
            batch(4, [14]),
            batch(0, [20], 4),
        ):  # fmt: skip
            device.client.publish("limpet/pump-7/data/level", payload, 1)
        lines += [json.loads(follower.stdout.readline()) for _ in range(3)]
    finally:
        follower.terminate()
        told = follower.communicate(timeout=30)[1]
    assert [line["value"] for line in lines] == [1, {"a": 2}, 11, 14, 20]
    assert "2 samples did not come" in told and "restarted: boot 4" in told
