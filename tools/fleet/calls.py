"""Calls under way: the request's text, the table of who waits for what, and which answers count.

Rule: an answer is taken only if it came on the reply topic of the device that was asked, names
that device, and carries the id of a call that still waits. Everything else is refused, counted
by reason in `Calls.refused`, and changes nothing. No socket here; time is an argument, in seconds
of a monotonic clock.
"""

import collections
import json
import secrets
import threading

from .connection import MAXIMUM_MESSAGE_BYTES
from .errors import BadReply, CallError

ID_BYTES = 12  # 96 random bits: two callers never choose the same id


def new_id() -> str:
    return secrets.token_hex(ID_BYTES)


class Call:
    """One request under way; `Fleet.submit` makes it, `result()` waits for its answer.

    `expires` and `deadline` are monotonic seconds, fixed when the call was made: after the first
    the device must not start it any more, after the second its caller no longer waits. A
    repetition after a broken connection carries what is left of the first.
    """

    def __init__(self, device, method, params, id, ttl, timeout, now, give_up, members=None):
        self.device = device
        self.method = method
        self.params = params
        self.id = id
        self.timeout = timeout
        self.members = members or {}  # more of the request: `reply_within`
        self.made = now
        self.expires = now + ttl
        self.deadline = now + timeout
        self.resealed = 0  # how often it was sealed again because the device called it stale
        self.refused = None  # why the last answer on this device's topic was not taken
        self._give_up = give_up
        self._finished = threading.Event()
        self._result = None
        self._error = None

    def done(self) -> bool:
        """True once there is a result or an error."""
        return self._finished.is_set()

    def result(self):
        """The device's result. Raises CallError, BadReply, NoAnswer or Unreachable."""
        return self._give_up(self)

    def wait(self, timeout) -> bool:
        """Wait for the end at most so long; True if it has come."""
        return self._finished.wait(timeout)

    def outcome(self):
        """What `result()` gives once the call is done."""
        if self._error is not None:
            raise self._error
        return self._result

    def finish(self, result=None, error=None):
        """The first end counts, later ones are ignored (`Calls` guards it with its lock)."""
        self._result = result
        self._error = error
        self._finished.set()

    def request(self, reply_topic, now) -> bytes:
        """The request as it goes to the device. Raises TypeError or ValueError for parameters
        that JSON has no form for.

        The reply topic is in the body even with MQTT 5, since a broker drops properties on the
        way to a device that speaks 3.1.1.
        """
        left = round(self.expires - now, 3)
        body = {
            "id": self.id,
            "method": self.method,
            "params": self.params,
            "ttl": int(left) if left == int(left) else left,
            "reply": reply_topic,
            **self.members,
        }
        text = json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()


class Calls:
    """The calls that wait, by device and id.

    `on_stale(call, data)` is asked about an answer `stale`: True says that the call was sent again
    with what `data` tells, and waits on.
    """

    def __init__(self, on_stale=None):
        self._on_stale = on_stale
        # Guards _waiting and every call's end: two answers, or an answer and a timeout, may meet.
        self._lock = threading.Lock()
        self._waiting = {}
        self.refused = collections.Counter()

    def add(self, call):
        """Raises ValueError if a call with that id to that device is under way."""
        key = (call.device, call.id)
        with self._lock:
            if key in self._waiting:
                raise ValueError(f"a call with the id {call.id} to {call.device} is under way")
            self._waiting[key] = call

    def waiting(self, now) -> list[Call]:
        """The calls whose callers still wait; forgets the ones nobody asked about in time."""
        with self._lock:
            for key in [key for key, call in self._waiting.items() if call.deadline < now]:
                del self._waiting[key]
            return list(self._waiting.values())

    def finish(self, call, result=None, error=None) -> bool:
        """End the call; False if it has ended already."""
        key = (call.device, call.id)
        with self._lock:
            if self._waiting.get(key) is call:
                del self._waiting[key]
            if call.done():
                return False
            call.finish(result, error)
            return True

    def answer(self, device, payload):
        """Take what arrived on the reply topic of `device`."""
        try:
            reply = parse_reply(payload)
            self._match(device, reply)
        except BadReply as error:
            self.refuse(device, str(error))

    def _match(self, device, reply):
        if reply.get("device") != device:
            raise BadReply("an answer in the name of another device")
        id = reply.get("id")
        with self._lock:
            call = self._waiting.get((device, id)) if isinstance(id, str) else None
        if call is None:
            raise BadReply("an answer to no call that waits")
        try:
            result = read_outcome(reply, call)
        except (CallError, BadReply) as error:
            if not self._is_sent_again(call, error):
                self.finish(call, error=error)
        else:
            self.finish(call, result)

    def _is_sent_again(self, call, error):
        if self._on_stale is None or not isinstance(error, CallError) or error.code != "stale":
            return False
        return isinstance(error.data, dict) and self._on_stale(call, error.data)

    def refuse(self, device, reason):
        """Count an answer that was not taken."""
        with self._lock:
            self.refused[reason] += 1
            for call in self._waiting.values():
                if call.device == device:
                    call.refused = reason


def parse_reply(payload: bytes) -> dict:
    """The JSON object in a reply. Raises BadReply with the reason."""
    if len(payload) > MAXIMUM_MESSAGE_BYTES:
        raise BadReply(f"an answer of more than {MAXIMUM_MESSAGE_BYTES} bytes")
    try:
        reply = json.loads(payload.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadReply("an answer that is not JSON") from None
    if not isinstance(reply, dict):
        raise BadReply("an answer that is not a JSON object")
    return reply


def read_outcome(reply: dict, call: Call):
    """The result in a reply. Raises CallError for the device's error, BadReply for neither."""
    error = reply.get("error")
    if error is None:
        if "result" in reply:
            return reply["result"]
        raise BadReply(f"{call.device} answered {call.method} with neither a result nor an error")
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(code, str):
        raise BadReply(f"{call.device} answered {call.method} with an error that has no code")
    message = error.get("message")
    message = message if isinstance(message, str) else ""
    raise CallError(code, message, error.get("data"), call.device, call.method)


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")
