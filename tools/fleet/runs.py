"""A command under way on a device, with its output as it comes and its input as it goes.

Rule: output is whole and in order, or what is missing is told; input is sent as far as the device
asks for it. The device numbers its messages, so a copy of one changes nothing.
"""

import contextlib
import json
import queue
import threading
import time

from . import jobs
from .calls import new_id
from .errors import FleetError

REPLY_WITHIN_S = 3600  # the longest that a device takes; what runs longer is followed as a job
END_S = 5.0  # how long the last output may take after the answer
CANCEL_S = 10.0
OUT, ERR = 1, 2


class Run:
    """`with Run(fleet, "pump-7", "shell.run", {"arguments": ["ls"], "split": True}) as run:`

    Then `for kind, data in run.pieces(): ...`, and `run.result()`. `kind` is OUT or ERR. `lasts_s`
    is how long the command may take. `reply_within` is for tests.
    """

    def __init__(
        self, fleet, device, method, params, lasts_s=REPLY_WITHIN_S, reply_within=REPLY_WITHIN_S
    ):
        self.id = new_id()
        self.device = device
        self.lost = 0  # messages of output that did not come
        self._fleet = fleet
        self._method = method
        self._params = dict(params, split=True)
        self._lasts_s = lasts_s
        self._reply_within = reply_within
        self._queue = queue.SimpleQueue()
        self._next = 0
        self._unframed = b""
        self._ended = False
        self._input = _Input(self)
        self.call = None
        self._follower = self._result = self._error = None

    def __enter__(self):
        self._fleet.device(self.device)  # its status says what to seal for
        self._fleet.tap(self.device, f"stream/{self.id}/out", self._take)
        try:
            self.call = self._fleet.submit(
                self.device, self._method, self._params, id=self.id,
                ttl=self._fleet.timeout, timeout=self._lasts_s + self._fleet.timeout,
                members={"reply_within": self._reply_within},
            )  # fmt: skip
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception):
        self._fleet.untap(self.device, f"stream/{self.id}/out")

    def pieces(self):
        """Yield (OUT or ERR, bytes) as they come, until the command has ended."""
        until = None
        while not self._ended:
            try:
                yield self._queue.get(timeout=0.05)
                continue
            except queue.Empty:
                pass
            if self._is_over():
                # Something that never spoke has no stream, and no last message either.
                until = until or time.monotonic() + (END_S if self._next else 0.2)
                if time.monotonic() > until:
                    break
        while not self._queue.empty():
            yield self._queue.get()

    def _is_over(self):
        """Whether its end was told. What outlasts REPLY_WITHIN_S is answered as a job, whose end
        is then waited for beside the output."""
        if not self.call.done():
            return False
        if self._follower is None:
            self._follower = threading.Thread(target=self._follow, daemon=True)
            self._follower.start()
        return not self._follower.is_alive()

    def _follow(self):
        try:
            self._result = self.call.result()
            name = jobs.name_in(self._result)
            if name is not None:
                self._result = jobs.follow(self._fleet, self.device, name, self._method)
        except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
            self._error = error

    def result(self):
        """What the device answers. Raises as `Call.result` does."""
        self.call.wait(self._lasts_s + self._fleet.timeout)
        if not self.call.done():
            return self.call.result()  # which says that no answer came
        self._is_over()
        self._follower.join()
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self):
        """Ask for its end, and do not wait for it: the command's own answer tells."""
        with contextlib.suppress(FleetError):
            self._fleet.submit(self.device, "job.cancel", {"job": self.id}, timeout=CANCEL_S)

    def send(self, data):
        """Send input, or its end where there is no data. Waits until the device wants it.

        Returns False if the command has ended.
        """
        return self._input.send(data)

    def publish(self, number, data, is_last):
        words = {"n": number, "end": True} if is_last else {"n": number}
        payload = json.dumps(words).encode() + b"\n" + data
        self._fleet.send(self.device, f"stream/{self.id}/in", payload)

    def _take(self, body):
        line, _, data = body.partition(b"\n")
        try:
            words = json.loads(line)
            number = words["n"]
        except (ValueError, TypeError, KeyError):
            return
        if not isinstance(number, int) or number < self._next:
            return  # a copy
        if number > self._next:
            # A frame may be cut in two: what is behind a gap cannot be told apart any more.
            self.lost += number - self._next
            self._unframed = b""
        self._next = number + 1
        if isinstance(words.get("want"), int):
            self._input.wanted(words["want"], words.get("bytes"))
        if not self.lost:
            self._unframe(data)
        if words.get("end") is True:
            self._ended = True

    def _unframe(self, data):
        self._unframed += data
        while len(self._unframed) >= 3:
            kind, size = self._unframed[0], int.from_bytes(self._unframed[1:3], "big")
            if len(self._unframed) < 3 + size:
                return
            self._queue.put((kind, self._unframed[3 : 3 + size]))
            self._unframed = self._unframed[3 + size :]


class _Input:
    """What was asked for, and what was sent of it."""

    def __init__(self, run):
        self._run = run
        self._changed = threading.Condition()
        self._want = self._sent = 0
        self._bytes = 0

    def wanted(self, want, size):
        with self._changed:
            self._want = max(self._want, want)
            self._bytes = size if isinstance(size, int) and size > 0 else self._bytes
            self._changed.notify_all()

    def send(self, data):
        while True:
            with self._changed:
                while self._sent >= self._want:
                    if self._run.call.done():
                        return False
                    self._changed.wait(0.1)
                part, data = data[: self._bytes], data[self._bytes :]
                number, self._sent = self._sent, self._sent + 1
            self._run.publish(number, part, not part)
            if not data:
                return True
