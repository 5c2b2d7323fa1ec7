"""A device that sleeps, on a real broker: it says so, and does after each wake what was asked."""

import json
import os

import pytest
from conftest import PATIENCE_S, ROOT, Device
from fleet import Fleet, keys
from provision import runtimes

ENTRY = [str(ROOT / "tests/e2e/sleeping_agent.py")]
SLEEP = {"period_s": 600, "linger_s": 0.5}
RESTART = 75


class Sleeper(Device):
    """Its sleep is the end of its process, and lasts as long as a test likes."""

    def __init__(self, runtime, broker, folder, **changes):
        values = {"entry": ENTRY, "sleep": SLEEP, **changes}
        super().__init__(runtime, broker, folder, **values)

    def fall_asleep(self):
        """Wait until it sleeps."""
        assert self.process.wait(PATIENCE_S) == RESTART

    def close(self):
        """End it, and show what it said."""
        self.kill()
        print(self.log.read_text())


def request(caller, name):
    """A request for something that takes effect once, which waits at the broker."""
    params = {"name": name, "cron": "0 3 * * *", "method": "system.info"}
    words = {"id": name + "-123456789", "method": "schedule.add", "params": params, "ttl": 600}
    return json.dumps(dict(words, reply=caller.topic))


def test_what_is_asked_of_a_sleeping_device_is_done_after_its_wake(
    runtime, broker, tmp_path, caller
):
    device = Sleeper(runtime, broker, tmp_path)
    device.start()
    try:
        status = caller.wait_for_state(device, "sleeping")
        assert 590 <= status["next"] <= 600 and status["boot"] == 1
        device.fall_asleep()
        for name in ("one", "two"):
            caller.publish(device, request(caller, name))
        device.start()
        answers = [json.loads(caller.replies.get(timeout=PATIENCE_S).payload) for _ in range(2)]
        assert [answer["id"] for answer in answers] == ["one-123456789", "two-123456789"]
        assert all("result" in answer for answer in answers)
        assert caller.wait_for_state(device, "sleeping")["boot"] == 2
        device.fall_asleep()
        # Asked once more, as after a lost answer: the journal has it, over the sleep.
        caller.publish(device, request(caller, "one"))
        device.start()
        again = json.loads(caller.replies.get(timeout=PATIENCE_S).payload)
        assert (again["id"], again["result"]) == (answers[0]["id"], answers[0]["result"])
    finally:
        device.close()


@pytest.mark.parametrize("name", ["cpython", "micropython-gil"])
def test_a_sealed_request_left_for_it_is_done_after_its_wake(broker, tmp_path, name):
    device = Sleeper(runtimes.get(name), broker, tmp_path)
    ann = keys.new("ann")
    (tmp_path / "data").mkdir()
    words = {"keys": [ann.provision_for(device.name, ("read", "act"))]}
    (tmp_path / "data/keys.json").write_text(json.dumps(words))
    device.start()
    try:
        device.fall_asleep()
        with Fleet(broker.url, key=ann, timeout=PATIENCE_S) as fleet:
            assert fleet.device(device.name).state == "sleeping"
            params = {"name": "left", "cron": "0 3 * * *", "method": "system.info"}
            left = fleet.submit(device.name, "schedule.add", params)
            device.start()
            assert left.result()["name"] == "left"
            # Whoever asks keeps it awake: what follows is answered at once.
            assert "next" in fleet.call(device.name, "schedule.get", {"name": "left"})
    finally:
        device.close()


def test_a_schedule_is_what_it_wakes_for(broker, tmp_path, caller5):
    device = Sleeper(runtimes.get("cpython"), broker, tmp_path)
    device.start()
    try:
        caller5.wait_for_state(device, "online")
        params = {"name": "soon", "cron": "*/30 * * * * *", "method": "system.info"}
        assert "result" in caller5.call(device, "schedule.add", params)
        assert caller5.wait_for_state(device, "sleeping")["next"] <= 30
        device.fall_asleep()
    finally:
        device.close()


def test_a_channel_is_read_at_each_wake_and_its_samples_are_sent_before_the_sleep(
    broker, tmp_path, caller5
):
    channel = {"name": "load", "method": "system.info", "every_s": 600, "within_s": 3600}
    device = Sleeper(runtimes.get("micropython-gil"), broker, tmp_path, channels=[channel])
    caller5.follow("limpet/%s/data/load" % device.name)
    device.start()
    try:
        for boot in (1, 2):
            topic = None
            while topic != "limpet/%s/data/load" % device.name:
                topic = caller5.messages.get(timeout=PATIENCE_S).topic
            assert caller5.wait_for_state(device, "sleeping")["boot"] == boot
            device.fall_asleep()
            device.start()
    finally:
        device.close()


@pytest.mark.skipif(os.environ.get("LIMPET_SIZE") != "full", reason="it waits for real")
def test_a_real_sleep_ends_in_a_start(runtime, broker, tmp_path, caller5):
    options = {"period_s": 10, "linger_s": 0.5}
    device = Sleeper(runtime, broker, tmp_path, sleep=options, entry=["-m", "agent"])
    device.start()
    try:
        caller5.wait_for_state(device, "sleeping")
        device.fall_asleep()
        device.start()
        assert caller5.wait_for_state(device, "online")["boot"] == 2
    finally:
        device.close()
