"""How one thread waits for another: the floor under `threading` and `queue`.

The one rule: a list of waiters is touched only under the lock that its maker names, and a waiter
is woken (`release()`) under that lock too. So when a waiter whose time is up has the lock again,
it is either still on the list, and nobody has woken it, or off the list, and its call has come.

A wait without a time limit blocks in a lock of `_thread`. A wait with one cannot: MicroPython's
`lock.acquire` takes a timeout and ignores it. There a waiter sleeps in `select.poll` on a bell, a
socket connected to itself, so that it is woken within tens of microseconds and costs nothing until
then; where no bell is to be had it looks at a mark, first after 1 ms, at last every 10 ms.

Not here: anything that has a name in CPython's library. Without `_thread` there is one thread, and
a wait without end is an error at once instead of a silent stop.

A wait allocates as little as it can: on MicroPython an object of more than one block of memory is
looked for from the start of the heap, so that it costs tens of microseconds where garbage waits.
"""

import time

import wakeup
from interpreter import ticks_diff, ticks_ms

try:
    import select
except ImportError:  # a small board: no bells there
    select = None

try:
    from _thread import allocate_lock, get_ident, start_new_thread
    from _thread import stack_size as set_stack_size

    HAS_THREADS = True
except ImportError:
    HAS_THREADS = False

    def start_new_thread(function, args):
        """Refuse."""
        raise RuntimeError("this board has no threads")

    def set_stack_size(size):
        """Take note of a size for threads that will never be."""

    def get_ident():
        """The only thread's identification."""
        return 1

    class _OnlyLock:
        """What `_thread.allocate_lock` makes, where a second acquire could never succeed."""

        def __init__(self):
            self._locked = False

        def acquire(self, wait=True, timeout=-1):
            if self._locked:
                if wait:
                    raise RuntimeError(
                        "deadlock: this board has no threads, so nobody could end this wait"
                    )
                return False
            self._locked = True
            return True

        def release(self):
            if not self._locked:
                raise RuntimeError("release unlocked lock")
            self._locked = False

        def locked(self):
            return self._locked

        def __enter__(self):
            return self.acquire()

        def __exit__(self, kind, error, traceback):
            self.release()

    allocate_lock = _OnlyLock


_SLICE_MS = 3600000  # a sleep's longest part: poll takes an int, and 32-bit ticks wrap in 12 days
_FIRST_LOOK_MS = 1
_LAST_LOOK_MS = 10
_KEPT = 16  # free bells and gates beyond these are closed and dropped


class Deadline:
    """A point in time, `seconds` from now, for one waiting thread."""

    def __init__(self, seconds):
        left_ms = int(seconds * 1000)
        if left_ms < seconds * 1000:
            left_ms += 1  # never early
        self._left_ms = left_ms
        self._seen = ticks_ms()

    def left_ms(self):
        """Milliseconds until then, 0 or less afterwards. Ask more often than every 6 days."""
        now = ticks_ms()
        self._left_ms -= ticks_diff(now, self._seen)
        self._seen = now
        return self._left_ms


class _Bell:
    """A waiter of the pool: a socket that its thread polls and another one writes to.

    Whoever wakes it holds the lock of the list it is on, and it leaves the list before it goes
    back to the pool: so no call can be late. A ring may remain in the socket all the same, when
    the mark was seen first or an exception ended the wait; the next wait takes it for what it is,
    since only the mark counts. Nothing here allocates.
    """

    def __init__(self):
        self._socket = wakeup.self_connected()
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        self._unregister = poller.unregister
        self._poll = getattr(poller, "ipoll", poller.poll)
        # CPython's name, or MicroPython's.
        self._read_into = getattr(self._socket, "recv_into", None) or self._socket.readinto
        self._buffer = bytearray(8)
        self.woken = False  # raised under the lock of the list, lowered by its next waiter

    def release(self):
        self.woken = True
        try:
            self._socket.send(b"\0")
        except OSError:
            pass  # full: it has been ringing for long

    def sleep(self, deadline):
        while not self.woken:
            left_ms = deadline.left_ms()
            if left_ms <= 0:
                return
            for _ in self._poll(left_ms if left_ms < _SLICE_MS else _SLICE_MS):
                self._read_into(self._buffer)

    def close(self):
        self._unregister(self._socket)
        self._socket.close()


class _Look:
    """The waiter of a board: nothing rings, so the thread comes back and looks at the mark."""

    def __init__(self):
        self.woken = False  # as in _Bell

    def release(self):
        self.woken = True

    def sleep(self, deadline):
        pause_ms = _FIRST_LOOK_MS
        while not self.woken:
            left_ms = deadline.left_ms()
            if left_ms <= 0:
                return
            time.sleep((left_ms if left_ms < pause_ms else pause_ms) / 1000)
            if pause_ms < _LAST_LOOK_MS:
                pause_ms += 1


_pool_lock = allocate_lock()  # guards the three below
_bells = []  # free ones
_gates = []  # free locks, held: what a wait without a deadline blocks in
_counts = {"made": 0, "closed": 0}  # bells


def bells():
    """How many sockets this module has open, and how many of them are free."""
    with _pool_lock:
        return _counts["made"] - _counts["closed"], len(_bells)


def _take_bell():
    with _pool_lock:
        if _bells:
            bell = _bells.pop()
            bell.woken = False
            return bell
    if select is None:
        return _Look()
    try:
        bell = _Bell()
    except OSError:  # no such sockets on this port, or no descriptor left
        return _Look()
    with _pool_lock:
        _counts["made"] += 1
    return bell


def _give_bell_back(bell):
    if not isinstance(bell, _Bell):
        return
    with _pool_lock:
        if len(_bells) < _KEPT:
            _bells.append(bell)
            return
        _counts["closed"] += 1
    bell.close()


def _take_gate():
    with _pool_lock:
        if _gates:
            return _gates.pop()
    gate = allocate_lock()
    gate.acquire()
    return gate


def _give_gate_back(gate):
    with _pool_lock:
        if len(_gates) < _KEPT:
            _gates.append(gate)


def enlist(waiters, deadline):
    """Put a new waiter on the list; the caller holds the list's lock. Pass it to `sleep`."""
    waiter = _take_gate() if deadline is None else _take_bell()
    waiters.append(waiter)
    return waiter


def sleep(waiter, deadline):
    """Return when the waiter is woken or its deadline has passed; the lock is not held."""
    if deadline is None:
        waiter.acquire()
    else:
        waiter.sleep(deadline)


def leave(waiters, waiter, deadline, finished):
    """End a wait, under the list's lock. Returns whether the waiter had been woken.

    `finished` is false when an exception ended the sleep. A call that had come by then goes to
    the next in line, for this thread will not act on it.
    """
    if deadline is None and finished:
        _give_gate_back(waiter)  # it is held again, as a new one is
        return True
    woken = waiter not in waiters
    if not woken:
        waiters.remove(waiter)
    elif not finished:
        wake(waiters, 1)
    if deadline is not None:
        _give_bell_back(waiter)  # off the list: nobody can ring it any more
    return woken


def park(waiters, lock, deadline):
    """Let go of `lock`, wait to be woken, and take it again. Returns False when time was up."""
    waiter = enlist(waiters, deadline)
    lock.release()
    finished = False
    try:
        sleep(waiter, deadline)
        finished = True
    finally:
        lock.acquire()
        woken = leave(waiters, waiter, deadline, finished)
    return woken


def wake(waiters, count):
    """Wake the `count` that have waited longest; the caller holds the list's lock."""
    while count and waiters:
        waiters.pop(0).release()
        count -= 1


def where(thing):
    """The end of CPython's usual repr."""
    return "at 0x%x" % id(thing)
