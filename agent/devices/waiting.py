"""Waits for a device without stopping anybody: generators that yield the ms they want to rest.

The one rule: what is asked never waits itself. A rest grows with the time already waited, so that
a quick answer is found at once and a slow one costs few wake-ups.
"""

from interpreter import ticks_diff, ticks_ms

LONGEST_REST_MS = 20


class Patience:
    """How long something may still take: `wait_ms` from now."""

    def __init__(self, wait_ms):
        self._wait_ms = wait_ms
        self._since = ticks_ms()

    def rest(self):
        """The ms to rest before asking again, None when the time is over."""
        waited = ticks_diff(ticks_ms(), self._since)
        left = self._wait_ms - waited
        if left <= 0:
            return None
        return max(1, min(left, waited // 8, LONGEST_REST_MS))


def until(wait_ms, take, *arguments):
    """Ask `take(*arguments)` until it gives something true, at least once; returns the last."""
    patience = Patience(wait_ms)
    while True:
        found = take(*arguments)
        rest = None if found else patience.rest()
        if rest is None:
            return found
        yield rest


def receive(line, size, wait_ms, idle_ms):
    """What comes on a line: `size` bytes, or fewer when `idle_ms` pass without one.

    The first byte may take `wait_ms`. Returns bytes, b"" where none came.
    """
    parts = []
    missing = size
    wait = wait_ms
    while missing > 0:
        data = yield from until(wait, line.read, missing)
        if not data:
            break
        parts.append(data)
        missing -= len(data)
        wait = idle_ms
    return b"".join(parts)


def send(line, data, wait_ms):
    """Write all of `data`; returns how many bytes the line took within `wait_ms`."""
    done = 0
    while done < len(data):
        taken = yield from until(wait_ms, line.write, data[done:])
        if not taken:
            break
        done += taken
    return done
