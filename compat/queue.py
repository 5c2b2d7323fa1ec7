"""Queues between threads, under CPython's names: Queue, LifoQueue, PriorityQueue, SimpleQueue.

The one rule: everything in a queue is touched under its `mutex`, also the lists of waiting threads
inside its conditions. Whoever waits does so outside it and looks again once woken: the one who was
woken is not always the first to come.

A subclass changes the order of the items by `_init`, `_qsize`, `_put` and `_get`, which run under
the mutex. Shutting down is CPython 3.13's, whatever the version.

Not here: a bound that was not asked for. As in CPython `maxsize` 0 is none; a device gives one.
"""

import heapq
from collections import deque

from _locks import Condition
from _waiting import Deadline, allocate_lock, park, wake

# MicroPython's deque has to be told its size, and drops the oldest item when it is full.
_FIRST_ROOM = 16


class Empty(Exception):  # noqa: N818 - CPython's name
    """There was no item to get, or none in time."""


class Full(Exception):  # noqa: N818 - CPython's name
    """There was no room to put an item, or none in time."""


class ShutDown(Exception):  # noqa: N818 - CPython's name
    """The queue takes no more items; in get(): and it has none left."""


class _Fifo:
    """First in, first out: the hooks of a queue over a deque that is made anew when it is full."""

    def _init(self, maxsize):
        self._room = _FIRST_ROOM
        self.queue = deque((), _FIRST_ROOM)

    def _qsize(self):
        return len(self.queue)

    def _put(self, item):
        if len(self.queue) == self._room:
            self._room *= 2
            self.queue = deque(self.queue, self._room)
        self.queue.append(item)

    def _get(self):
        return self.queue.popleft()


def _check(timeout):
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")


class Queue(_Fifo):
    """Items in the order they were put. CPython: `queue.Queue`.

    `maxsize` is the most it holds, 0 or less for any number.
    """

    def __init__(self, maxsize=0):
        self.maxsize = maxsize
        self.mutex = allocate_lock()  # guards all below, and the waiters of the conditions
        self.not_empty = Condition(self.mutex)
        self.not_full = Condition(self.mutex)
        self.all_tasks_done = Condition(self.mutex)
        # The same lists as in the conditions: looked at by each put and get, which have the mutex.
        self._getters = self.not_empty._waiters
        self._putters = self.not_full._waiters
        self.unfinished_tasks = 0
        self.is_shutdown = False
        self._room = 0  # of _Fifo
        self.queue = None  # what the hooks keep the items in
        self._init(maxsize)

    def _init(self, maxsize):
        super()._init(maxsize)

    def put(self, item, block=True, timeout=None):
        """Add an item, when full waiting for room: for ever, or at most `timeout` seconds.

        Raises Full when there is none, at once where `block` is false, and ShutDown.
        """
        with self.mutex:
            if self.is_shutdown:
                raise ShutDown
            if self.maxsize > 0:
                if block and timeout is not None:
                    _check(timeout)
                if self._qsize() >= self.maxsize:
                    self._await_room(block, timeout)
            self._put(item)
            self.unfinished_tasks += 1
            if self._getters:
                wake(self._getters, 1)

    def _await_room(self, block, timeout):
        deadline = None if timeout is None else Deadline(timeout)
        while self._qsize() >= self.maxsize:
            if not block or (deadline and deadline.left_ms() <= 0):
                raise Full
            park(self._putters, self.mutex, deadline)
            if self.is_shutdown:
                raise ShutDown

    def get(self, block=True, timeout=None):
        """Remove and return an item, when empty waiting for one as put() waits for room.

        Raises Empty when there is none, and ShutDown when none can come any more.
        """
        with self.mutex:
            if block and timeout is not None:
                _check(timeout)
            if not self._qsize():
                self._await_item(block, timeout)
            item = self._get()
            if self._putters:
                wake(self._putters, 1)
            return item

    def _await_item(self, block, timeout):
        deadline = None if timeout is None else Deadline(timeout)
        while not self._qsize():
            if self.is_shutdown:
                raise ShutDown
            if not block or (deadline and deadline.left_ms() <= 0):
                raise Empty
            park(self._getters, self.mutex, deadline)

    def put_nowait(self, item):
        """put() without waiting."""
        self.put(item, False)

    def get_nowait(self):
        """get() without waiting."""
        return self.get(False)

    def task_done(self):
        """Say that an item that was got is done with; join() counts on it.

        Raises ValueError when called more often than items were put.
        """
        with self.mutex:
            left = self.unfinished_tasks - 1
            if left < 0:
                raise ValueError("task_done() called too many times")
            self.unfinished_tasks = left
            if not left:
                self.all_tasks_done.notify_all()

    def join(self):
        """Wait until task_done() was called for every item that was put."""
        with self.mutex:
            while self.unfinished_tasks:
                self.all_tasks_done.wait()

    def qsize(self):
        """How many items it held when it was asked."""
        with self.mutex:
            return self._qsize()

    def empty(self):
        """Whether it was empty when it was asked."""
        with self.mutex:
            return not self._qsize()

    def full(self):
        """Whether it was full when it was asked."""
        with self.mutex:
            return 0 < self.maxsize <= self._qsize()

    def shutdown(self, immediate=False):
        """Refuse items from now on: put() raises ShutDown, and get() does once it is empty.

        `immediate` empties it first; those items count as done. Wakes everybody that waits.
        """
        with self.mutex:
            self.is_shutdown = True
            if immediate:
                while self._qsize():
                    self._get()
                    if self.unfinished_tasks > 0:
                        self.unfinished_tasks -= 1
                self.all_tasks_done.notify_all()
            self.not_empty.notify_all()
            self.not_full.notify_all()


class LifoQueue(Queue):
    """The item put last comes first."""

    def _init(self, maxsize):
        self.queue = []

    def _put(self, item):
        self.queue.append(item)

    def _get(self):
        return self.queue.pop()


class PriorityQueue(Queue):
    """The least item comes first: usually tuples (priority, number, data)."""

    def _init(self, maxsize):
        self.queue = []

    def _put(self, item):
        heapq.heappush(self.queue, item)

    def _get(self):
        return heapq.heappop(self.queue)


class SimpleQueue(_Fifo):
    """A queue without bound, tasks or shutdown. CPython: `queue.SimpleQueue`."""

    def __init__(self):
        self._mutex = allocate_lock()  # guards all below
        self._getters = []
        self._room = 0
        self.queue = None
        self._init(0)

    def put(self, item, block=True, timeout=None):
        """Add an item; never waits. `block` and `timeout` mean nothing, as in CPython."""
        with self._mutex:
            self._put(item)
            if self._getters:
                wake(self._getters, 1)

    def get(self, block=True, timeout=None):
        """Remove and return an item, waiting as Queue.get does. Raises Empty."""
        deadline = None
        if block and timeout is not None:
            _check(timeout)
            deadline = Deadline(timeout)
        with self._mutex:
            while not self.queue:
                if not block or (deadline and deadline.left_ms() <= 0):
                    raise Empty
                park(self._getters, self._mutex, deadline)
            return self._get()

    def put_nowait(self, item):
        """put()."""
        self.put(item)

    def get_nowait(self):
        """get() without waiting."""
        return self.get(False)

    def qsize(self):
        """How many items it held when it was asked."""
        with self._mutex:
            return self._qsize()

    def empty(self):
        """Whether it was empty when it was asked."""
        return not self.qsize()
