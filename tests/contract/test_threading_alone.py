"""`threading` and `queue` without threads and sockets: they work, and say what cannot be."""

import sys

import shim
from support import raises

PARTS = ("wakeup", "_waiting", "_locks", "_signals", "_registry", "_imports", "_local")
CPYTHON = sys.implementation.name == "cpython"


ABSENT = ("_thread", "socket", "select")


def load_alone():
    """Fresh copies of both modules that could not import what small boards lack."""
    names = PARTS + (() if CPYTHON else ("threading", "queue"))
    kept = {name: sys.modules.pop(name) for name in names + ABSENT if name in sys.modules}
    for name in ABSENT:
        sys.modules[name] = None
    try:
        if CPYTHON:
            return shim.Both(shim._load("threading"), shim._load("queue"))
        return shim.Both(__import__("threading"), __import__("queue"))
    finally:
        for name in ABSENT:
            del sys.modules[name]
        sys.modules.update(kept)


ALONE = load_alone()
threading = ALONE.threading
queue = ALONE.queue


def test_starting_a_thread_says_that_there_are_none():
    thread = threading.Thread(target=int)
    error = raises(RuntimeError, thread.start)
    assert str(error) == "can't start new thread: this board has no threads"
    assert not thread.is_alive() and threading.active_count() == 1
    assert str(raises(RuntimeError, thread.start)) == str(error)


def test_a_wait_that_nobody_could_end_is_an_error():
    lock = threading.Lock()
    lock.acquire()
    condition = threading.Condition()
    condition.acquire()
    bounded = queue.Queue(1)
    bounded.put(1)
    waits = (
        lock.acquire,
        condition.wait,
        threading.Event().wait,
        threading.Semaphore(0).acquire,
        queue.Queue().get,
        lambda: bounded.put(2),
        bounded.join,
        threading.Barrier(2).wait,
    )
    for wait in waits:
        error = raises(RuntimeError, wait)
        assert str(error).startswith("deadlock: this board has no threads"), error


def test_after_such_an_error_everything_is_as_before():
    channel = queue.Queue()
    raises(RuntimeError, channel.get)
    channel.put(1)
    assert channel.get() == 1 and not channel._getters
    semaphore = threading.Semaphore(0)
    raises(RuntimeError, semaphore.acquire)
    semaphore.release()
    assert semaphore.acquire(False) and not semaphore._waiters


def test_timed_waits_end_in_time():
    lock = threading.Lock()
    lock.acquire()
    assert lock.acquire(timeout=0.01) is False
    assert threading.Event().wait(0.01) is False
    raises(queue.Empty, queue.Queue().get, timeout=0.01)


def test_what_needs_no_waiting_works():
    with threading.Lock(), threading.RLock(), threading.Condition(), threading.Semaphore():
        pass
    event = threading.Event()
    event.set()
    assert event.wait()
    data = threading.local()
    data.value = 1
    assert data.value == 1
    assert threading.current_thread() is threading.main_thread()
    assert threading.Barrier(1).wait() == 0
    channel = queue.Queue(2)
    channel.put(1)
    channel.task_done()
    channel.join()
    channel.shutdown()
    assert channel.get() == 1
    assert threading.stack_size(4096) == 0 and threading.stack_size() == 4096


def test_a_board_with_one_more_thread_says_so():
    waiting = threading._waiting
    original = waiting.start_new_thread

    def refuse(function, args):
        raise OSError("core1 in use")

    waiting.start_new_thread = refuse
    try:
        error = raises(RuntimeError, threading.Thread().start)
    finally:
        waiting.start_new_thread = original
    assert "core1 in use; this board has one thread besides the main one" in str(error)


def test_without_sockets_a_waiter_comes_back_and_looks():
    waiting = threading._waiting
    waiter = waiting._take_bell()
    deadline = waiting.Deadline(0.03)
    waiter.sleep(deadline)
    assert deadline.left_ms() <= 0 and not waiter.woken
    waiter.release()
    waiter.sleep(waiting.Deadline(60))
    assert waiting.bells() == (0, 0)


def test_a_wake_up_channel_is_a_flag_there():
    channel = threading._waiting.wakeup.Channel()
    channel.set()
    assert channel.is_set() and type(channel).__name__ == "_FlagChannel"
    channel.clear()
    assert not channel.is_set()
