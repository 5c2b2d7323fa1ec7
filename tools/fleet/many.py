"""Calls to many devices at once: one request on a group's topic, an answer from each.

Rule: who is in a group only the devices know, so the answers are what comes within the time; a
device answers once. With a key the request is signed, and each answer is checked with the secret
of the device that it names.
"""

import json
import queue
import time

from .calls import new_id, parse_reply, read_outcome
from .errors import AddressError, BadReply, CallError
from .seal import split
from .topics import is_device_name

MARGIN_S = 2.0  # for the way there and back, above the spread


class _Asked:
    """What `read_outcome` wants to know of a call."""

    def __init__(self, device, method):
        self.device = device
        self.method = method


def is_target(word) -> bool:
    """Whether it names many devices: `all`, or `group/NAME`."""
    start, slash, name = word.partition("/")
    return word == "all" or (start == "group" and bool(slash) and is_device_name(name))


class ManyCalls:
    """The calls to many that are under way: who collects the answers to which id."""

    def __init__(self):
        self._queues = {}

    def add(self, identity):
        answers = self._queues[identity] = queue.Queue()
        return answers

    def end(self, identity):
        self._queues.pop(identity, None)

    def take(self, payload, sealer, topic):
        """An answer came; raises BadReply for one that does not count."""
        reply = parse_reply(split(payload)[1])
        device = reply.get("device")
        if not is_device_name(device):
            raise BadReply("an answer that names no device")
        if sealer:
            sealer.open(device, topic, payload)
        answers = self._queues.get(reply.get("id"))
        if answers is None:
            raise BadReply("an answer to no call that waits")
        answers.put((device, reply))


def call_all(fleet, publish, calls, reply_topic, target, method, params, options):
    """Yield (device, result or CallError) as they come; see `Fleet.call_all`."""
    if not is_target(target):
        raise AddressError(f"{target!r} is neither `all` nor group/NAME")
    spread, timeout = options["spread"], options["timeout"]
    timeout = spread + MARGIN_S if timeout is None else timeout
    identity = options["id"] or new_id()
    body = {
        "id": identity, "method": method, "params": params or {}, "ttl": timeout,
        "reply": reply_topic, "spread": spread,
    }  # fmt: skip
    awaited = None
    if target == "all":
        awaited = {name for name, device in fleet.devices().items() if device.state == "online"}
    answers = calls.add(identity)
    heard = set()
    try:
        publish(json.dumps(body, allow_nan=False, ensure_ascii=False).encode(), timeout)
        deadline = time.monotonic() + timeout
        while awaited is None or not awaited <= heard:
            try:
                device, reply = answers.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if device in heard:
                continue
            heard.add(device)
            try:
                yield device, read_outcome(reply, _Asked(device, method))
            except (CallError, BadReply) as error:
                yield device, error
    finally:
        calls.end(identity)
