"""What the devices say of themselves: the retained `status` and `about` of each, as last seen.

Rule: a device is what it last said. Nothing is remembered beyond what the broker keeps, and a
device whose status is taken away is gone. No socket here; time is an argument, in seconds of a
monotonic clock. Called from the connection's thread and from callers': one condition guards all.
"""

import collections
import json
import threading
from dataclasses import dataclass, field, replace

from .connection import MAXIMUM_MESSAGE_BYTES

STATES = ("online", "offline", "sleeping")
# The broker is not trusted with this process's memory: more names than this are not held.
MAXIMUM_DEVICES = 100_000


@dataclass(frozen=True)
class Device:
    """One device. `status` and `about` are the objects it published, {} until it has.

    `sealed` says whether its status came with a seal for this caller's key that is right, None if
    this caller has no key. `changed` is when its status changed under our eyes, in monotonic
    seconds; None if it was like that when we came.
    """

    name: str
    status: dict = field(default_factory=dict)
    about: dict = field(default_factory=dict)
    changed: float | None = None
    sealed: bool | None = None

    @property
    def state(self) -> str:
        """`online`, `offline`, `sleeping`, or `unknown`."""
        state = self.status.get("state")
        return state if state in STATES else "unknown"


Change = collections.namedtuple("Change", ("name", "before", "after"))
"""One device before and after: a Device, or None where it was not there."""


class Roster:
    """The devices seen, and who watches them."""

    def __init__(self):
        self._condition = threading.Condition()
        self._devices = {}
        self._stale = set()
        self._newest = {}  # name: (boot, number of its last sealed status)
        self._watchers = []
        self.refused = collections.Counter()

    def devices(self) -> dict[str, Device]:
        """All devices by name, in alphabetical order."""
        with self._condition:
            return dict(sorted(self._devices.items()))

    def get(self, name) -> Device | None:
        with self._condition:
            return self._devices.get(name)

    def update(self, name, kind, payload, retained, now, seal=None):
        """Take what arrived on the `status` or `about` topic (`kind`) of a device.

        `seal` is None without a key, False for one that is not right, else the seal's number.
        """
        try:
            said = _parse(payload)
        except ValueError:
            self.refused[f"a {kind} that is not a JSON object"] += 1
            return
        with self._condition:
            before = self._devices.get(name)
            if before is None and len(self._devices) >= MAXIMUM_DEVICES:
                self.refused["a device too many"] += 1
                return
            self._stale.discard(name)
            after = _merge(name, before, kind, said, retained, now)
            if after is not None and kind == "status":
                if self._is_old(name, said or {}, seal):
                    self.refused["a status older than one seen"] += 1
                    return
                after = replace(after, sealed=None if seal is None else seal is not False)
            self._put(name, before, after)

    def _is_old(self, name, status, seal):
        """Whether a right seal shows a status that came before the one seen last.

        The will is sealed when the device connects, so that `offline` is older by rights.
        """
        if seal is None or seal is False:
            return False
        boot = status.get("boot")
        place = (boot if isinstance(boot, int) else 0, seal)
        newest = self._newest.get(name, (0, 0))
        if place[0] == newest[0] and status.get("state") != "online":
            return False
        self._newest[name] = max(place, newest)
        return place < newest

    def mark_stale(self):
        """From here to `drop_stale` the broker repeats what it keeps."""
        with self._condition:
            self._stale = set(self._devices)

    def drop_stale(self):
        """Forget the devices that the broker has not repeated."""
        with self._condition:
            for name in self._stale:
                self._put(name, self._devices.get(name), None)
            self._stale = set()

    def watch(self) -> "Watcher":
        """A watcher that starts with every device there is. Close it when done."""
        with self._condition:
            watcher = Watcher(self._condition, self._watchers)
            for name in self._devices:
                watcher.pending[name] = None
            watcher.devices = self._devices
            self._watchers.append(watcher)
            return watcher

    def _put(self, name, before, after):
        if before == after:
            return
        if after is None:
            del self._devices[name]
        else:
            self._devices[name] = after
        for watcher in self._watchers:
            watcher.pending.setdefault(name, before)
        self._condition.notify_all()


class Watcher:
    """Hands out changes, one device at a time, the longest waiting first.

    Bounded by the number of devices: a device that changes again before its change was taken
    keeps one place, with its first `before` and its latest `after`.
    """

    def __init__(self, condition, watchers):
        self._condition = condition
        self._watchers = watchers
        self.devices = {}
        self.pending = {}

    def next(self, timeout_s=None) -> Change | None:
        """Wait for the next change; None when the time is over."""
        with self._condition:
            if not self._condition.wait_for(lambda: self.pending, timeout_s):
                return None
            name = next(iter(self.pending))
            return Change(name, self.pending.pop(name), self.devices.get(name))

    def close(self):
        with self._condition:
            self._watchers.remove(self)


def _parse(payload):
    """The object said, or None for an empty payload. Raises ValueError."""
    if not payload:
        return None
    if len(payload) > MAXIMUM_MESSAGE_BYTES:
        raise ValueError("too large")
    try:
        said = json.loads(payload.decode())
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(said, dict):
        raise ValueError("not an object")
    return said


def _merge(name, before, kind, said, retained, now):
    """The device after it has said this, or None if it has said all away."""
    status = dict(before.status) if before else {}
    about = dict(before.about) if before else {}
    changed = before.changed if before else None
    if kind == "status":
        if not retained and status != (said or {}):
            changed = now
        status = said or {}
    else:
        about = said or {}
    sealed = before.sealed if before else None
    return Device(name, status, about, changed, sealed) if status or about else None
