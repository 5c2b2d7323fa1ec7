"""Which numbered messages are new, and how many failures are a flood.

The one rule: no number is taken twice, and none that is so old that nobody knows whether it was
taken. Messages may overtake each other: the WINDOW numbers taken last are remembered one by one,
so that a number below them all is OLD and any other is judged for itself. Numbers may have gaps,
so that a clock can make them.

Pure: no clock; time is an int of monotonic ms.
"""

FRESH, SEEN, OLD = range(3)
WINDOW = 32  # more than Receive Maximum is by default: as many can be under way at once


class Window:
    """The numbers taken from one sender; every one up to `floor` is OLD."""

    def __init__(self, floor=0):
        self.floor = floor
        self._taken = []  # above the floor, rising, at most WINDOW

    @property
    def highest(self):
        """The highest number taken, or the floor."""
        return self._taken[-1] if self._taken else self.floor

    def judge(self, number):
        """FRESH, SEEN or OLD."""
        if number > self.highest:
            return FRESH
        if number <= self.floor:
            return OLD
        return SEEN if number in self._taken else FRESH

    def take(self, number):
        """Remember a FRESH number."""
        at = len(self._taken)
        while at and self._taken[at - 1] > number:
            at -= 1
        self._taken.insert(at, number)
        if len(self._taken) > WINDOW:
            self.floor = self._taken.pop(0)


class Bucket:
    """`size` at once, and then one every `every_ms`."""

    def __init__(self, size, every_ms):
        self._size_ms = size * every_ms
        self._every_ms = every_ms
        self._full_at = 0  # when the bucket is full again if nothing is taken meanwhile

    def has_room(self, now):
        """Whether one could be taken."""
        return self._full_at + self._every_ms - now <= self._size_ms

    def take(self, now):
        """Take one; False if there is none."""
        if not self.has_room(now):
            return False
        self._full_at = max(self._full_at, now) + self._every_ms
        return True
