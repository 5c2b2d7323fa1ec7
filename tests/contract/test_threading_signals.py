"""Semaphores, Event and Barrier: CPython's contract, over its own and the shim."""

import time

from shim import IMPLEMENTATIONS, LIGHT, Crew, Notes, until
from support import raises

__all__ = ("IMPLEMENTATIONS",)


def test_an_event_is_up_or_down(kind):
    event = kind.threading.Event()
    assert not event.is_set() and event.wait(0) is False and event.wait(0.01) is False
    event.set()
    event.set()
    assert event.is_set() and event.wait() and event.wait(0)
    event.clear()
    assert not event.is_set()


def test_an_event_wakes_all_that_wait(kind):
    event = kind.threading.Event()
    answers = Notes()
    with Crew(kind.threading) as crew:
        for timeout in (None, 30, None, 30):
            crew.start(lambda limit: answers.append(event.wait(limit)), timeout)
        time.sleep(0.02)  # the test passes without; with it they wait
        event.set()
    assert answers.all() == [True] * 4


def test_an_event_wait_lasts_its_time(kind):
    start = time.time()
    assert kind.threading.Event().wait(0.1) is False
    assert time.time() - start >= 0.09


def test_an_event_that_is_cleared_at_once_still_wakes_those_that_waited(kind):
    event = kind.threading.Event()
    ready = kind.threading.Semaphore(0)
    answers = Notes()

    def wait():
        ready.release()
        answers.append(event.wait(10))

    with Crew(kind.threading) as crew:
        for _ in range(3):
            crew.start(wait)
        for _ in range(3):
            ready.acquire()
        time.sleep(0.2)  # nothing tells from outside that they are inside wait() by now
        event.set()
        event.clear()
    assert answers.all() == [True] * 3


def test_a_semaphore_lets_so_many_pass(kind):
    for make in (kind.threading.Semaphore, kind.threading.BoundedSemaphore):
        raises(ValueError, make, -1)
        semaphore = make(2)
        assert semaphore.acquire() and semaphore.acquire(False)
        assert semaphore.acquire(False) is False and semaphore.acquire(timeout=0.01) is False
        error = raises(ValueError, semaphore.acquire, False, 1)
        assert str(error) == "can't specify timeout for non-blocking acquire"
        semaphore.release()
        with semaphore:
            assert not semaphore.acquire(blocking=False)
        raises(ValueError, semaphore.release, 0)
        semaphore.release()
        assert semaphore.acquire(False) and semaphore.acquire(False)


def test_a_bounded_semaphore_knows_its_bound(kind):
    semaphore = kind.threading.BoundedSemaphore(2)
    semaphore.acquire()
    error = raises(ValueError, semaphore.release, 2)
    assert str(error) == "Semaphore released too many times"
    semaphore.release()
    raises(ValueError, semaphore.release)
    plain = kind.threading.Semaphore(1)
    plain.release()
    plain.release(3)
    assert [plain.acquire(False) for _ in range(6)] == [True] * 5 + [False]


def test_a_semaphore_wakes_as_many_as_it_gives(kind):
    semaphore = kind.threading.Semaphore(0)
    passed = Notes()
    with Crew(kind.threading) as crew:
        for timeout in (None, 30, None, 30, None):
            crew.start(lambda limit: passed.append(semaphore.acquire(True, limit)), timeout)
        semaphore.release()
        until(lambda: len(passed) == 1)
        semaphore.release(3)
        until(lambda: len(passed) == 4)
        semaphore.release()
    assert passed.all() == [True] * 5 and not semaphore.acquire(False)


def test_never_more_are_inside_than_the_semaphore_lets(kind):
    semaphore = kind.threading.BoundedSemaphore(3)
    lock = kind.threading.Lock()
    state = {"inside": 0, "most": 0}
    rounds = 50 if LIGHT else 400

    def work(timeout):
        for _ in range(rounds):
            assert semaphore.acquire(timeout=timeout)
            with lock:
                state["inside"] += 1
                state["most"] = max(state["most"], state["inside"])
            with lock:
                state["inside"] -= 1
            semaphore.release()

    with Crew(kind.threading) as crew:
        for number in range(5):
            crew.start(work, 30 if number % 2 else None)
    assert state["inside"] == 0 and 1 <= state["most"] <= 3


def test_a_barrier_gives_each_thread_a_number(kind):
    barrier = kind.threading.Barrier(3)
    numbers = Notes()

    def work():
        for _ in range(20):
            numbers.append(barrier.wait(30))

    with Crew(kind.threading) as crew:
        for _ in range(3):
            crew.start(work)
    assert sorted(numbers.all()) == sorted([0, 1, 2] * 20)
    assert barrier.n_waiting == 0 and not barrier.broken and barrier.parties == 3


def test_nobody_passes_a_barrier_early(kind):
    barrier = kind.threading.Barrier(4)
    lock = kind.threading.Lock()
    arrived = []
    rounds = 10 if LIGHT else 50

    def work():
        for number in range(rounds):
            with lock:
                arrived.append(number)
            barrier.wait(None if number % 2 else 30)
            with lock:
                assert arrived.count(number) == 4, (number, arrived)

    with Crew(kind.threading) as crew:
        for _ in range(4):
            crew.start(work)


def test_a_barriers_action_runs_once_before_they_pass(kind):
    calls = Notes()
    barrier = kind.threading.Barrier(3, lambda: calls.append(1))

    def work():
        barrier.wait()
        assert calls.all() == [1]

    with Crew(kind.threading) as crew:
        for _ in range(3):
            crew.start(work)


def test_a_failing_action_breaks_the_barrier(kind):
    def fail():
        raise OSError("the action failed")

    barrier = kind.threading.Barrier(2, fail)
    kinds = Notes()

    def work():
        try:
            barrier.wait(30)
        except Exception as error:  # noqa: BLE001 - the kind is what is looked at
            kinds.append(type(error).__name__)

    with Crew(kind.threading) as crew:
        crew.start(work)
        crew.start(work)
    assert sorted(kinds.all()) == ["BrokenBarrierError", "OSError"] and barrier.broken


def test_a_barrier_wait_out_of_time_breaks_it_for_all(kind):
    broken = kind.threading.BrokenBarrierError
    barrier = kind.threading.Barrier(3, timeout=30)
    with Crew(kind.threading) as crew:
        crew.start(raises, broken, barrier.wait)
        until(lambda: barrier.n_waiting == 1)
        raises(broken, barrier.wait, 0.05)
    assert barrier.broken
    raises(broken, barrier.wait)
    barrier.reset()
    assert not barrier.broken and barrier.n_waiting == 0


def test_the_constructors_timeout_counts_where_none_is_given(kind):
    barrier = kind.threading.Barrier(2, timeout=0.05)
    raises(kind.threading.BrokenBarrierError, barrier.wait)


def test_reset_and_abort_throw_out_those_that_wait(kind):
    for name in ("reset", "abort"):
        barrier = kind.threading.Barrier(3)
        with Crew(kind.threading) as crew:
            crew.start(raises, kind.threading.BrokenBarrierError, barrier.wait)
            crew.start(raises, kind.threading.BrokenBarrierError, barrier.wait, 30)
            until(lambda: barrier.n_waiting == 2)  # noqa: B023
            getattr(barrier, name)()
        assert barrier.broken == (name == "abort")
        barrier.reset()
        with Crew(kind.threading) as crew:
            for _ in range(3):
                crew.start(barrier.wait)


def test_a_barrier_of_one_lets_pass(kind):
    barrier = kind.threading.Barrier(1)
    assert barrier.wait() == 0 and barrier.wait() == 0


def test_the_repr_tells_the_state(kind):
    name = "threading."
    event = kind.threading.Event()
    barrier = kind.threading.Barrier(2)
    shown = {
        "Semaphore at 0x": kind.threading.Semaphore(3),
        "BoundedSemaphore at 0x": kind.threading.BoundedSemaphore(3),
        "Event at 0x": event,
        "Barrier at 0x": barrier,
    }
    for text, thing in shown.items():
        assert name + text in repr(thing), repr(thing)
    assert repr(event).endswith(": unset>")
    event.set()
    assert repr(event).endswith(": set>")
    assert repr(barrier).endswith(": waiters=0/2>")
    barrier.abort()
    assert repr(barrier).endswith(": broken>")
    assert repr(shown["Semaphore at 0x"]).endswith(": value=3>")
    bounded = shown["BoundedSemaphore at 0x"]
    bounded.acquire()
    assert repr(bounded).endswith(": value=2/3>")
