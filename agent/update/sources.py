"""What updates of the agent and of its apps share: whom they believe, and where blobs come from.

The one rule: keys come from the keyring taken over last, and each of those was signed by the one
before it.
"""

import os
import sys
from collections import namedtuple

import limpet_start as starting
from interpreter import describe

from agent.store import Files
from agent.update import plan, release
from agent.update.depot_mqtt import Depot

# What the agent offers: publish(topic, payload, qos, retain), listen(topic, take),
# watch(pollable, writing), report(words), open(topic, payload, key): what that key sealed for this
# boot, or None; and `root` of all topics.
Outside = namedtuple(
    "Outside", ("publish", "listen", "watch", "report", "open", "version", "device", "root")
)


def make_depot(options, outside, came=None):
    """What gives blobs, over MQTT or, where the options have a `url`, over HTTP(S).

    `came()` is called once something came over MQTT.
    """
    if options["url"] is not None:
        from agent.update import depot_http

        words = (options["url"], options["tls"], outside.watch, options["rate"])
        return depot_http.Depot(*words)
    place = "%s/blob/%%s/%s" % (outside.root, outside.device)

    def ask(words):
        return outside.publish(place % "ask", words, 0, False) is not None

    def take(message):
        depot.receive(message.payload)
        if came is not None:
            came()

    depot = Depot(ask, options["rate"])
    outside.listen(place % "give", take)
    return depot


class Trust:
    """The keys that are believed; `name` is what the store calls the keyring taken over last,
    `path` the file of the first one. Raises BadRelease where there is none."""

    def __init__(self, store, name, path):
        self._store = store
        self._name = name
        data = store.read(name)
        if data is None:
            try:
                data = Files().read(path, release.MAX_SIGNED_BYTES + 1)
            except OSError as error:
                raise release.BadRelease("no keyring: %s" % error)
            if data is None:
                raise release.BadRelease("no keyring: %s is not there" % path)
        self.keyring = release.parse_keyring(release.split_signed(data).body)

    def check(self, description, signed, depot, unix_s):
        """A generator: raises BadRelease unless the keys that count now have signed it."""
        yield from self.follow(description.keyring, depot)
        if unix_s > self.keyring.expires:
            raise release.BadRelease("keyring %d has expired" % self.keyring.number)
        yield from release.verify_signed(release.RELEASE, signed, self.keyring.release)

    def follow(self, number, depot):
        """Take over the keyrings up to `number`, one by one, each durable before the next."""
        while self.keyring.number < number:
            name = "keyring-%s-%d" % (self.keyring.product, self.keyring.number + 1)
            data = yield from _fetch(depot, name)
            found = yield from release.verify_next(self.keyring, data)
            self._store.write(self._name, data)
            self.keyring = found


def _fetch(depot, name):
    """All of something that nobody has told the size of."""
    data = b""
    depot.begin(name, 0, release.MAX_SIGNED_BYTES)
    while True:
        piece = depot.take()
        if piece is None:
            yield
            continue
        data += piece
        if depot.ended or len(data) >= release.MAX_SIGNED_BYTES:
            depot.end()
            return data


def facts(slots, words, keyring, clock, version):
    """The plan.Facts of slots; `words` are product, channel, and the sequence in use."""
    state = slots.state
    mpy = getattr(sys.implementation, "_mpy", None)
    here = describe()
    needs = {
        "agent": version,
        "runtime": here["name"],
        "board": here["machine"].replace(" ", "-").lower(),
        "mpy": None if mpy is None else mpy & 0xFF,
        "start": starting.VERSION,
        "space": _space(slots.root),
    }
    unix_s = clock.wall()[0] // 1000
    return plan.Facts(*words + (state.failed, state.floor, keyring, unix_s, needs))


def _space(root):
    """Bytes free on the medium; None where nobody tells, or tells nonsense."""
    if not hasattr(os, "statvfs"):
        return None
    try:
        words = os.statvfs(root)
    except OSError:
        return None
    # littlefs was seen to count below 0, which wraps, on a volume that is nearly full.
    return 0 if words[3] > words[2] else words[1] * words[3]
