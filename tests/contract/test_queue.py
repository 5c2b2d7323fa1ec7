"""Queue, LifoQueue, PriorityQueue, SimpleQueue: CPython's contract, over its own and the shim."""

import time

from shim import IMPLEMENTATIONS, Crew, Notes, until
from support import raises, skip

__all__ = ("IMPLEMENTATIONS",)

KINDS = ("Queue", "LifoQueue", "PriorityQueue")
ORDERS = {
    "Queue": [3, 1, 2],
    "LifoQueue": [2, 1, 3],
    "PriorityQueue": [1, 2, 3],
    "SimpleQueue": [3, 1, 2],
}


def each(kind, *args):
    """A new queue of every class that has tasks and a bound."""
    return [getattr(kind.queue, name)(*args) for name in KINDS]


def test_each_class_has_its_order(kind):
    for name, order in ORDERS.items():
        queue = getattr(kind.queue, name)()
        for item in (3, 1, 2):
            queue.put(item)
        assert queue.qsize() == 3 and not queue.empty()
        assert [queue.get() for _ in range(3)] == order
        assert queue.empty() and queue.qsize() == 0


def test_it_keeps_the_order_of_very_many(kind):
    for name in ("Queue", "SimpleQueue"):
        queue = getattr(kind.queue, name)()
        out = []
        for number in range(3000):
            queue.put(number)
            queue.put(-number)
            out.append(queue.get())
        while not queue.empty():
            out.append(queue.get())
        expected = []
        for number in range(3000):
            expected += [number, -number]
        assert out == expected


def test_an_empty_queue_says_so(kind):
    for queue in each(kind) + [kind.queue.SimpleQueue()]:
        raises(kind.queue.Empty, queue.get_nowait)
        raises(kind.queue.Empty, queue.get, False)
        raises(kind.queue.Empty, queue.get, block=False, timeout=-1)
        start = time.time()
        raises(kind.queue.Empty, queue.get, timeout=0.05)
        assert time.time() - start >= 0.045
        raises(kind.queue.Empty, queue.get, True, 0)


def test_a_full_queue_says_so(kind):
    for queue in each(kind, 2):
        queue.put(1)
        assert not queue.full()
        queue.put_nowait(2)
        assert queue.full()
        raises(kind.queue.Full, queue.put_nowait, 3)
        raises(kind.queue.Full, queue.put, 3, False)
        start = time.time()
        raises(kind.queue.Full, queue.put, 3, timeout=0.05)
        assert time.time() - start >= 0.045
        assert queue.qsize() == 2
        queue.get()
        queue.put(3, timeout=0)


def test_negative_timeouts_are_refused(kind):
    for queue in each(kind, 2):
        queue.put(1)
        for call in (queue.get, lambda **options: queue.put(2, **options)):  # noqa: B023
            error = raises(ValueError, call, timeout=-1)
            assert str(error) == "'timeout' must be a non-negative number"
        assert queue.get(False, -1) == 1
    raises(ValueError, kind.queue.SimpleQueue().get, timeout=-1)


def test_a_queue_without_a_bound_is_never_full(kind):
    for bound in (0, -1):
        for queue in each(kind, bound):
            for number in range(100):
                queue.put(number, timeout=-1)  # which nobody looks at, as nobody waits
            assert not queue.full() and queue.qsize() == 100


def test_a_waiting_get_is_woken_by_a_put(kind):
    for queue in each(kind) + [kind.queue.SimpleQueue()]:
        for timeout in (None, 30):
            got = Notes()
            with Crew(kind.threading) as crew:
                crew.start(lambda: got.append(queue.get(True, timeout)))  # noqa: B023
                time.sleep(0.01)  # the test passes without; with it get() waits
                queue.put("item")
            assert got.all() == ["item"]


def test_a_waiting_put_is_woken_by_a_get(kind):
    for queue in each(kind, 1):
        for timeout in (None, 30):
            queue.put(1)
            with Crew(kind.threading) as crew:
                crew.start(queue.put, 2, True, timeout)
                time.sleep(0.01)  # the test passes without; with it put() waits
                assert queue.get() == 1
            assert queue.get() == 2


def test_tasks_are_counted(kind):
    for queue in each(kind):
        raises(ValueError, queue.task_done)
        queue.join()
        queue.put(1)
        queue.put(2)
        assert queue.unfinished_tasks == 2
        joined = Notes()

        def wait():
            queue.join()  # noqa: B023
            joined.append(queue.unfinished_tasks)  # noqa: B023

        with Crew(kind.threading) as crew:
            crew.start(wait)
            crew.start(wait)
            queue.get()
            queue.task_done()
            assert not joined.all()
            queue.get()
            queue.task_done()
        assert joined.all() == [0, 0]
        error = raises(ValueError, queue.task_done)
        assert str(error) == "task_done() called too many times"


def test_a_subclass_keeps_its_items_as_it_likes(kind):
    class Unique(kind.queue.Queue):
        def _init(self, maxsize):
            self.queue = {}

        def _put(self, item):
            self.queue[item] = True

        def _get(self):
            return self.queue.popitem()[0]

    queue = Unique(2)
    queue.put("a")
    queue.put("a")
    queue.put("b")
    assert queue.full() and sorted([queue.get(), queue.get()]) == ["a", "b"]


def test_a_failing_hook_changes_nothing(kind):
    class Failing(kind.queue.Queue):
        fail = False

        def _put(self, item):
            if self.fail:
                raise OSError("put")
            super()._put(item)

        def _get(self):
            if self.fail:
                raise OSError("get")
            return super()._get()

    queue = Failing(2)
    queue.put(1)
    queue.fail = True
    raises(OSError, queue.put, 2)
    raises(OSError, queue.get)
    queue.fail = False
    assert queue.qsize() == 1 and queue.unfinished_tasks == 1 and queue.get() == 1


def test_the_usual_way_to_empty_a_queue_by_its_parts(kind):
    queue = kind.queue.Queue(2)
    queue.put(1)
    queue.put(2)
    with Crew(kind.threading) as crew:
        crew.start(queue.put, 3)
        with queue.mutex:
            while queue._qsize():
                queue._get()
            queue.unfinished_tasks = 0
            queue.all_tasks_done.notify_all()
            queue.not_full.notify_all()
    assert queue.get() == 3


def shut_down(kind):
    if not hasattr(kind.queue, "ShutDown"):
        skip("shutdown came with CPython 3.13")
    return kind.queue.ShutDown


def test_after_a_shutdown_nothing_comes_in_and_the_rest_goes_out(kind):
    over = shut_down(kind)
    for queue in each(kind):
        queue.put(1)
        queue.shutdown()
        queue.shutdown()
        raises(over, queue.put, 2)
        raises(over, queue.put_nowait, 2)
        assert queue.get() == 1
        raises(over, queue.get)
        raises(over, queue.get_nowait)
        raises(over, queue.get, True, 1)
        queue.task_done()
        queue.join()


def test_an_immediate_shutdown_empties_it(kind):
    over = shut_down(kind)
    for queue in each(kind):
        for number in range(3):
            queue.put(number)
        queue.get()
        queue.shutdown(immediate=True)
        assert queue.empty() and queue.unfinished_tasks == 1
        raises(over, queue.get)
        queue.task_done()
        queue.join()


def test_a_shutdown_wakes_everybody(kind):
    over = shut_down(kind)
    for immediate in (False, True):
        for queue in each(kind, 1):
            _check_woken(kind, over, queue, queue.get, (), immediate)
        for queue in each(kind, 1):
            queue.put(0)
            _check_woken(kind, over, queue, queue.put, (1,), immediate)


def _check_woken(kind, over, queue, call, args, immediate):
    with Crew(kind.threading) as crew:
        for timeout in (None, 30, None):
            crew.start(raises, over, call, *(args + (True, timeout)))
        time.sleep(0.01)  # the test passes without; with it they wait
        queue.shutdown(immediate)


def test_an_immediate_shutdown_ends_join(kind):
    shut_down(kind)
    queue = kind.queue.Queue()
    queue.put(1)
    with Crew(kind.threading) as crew:
        crew.start(queue.join)
        queue.shutdown(True)
    until(lambda: queue.empty())


def test_a_priority_queue_takes_what_can_be_compared(kind):
    queue = kind.queue.PriorityQueue()
    for item in ((2, 1, "b"), (1, 2, "a"), (1, 1, "z")):
        queue.put(item)
    assert [queue.get()[2] for _ in range(3)] == ["z", "a", "b"]
