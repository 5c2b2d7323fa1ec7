"""What threads of `threading` signal with: Semaphore, BoundedSemaphore, Event, Barrier.

The one rule: every field that two threads touch is touched under the raw lock named beside it in
`__init__`, and no object gains an attribute later. User code runs under such a lock in one place,
where CPython does so too: a barrier's action.

Not here: locks (`_locks`) and threads. These work where there are no threads, as long as nobody
has to wait for ever.
"""

from _waiting import Deadline, allocate_lock, park, wake, where


class Semaphore:
    """So many may pass. CPython: `threading.Semaphore`."""

    def __init__(self, value=1):
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._lock = allocate_lock()  # guards _value and _waiters
        self._value = value
        self._waiters = []

    def acquire(self, blocking=True, timeout=None):
        """Take one; False when there is none (`blocking` false) or none for `timeout` seconds."""
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        deadline = None
        with self._lock:
            while self._value == 0:
                if not blocking:
                    return False
                if timeout is not None:
                    deadline = deadline or Deadline(timeout)
                    if deadline.left_ms() <= 0:
                        return False
                park(self._waiters, self._lock, deadline)
            self._value -= 1
            return True

    def release(self, n=1):
        """Give `n` back."""
        if n < 1:
            raise ValueError("n must be one or more")
        with self._lock:
            self._give(n)

    def _give(self, n):
        self._value += n
        wake(self._waiters, n)

    def __enter__(self):
        return self.acquire()

    def __exit__(self, kind, error, traceback):
        self.release()

    def __repr__(self):
        return "<threading.%s %s: value=%s>" % (
            self.__class__.__name__,
            where(self),
            self._shown_value(),
        )

    def _shown_value(self):
        return "%d" % self._value


class BoundedSemaphore(Semaphore):
    """A semaphore that refuses to be given more than was taken."""

    def __init__(self, value=1):
        super().__init__(value)
        self._initial_value = value

    def _give(self, n):
        if self._value + n > self._initial_value:
            raise ValueError("Semaphore released too many times")
        super()._give(n)

    def _shown_value(self):
        return "%d/%d" % (self._value, self._initial_value)


class Event:
    """A flag that threads can wait for. CPython: `threading.Event`."""

    def __init__(self):
        self._lock = allocate_lock()  # guards _flag and _waiters
        self._flag = False
        self._waiters = []

    def is_set(self):
        """Whether it is up."""
        return self._flag

    def set(self):
        """Raise it, and wake all that wait."""
        with self._lock:
            self._flag = True
            wake(self._waiters, len(self._waiters))

    def clear(self):
        """Lower it. Those that were woken by an earlier set() still return True."""
        with self._lock:
            self._flag = False

    def wait(self, timeout=None):
        """Wait until it is up; False when `timeout` seconds passed first."""
        with self._lock:
            if self._flag:
                return True
            return park(self._waiters, self._lock, None if timeout is None else Deadline(timeout))

    def __repr__(self):
        return "<threading.Event %s: %s>" % (where(self), "set" if self._flag else "unset")


class BrokenBarrierError(RuntimeError):
    """The barrier was reset or broken while somebody waited, or before."""


class _Round:
    """One filling of a barrier. It ends once, passed or broken."""

    def __init__(self):
        self.count = 0
        self.passed = False
        self.broken = False
        self.waiters = []


class Barrier:
    """So many threads wait for one another. CPython: `threading.Barrier`.

    Each filling has a record of its own, so that a thread which comes back at once cannot mix
    with those that have not yet left.
    """

    def __init__(self, parties, action=None, timeout=None):
        if parties < 1:
            raise ValueError("parties must be > 0")
        self._lock = allocate_lock()  # guards _round and all in it
        self._parties = parties
        self._action = action
        self._timeout = timeout
        self._round = _Round()

    def wait(self, timeout=None):
        """Wait for the others; returns a different number for each, 0 to parties - 1.

        Raises BrokenBarrierError when the barrier is broken, reset, or `timeout` seconds pass
        (the constructor's where none is given); the last of these breaks it for all.
        """
        if timeout is None:
            timeout = self._timeout
        with self._lock:
            mine = self._round
            if mine.broken:
                raise BrokenBarrierError()
            index = mine.count
            mine.count += 1
            if mine.count == self._parties:
                self._pass(mine)
            else:
                self._wait_in(mine, timeout)
            return index

    def _pass(self, mine):
        try:
            if self._action:
                self._action()
            mine.passed = True
            self._round = _Round()
        finally:
            if not mine.passed:
                self._break(mine)
            wake(mine.waiters, mine.count)

    def _wait_in(self, mine, timeout):
        deadline = None if timeout is None else Deadline(timeout)
        try:
            park(mine.waiters, self._lock, deadline)
        finally:
            if not mine.passed:
                self._break(mine)  # out of time, or interrupted: nobody can pass any more
        if mine.broken:
            raise BrokenBarrierError()

    def _break(self, mine):
        mine.broken = True
        wake(mine.waiters, len(mine.waiters))

    def reset(self):
        """Start afresh; those that wait get BrokenBarrierError."""
        with self._lock:
            self._break(self._round)
            self._round = _Round()

    def abort(self):
        """Break it for those that wait and for those that come, until reset()."""
        with self._lock:
            self._break(self._round)

    @property
    def parties(self):
        """How many it takes."""
        return self._parties

    @property
    def n_waiting(self):
        """How many wait now."""
        return 0 if self._round.broken else self._round.count

    @property
    def broken(self):
        """Whether it is broken."""
        return self._round.broken

    def __repr__(self):
        state = "waiters=%d/%d" % (self.n_waiting, self._parties)
        return "<threading.Barrier %s: %s>" % (where(self), "broken" if self.broken else state)
