"""The locks of `threading`: Lock, RLock, Condition.

The one rule: every field that two threads touch is touched under the raw lock named beside it in
`__init__`, and no object gains an attribute later.

Not here: threads, and what is built without a lock of the user's own (`_signals`). These work
where there are no threads, as long as nobody has to wait for ever.
"""

import _waiting
from _waiting import Deadline, allocate_lock, get_ident, park, wake, where

TIMEOUT_MAX = 9223372036.0  # seconds; CPython's on 64-bit Linux, though no limit of ours


class _Mutex:
    """A lock of `_thread` that can also be waited for with a time limit.

    Whoever waits without one blocks in `_raw`. Whoever has one stands in `_timed`, and each
    release wakes the first of them; it then tries again like everybody else.
    """

    def __init__(self):
        self._raw = allocate_lock()
        self._guard = allocate_lock()  # guards _timed, and is held to release _raw
        self._timed = []

    def _take(self, blocking, timeout):
        if timeout == -1:
            return self._raw.acquire(blocking)
        if not blocking:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        return self._raw.acquire(False) or self._take_within(Deadline(timeout))

    def _take_within(self, deadline):
        with self._guard:
            while not self._raw.acquire(False):
                if deadline.left_ms() <= 0:
                    return False
                park(self._timed, self._guard, deadline)
            return True

    def _free(self):
        with self._guard:
            try:
                self._raw.release()
            except RuntimeError:  # MicroPython's has no text
                raise RuntimeError("release unlocked lock")
            if self._timed:
                wake(self._timed, 1)


class Lock(_Mutex):
    """A lock that any thread may release. CPython: `threading.Lock`."""

    def acquire(self, blocking=True, timeout=-1):
        """Take it; False when it is held (`blocking` false) or stays so for `timeout` seconds."""
        return self._take(blocking, timeout)

    def release(self):
        """Let the next one in. Raises RuntimeError when it is not held."""
        self._free()

    def locked(self):
        """Whether somebody holds it."""
        return self._raw.locked()

    def __enter__(self):
        return self._raw.acquire()

    def __exit__(self, kind, error, traceback):
        self.release()

    def __repr__(self):
        state = "locked" if self._raw.locked() else "unlocked"
        return "<%s _thread.lock object %s>" % (state, where(self))


class RLock(_Mutex):
    """A lock that its holder may take again. CPython: `threading.RLock`.

    `_owner` and `_count` are written by the holder only. Another thread may read `_owner` at any
    time: it never finds its own identification there.
    """

    def __init__(self):
        super().__init__()
        self._owner = None
        self._count = 0

    def acquire(self, blocking=True, timeout=-1):
        """As Lock.acquire; at once when this thread holds it."""
        me = get_ident()
        if self._owner == me:
            self._count += 1
            return True
        if not self._take(blocking, timeout):
            return False
        self._owner = me
        self._count = 1
        return True

    def release(self):
        """Undo one acquire. Raises RuntimeError when this thread does not hold it."""
        if self._owner != get_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._free()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, kind, error, traceback):
        self.release()

    # What Condition asks of its lock, under CPython's names.

    def _is_owned(self):
        return self._owner == get_ident()

    def _release_save(self):
        count = self._count
        self._count = 0
        self._owner = None
        self._free()
        return count

    def _acquire_restore(self, count):
        self._raw.acquire()
        self._owner = get_ident()
        self._count = count

    def __repr__(self):
        state = "locked" if self._raw.locked() else "unlocked"
        return "<%s _thread.RLock object owner=%s count=%d %s>" % (
            state,
            self._owner or 0,
            self._count,
            where(self),
        )


class Condition:
    """Wait for a change that another thread announces. CPython: `threading.Condition`."""

    def __init__(self, lock=None):
        self._lock = RLock() if lock is None else lock
        self._waiters = []  # guarded by _lock, which wait() and notify() demand
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self):
        return self._lock.__enter__()

    def __exit__(self, kind, error, traceback):
        return self._lock.__exit__(kind, error, traceback)

    def _is_owned(self):
        if hasattr(self._lock, "_is_owned"):
            return self._lock._is_owned()
        if self._lock.acquire(False):
            self._lock.release()
            return False
        return True

    def _release_save(self):
        if hasattr(self._lock, "_release_save"):
            return self._lock._release_save()
        return self._lock.release()

    def _acquire_restore(self, state):
        if hasattr(self._lock, "_acquire_restore"):
            self._lock._acquire_restore(state)
        else:
            self._lock.acquire()

    def wait(self, timeout=None):
        """Let go of the lock until notified, at most `timeout` seconds; False when those passed.

        Raises RuntimeError when the caller does not hold the lock.
        """
        if not self._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        deadline = None if timeout is None else Deadline(timeout)
        waiter = _waiting.enlist(self._waiters, deadline)
        state = self._release_save()
        finished = False
        try:
            _waiting.sleep(waiter, deadline)
            finished = True
        finally:
            self._acquire_restore(state)
            woken = _waiting.leave(self._waiters, waiter, deadline, finished)
        return woken

    def wait_for(self, predicate, timeout=None):
        """Wait until `predicate()` is true; returns its last value."""
        deadline = None if timeout is None else Deadline(timeout)
        result = predicate()
        while not result:
            left = None
            if deadline is not None:
                left = deadline.left_ms()
                if left <= 0:
                    break
                left = left / 1000
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n=1):
        """Wake at most `n` of those that wait. Raises RuntimeError without the lock."""
        if not self._is_owned():
            raise RuntimeError("cannot notify on un-acquired lock")
        wake(self._waiters, n)

    def notify_all(self):
        """Wake all that wait."""
        self.notify(len(self._waiters))

    def __repr__(self):
        return "<Condition(%r, %d)>" % (self._lock, len(self._waiters))
