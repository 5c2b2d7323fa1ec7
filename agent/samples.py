"""Samples of one channel, from the moment they are taken until a batch of them is handed over.

The one rule: every sample has a number, counted from the start of the process, and is handed over
in its order or counted as dropped; a batch tells the number of its first, so whoever reads them
sees each gap and how wide it is. A sample's time is the monotonic one: the wall clock is put to it
when its batch is closed, so that a clock which is put right in between corrects all that wait.
What had left before is corrected by the batch that follows, which tells when the process began.

Pure: time is an argument, in ms. Owner: the main thread.
"""

MOST_VALUE_BYTES = 1024  # of one sample as JSON: what is longer is no reading
MOST_BATCH_BYTES = 3072  # fits a segment of the outbox, and what a broker takes at the least
_SAMPLE_BYTES = 28  # of a sample beside its value


class Era:
    """When this process began, as well as it is known: `zero` in unix ms, None if nobody knows."""

    def __init__(self):
        self.zero = None
        self.quality = "unset"

    def look(self, now, unix_ms, quality):
        """Take the clock's word; once it was right, a clock that nobody vouches for has none."""
        if quality == "synced" or self.quality != "synced":
            self.quality = quality
            self.zero = None if quality == "unset" else unix_ms - now

    def row(self, sample):
        """A sample as JSON: [unix ms where the clock is right, else ms since the start, quality,
        value]."""
        shift = self.zero if self.quality == "synced" else 0
        return '[%d,"%s",%s]' % (sample[0] + shift, self.quality, sample[1])


class Channel:
    """A batch is closed at `batch` samples, MOST_BATCH_BYTES, or when its oldest is `within_ms`
    old. One that is not taken stays, up to twice its size: then the oldest make way, and count as
    `dropped`."""

    def __init__(self, name, boot, batch, within_ms):
        self.name = name
        self.first = 0  # number of the oldest that waits
        self.dropped = self.failed = self.batches = 0
        self.owes = False  # whether something has left under a clock that was not right
        self._boot = boot
        self._batch = batch
        self._within_ms = within_ms
        self._waiting = []  # (uptime_ms, value as JSON)
        self._last = []  # what left last
        self._bytes = 0

    def __len__(self):
        return len(self._waiting)

    def add(self, now, text):
        """Take a sample, its value as JSON. Raises ValueError for one that is too long."""
        if len(text) > MOST_VALUE_BYTES:
            raise ValueError("a value of %d bytes, at most %d" % (len(text), MOST_VALUE_BYTES))
        self._waiting.append((now, text))
        self._bytes += len(text) + _SAMPLE_BYTES
        while len(self._waiting) > 2 * self._batch or self._bytes > 2 * MOST_BATCH_BYTES:
            self._take_first()
            self.dropped += 1

    def _take_first(self):
        sample = self._waiting.pop(0)
        self._bytes -= len(sample[1]) + _SAMPLE_BYTES
        self.first += 1
        return sample

    def due(self, era):
        """When `close` is wanted, in ms; None for never."""
        if self.owes and era.quality == "synced":
            return 0
        if not self._waiting:
            return None
        if len(self._waiting) >= self._batch or self._bytes >= MOST_BATCH_BYTES - MOST_VALUE_BYTES:
            return 0
        return self._waiting[0][0] + self._within_ms

    def close(self, era, hand_over):
        """Give the oldest that wait, one batch of them, as bytes to `hand_over(payload)`, which
        returns False if it cannot take it: then nothing has changed. Returns its answer."""
        samples = []
        size = 0
        for sample in self._waiting[: self._batch]:
            size += len(sample[1]) + _SAMPLE_BYTES
            if size > MOST_BATCH_BYTES:
                break
            samples.append(sample)
        head = '{"boot":%d,"first":%d,"dropped":%d,"failed":%d,"clock":"%s","zero":%s,"samples":['
        zero = "null" if era.zero is None else era.zero
        head %= (self._boot, self.first, self.dropped, self.failed, era.quality, zero)
        if not hand_over((head + ",".join([era.row(one) for one in samples]) + "]}").encode()):
            return False
        for _ in samples:
            self._take_first()
        self._last = samples
        self.batches += 1
        self.owes = era.quality != "synced"
        return True

    def recent(self, limit):
        """The newest of those that wait or left last, oldest first."""
        return (self._last + self._waiting)[-limit:]

    def words(self):
        """What is told of it, JSON-able."""
        return {
            "name": self.name,
            "taken": self.first + len(self._waiting),
            "waiting": len(self._waiting),
            "batches": self.batches,
            "dropped": self.dropped,
            "failed": self.failed,
        }
