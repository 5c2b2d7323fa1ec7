"""Reads the channels that the settings declare, takes samples of apps, and hands batches over.

The one rule: a channel runs commands that only read and may be repeated, so a run that was cut off
is run no second time and harms nobody. A reading that fails is counted, and told in `data.list`;
one that is due while the last still runs, or that the executor has no room for, counts the same.

Knows no MQTT: batches go where `keep` puts them. Owner: the main thread.
"""

import json

from agent.errors import BadParams, LimpetError
from agent.samples import Channel, Era

MOST_CHANNELS = 16  # those of the settings and of apps; each holds up to two batches
LOOK_MS = 60_000  # how soon a clock that was put right is noticed, by a loop that is idle
AGAIN_MS = 1000  # after which a batch that found no room is tried again
APP_BATCH, APP_WITHIN_S = 30, 60  # of channels that apps open
_PREFIX = "data:"


class _Reading:
    """What the settings say of one channel, and when it is read next."""

    def __init__(self, words, now):
        self.method = words["method"]
        self.params = words["params"] or {}
        self.every_ms = int(words["every_s"] * 1000)
        self.due = now
        self.runs = False
        self.error = None


class Sampler:
    """`declared` are the settings' channels; `start(method, params, identity, expires)` has a
    command run, or raises LimpetError, and the end of it goes to `ended`; `keep(name, payload)`
    returns False without room. A part of the loop."""

    def __init__(self, declared, clock, boot, start, keep):
        self._clock = clock
        self._boot = boot
        self._start = start
        self._keep = keep
        self._era = Era()
        self._channels = {}
        self._readings = {}
        now = clock.now()
        self._again = 0  # no batch is tried before
        self._look_at = 0
        for words in declared:
            name = words["name"]
            self._open(name, words["batch"], words["within_s"])
            self._readings[name] = _Reading(words, now)

    def _open(self, name, batch, within_s):
        channel = Channel(name, self._boot, batch, within_s * 1000)
        self._channels[name] = channel
        return channel

    @property
    def due(self):
        """When `step` is wanted, in ms; None for never."""
        due = None
        for reading in self._readings.values():
            if due is None or reading.due < due:
                due = reading.due
        for channel in self._channels.values():
            at = channel.due(self._era)
            if at is not None:
                at = max(at, self._again)
            elif channel.owes:
                at = self._look_at
            if at is not None and (due is None or at < due):
                due = at
        return due

    def step(self, now):
        """Start the readings that are due, hand over the batches that are."""
        self._look(now)
        for name, reading in self._readings.items():
            if now >= reading.due:
                reading.due = now + reading.every_ms - (now - reading.due) % reading.every_ms
                self._read(name, reading, now)
        if now < self._again:
            return
        for channel in self._channels.values():
            at = channel.due(self._era)
            if at is not None and now >= at and not self._close(channel):
                self._again = now + AGAIN_MS
                return

    def _look(self, now):
        self._era.look(now, *self._clock.wall())
        self._look_at = now + LOOK_MS

    def _close(self, channel):
        return channel.close(self._era, lambda payload: self._keep(channel.name, payload))

    def _read(self, name, reading, now):
        if reading.runs:
            self._channels[name].failed += 1
            return
        reading.runs = True  # before it starts, since it may end at once
        try:
            expires = now + max(reading.every_ms, 1000)
            self._start(reading.method, reading.params, _PREFIX + name, expires)
        except LimpetError as error:
            self._fail(name, {"code": error.code, "message": error.message})

    def _fail(self, name, words):
        reading = self._readings[name]
        reading.runs = False
        reading.error = words
        self._channels[name].failed += 1

    def ended(self, identity, words):
        """A run has ended with these words: a dict of `result` or `error`; False if it was none
        of a channel's."""
        name = identity[len(_PREFIX) :]
        if not identity.startswith(_PREFIX) or name not in self._readings:
            return False
        if "error" in words:
            self._fail(name, words["error"])
            return True
        self._readings[name].runs = False
        try:
            self._channels[name].add(self._clock.now(), json.dumps(words["result"]))
        except ValueError as error:
            self._fail(name, {"code": BadParams.code, "message": str(error)})
        return True

    def add(self, name, at, text):
        """Take a sample of an app: value as JSON, `at` in ms; False if there is no room for it."""
        channel = self._channels.get(name)
        if channel is None:
            if len(self._channels) >= MOST_CHANNELS:
                return False
            channel = self._open(name, APP_BATCH, APP_WITHIN_S)
        channel.add(at, text)
        return True

    def flush(self, name=None):
        """Hand over what waits, of one channel or of all; how many batches. Raises BadParams."""
        self._look(self._clock.now())
        count = 0
        for channel in [self.find(name)] if name else self._channels.values():
            while len(channel) and self._close(channel):
                count += 1
        return count

    def find(self, name):
        """The Channel of that name. Raises BadParams."""
        channel = self._channels.get(name)
        if channel is None:
            raise BadParams("channel: none is called %s; data.list names all" % name)
        return channel

    def list(self):
        """What is told of each channel, by name."""
        rows = []
        for name in sorted(self._channels):
            words = self._channels[name].words()
            reading = self._readings.get(name)
            if reading is not None:
                words["method"] = reading.method
                words["error"] = reading.error
            rows.append(words)
        return rows

    def recent(self, name, limit):
        """The newest samples of a channel as [time, quality, value]. Raises BadParams."""
        self._look(self._clock.now())
        return [json.loads(self._era.row(one)) for one in self.find(name).recent(limit)]
