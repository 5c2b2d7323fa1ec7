"""The topics of a fleet, and what may be the name of a device.

Rule: the only place in this package where a topic is put together or taken apart.
"""

import re

from .errors import AddressError

RESERVED = frozenset(("all", "group", "release", "blob", "reply"))
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
# What a device takes (agent/commands/message.py).
MAXIMUM_REPLY_TOPIC = 128
# Not a name a device can have: what arrives there is our own, back from the broker.
_ECHO = "~echo"
_MANY = "~many"


def is_device_name(name: str) -> bool:
    """1 to 64 of `A-Z a-z 0-9 _ -`, and none of the reserved words."""
    return isinstance(name, str) and bool(_NAME.match(name)) and name not in RESERVED


def check_device_name(name: str) -> str:
    """The name itself. Raises AddressError with the rule it breaks."""
    if is_device_name(name):
        return name
    if name in RESERVED:
        raise AddressError(f"{name!r} is a reserved word, not the name of a device")
    raise AddressError(f"{name!r} is no device name: 1 to 64 of A-Z a-z 0-9 _ -")


class Topics:
    """All topics under one root, as one caller (`session`, its private part) sees them."""

    def __init__(self, root: str, session: str):
        if not root or root[0] in "/$" or root[-1] == "/" or re.search(r"[+#\0]", root):
            raise AddressError(
                f"{root!r} is no root topic: no + or #, no $ in front, no / at either end"
            )
        self._root = root + "/"
        self._replies = f"{root}/reply/{session}/"

    def call(self, device: str) -> str:
        return f"{self._root}{device}/call"

    def own(self, device: str, name: str) -> str:
        """A further topic of a device, as `log`."""
        return f"{self._root}{device}/{name}"

    def device_of(self, topic: str) -> str:
        """Whose topic it is, for one under the root."""
        return topic[len(self._root) :].partition("/")[0]

    def many(self, target: str) -> str:
        """Where many are called: `all`, or `group/NAME`."""
        return f"{self._root}{target}/call"

    @property
    def many_reply(self) -> str:
        """Where the answers to calls to many come, from whichever device."""
        return self._replies + _MANY

    def reply(self, device: str) -> str:
        """One reply topic for each device, so that a device can answer for itself only."""
        topic = self._replies + device
        if len(topic) > MAXIMUM_REPLY_TOPIC:
            raise AddressError(
                f"the reply topic {topic} is longer than the {MAXIMUM_REPLY_TOPIC} characters "
                "that a device takes: choose a shorter root"
            )
        return topic

    @property
    def echo(self) -> str:
        """Where this caller writes to itself, to learn that the broker has come so far."""
        return self._replies + _ECHO

    def state(self, device: str) -> list[str]:
        """Where a device says what it is."""
        return [f"{self._root}{device}/status", f"{self._root}{device}/about"]

    @property
    def reply_filters(self) -> list[tuple[str, int]]:
        """Subscriptions, as (topic filter, QoS), to every answer for this caller."""
        return [(self._replies + "+", 1)]

    def state_filters(self, device: str = "+") -> list[tuple[str, int]]:
        """Subscriptions to what a device, or every device, says it is.

        At QoS 0: of what a broker keeps it sends a subscriber no more at QoS 1 than fits its
        queue (mosquitto: 1,000 messages) and drops the rest in silence, which would hide devices.
        Nothing is lost by it while the connection lasts, and each new one brings all again.
        """
        return [(topic, 0) for topic in self.state(device)]

    def split(self, topic: str) -> tuple[str, str] | None:
        """(kind, device): kind is `reply`, `status` or `about`. None: not ours to read."""
        if topic.startswith(self._replies):
            kind, device = "reply", topic[len(self._replies) :]
        elif topic.startswith(self._root):
            device, _, kind = topic[len(self._root) :].partition("/")
        else:
            return None
        if kind in ("reply", "status", "about") and is_device_name(device):
            return kind, device
        return None
