"""One caller floods a device with commands; another's come through, for real, on every runtime."""

import json
import queue
import statistics
import threading
import time

from conftest import PATIENCE_S, ROOT, Caller

ENTRY = [str(ROOT / "tests" / "e2e" / "working_agent.py")]
UNDER_WAY = 60  # of the flood: three times what the inbox takes
CALLS = 15


class Flood:
    """A caller who keeps UNDER_WAY calls of 10 ms each under way until the block ends."""

    def __init__(self, broker, device):
        self.caller = Caller(broker)
        self.device = device
        self.done = self.busy = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while self.busy < UNDER_WAY:  # the inbox is full, and more is asked for
            assert time.monotonic() < deadline, (self.done, self.busy)
            time.sleep(0.01)
        return self

    def __exit__(self, *_exception):
        self._stopped.set()
        self._thread.join()
        self.caller.close()

    def _run(self):
        number = 0
        while not self._stopped.is_set():
            number += 1
            self._ask(number)
            if number > UNDER_WAY:
                self._hear()

    def _ask(self, number):
        words = {"id": "flood-%08d" % number, "method": "work.tire", "reply": self.caller.topic}
        self.caller.client.publish(
            "limpet/%s/call" % self.device.name, json.dumps(words), 1
        )  # without waiting

    def _hear(self):
        try:
            reply = json.loads(self.caller.replies.get(timeout=1).payload)
        except queue.Empty:
            return
        if "result" in reply:
            self.done += 1
        else:
            assert reply["error"]["code"] == "busy", reply
            self.busy += 1


def test_a_flood_of_one_caller_does_not_stop_another(start_device, runtime, broker, caller5):
    for workers in (0, 1, 3) if runtime.threads == "gil" else (0,):
        device = start_device(runtime, entry=ENTRY, workers=workers)
        caller5.wait_for_state(device, "online")
        between = []
        with Flood(broker, device) as flood:
            for _ in range(CALLS):
                before = flood.done
                reply = caller5.call(device, "work.tire")
                assert "result" in reply, reply  # never busy
                between.append(flood.done - before)
        # In the order of arrival it would stand behind all that the inbox holds: 20.
        assert statistics.median(between) < 18, (workers, between)
        print("%s, %d workers: %s of the flood's between a call and its answer; %d done, %d busy"
              % (runtime.name, workers, between, flood.done, flood.busy))  # fmt: skip
        device.kill()
