"""Commands that wait to begin: each caller has its turn, whatever the others ask for.

The one rule: callers stand in a row; the first has its oldest command begun and goes to the row's
end. So one that floods the device waits for its own flood, and delays another by one command at
most. How many may wait is divided the same way: while others wait, a caller has its share.

A caller is a key; without any key on the device it is a reply topic. Once there are keys, all who
have none are one caller, since topics cost nothing. Pure; whoever uses it holds a lock.
"""


def caller_of(address, has_keys):
    """What tells callers apart, of a request's Address."""
    return address.key or (None if has_keys else address.topic)


class Line:
    """Anything with a `caller`, in fair order."""

    def __init__(self):
        self._row = []  # [caller, its commands, oldest first]: in the order of their turns

    def add(self, job):
        """Let one wait."""
        for caller, jobs in self._row:
            if caller == job.caller:
                jobs.append(job)
                return
        self._row.append((job.caller, [job]))

    def pop(self):
        """The one whose turn it is, None if none waits."""
        if not self._row:
            return None
        place = self._row.pop(0)
        job = place[1].pop(0)
        if place[1]:
            self._row.append(place)
        return job

    def remove(self, job):
        """Let one wait no more; it need not be there."""
        for place in self._row:
            if job in place[1]:
                place[1].remove(job)
                if not place[1]:
                    self._row.remove(place)
                return

    def callers(self):
        """Of each that waits, so often as it does."""
        found = []
        for caller, jobs in self._row:
            found += [caller] * len(jobs)
        return found


def share_of(room, caller, waiting):
    """How many of `caller` may wait, where `waiting` are the callers of all that do."""
    others = len(set([other for other in waiting if other != caller]))
    return max(1, room // (others + 1))
