"""Lock, RLock and Condition: CPython's contract, over CPython's own and over the shim."""

import time

from shim import IMPLEMENTATIONS, LIGHT, Crew, Notes, until
from support import raises, skip

__all__ = ("IMPLEMENTATIONS",)


def both_locks(kind):
    return kind.threading.Lock, kind.threading.RLock


def test_a_lock_is_taken_and_released(kind):
    for make in both_locks(kind):
        lock = make()
        assert lock.acquire() is True
        lock.release()
        assert lock.acquire(False)
        lock.release()
        with lock:
            pass


def test_a_lock_tells_whether_it_is_held(kind):
    lock = kind.threading.Lock()
    assert not lock.locked()
    with lock:
        assert lock.locked() and not lock.acquire(False) and not lock.acquire(blocking=False)
    assert not lock.locked()


def test_releasing_what_is_not_held_is_an_error(kind):
    for make in both_locks(kind):
        lock = make()
        raises(RuntimeError, lock.release)
        lock.acquire()
        lock.release()
        raises(RuntimeError, lock.release)
        assert lock.acquire(False), "a refused release must change nothing"


def test_wrong_timeouts_are_refused(kind):
    for make in both_locks(kind):
        lock = make()
        error = raises(ValueError, lock.acquire, False, 1)
        assert str(error) == "can't specify a timeout for a non-blocking call"
        error = raises(ValueError, lock.acquire, timeout=-2)
        assert "timeout value must be" in str(error)
        raises(OverflowError, lock.acquire, timeout=1e100)
        assert lock.acquire(timeout=kind.threading.TIMEOUT_MAX)


def test_a_timed_acquire_gives_up_in_time(kind):
    for make in both_locks(kind):
        lock = make()
        with Crew(kind.threading) as crew:
            with lock:
                answers = Notes()
                crew.start(note_timed, answers, lock)
                crew.join()
            got, seconds = answers.all()[0]
            assert got is False and seconds >= 0.19, (got, seconds)


def note_timed(answers, lock):
    answers.append(timed(lock.acquire, timeout=0.2))


def timed(call, *args, **options):
    start = time.time()
    result = call(*args, **options)
    return result, time.time() - start


def test_a_timed_acquire_gets_the_lock_when_it_is_released(kind):
    for make in both_locks(kind):
        lock = make()
        lock.acquire()
        answers = Notes()
        with Crew(kind.threading) as crew:
            crew.start(take, lock, answers)
            crew.start(take, lock, answers)
            time.sleep(0.02)  # the test passes without; with it both wait
            lock.release()
        assert answers.all() == [True, True]


def take(lock, answers):
    answers.append(lock.acquire(True, 30))
    lock.release()


def test_a_lock_may_be_released_by_another_thread(kind):
    lock = kind.threading.Lock()
    lock.acquire()
    with Crew(kind.threading) as crew:
        crew.start(lock.release)
        assert lock.acquire()


def test_a_reentrant_lock_is_its_holders_alone(kind):
    lock = kind.threading.RLock()
    with lock, lock:
        assert lock.acquire()
        lock.release()
        answers = Notes()
        with Crew(kind.threading) as crew:
            crew.start(lambda: answers.append(lock.acquire(False)))
            crew.start(raises, RuntimeError, lock.release)
            crew.join()
        assert answers.all() == [False]
    raises(RuntimeError, lock.release)


def test_a_lock_excludes(kind):
    rounds = 200 if LIGHT else 3000
    for make in both_locks(kind):
        state = {"inside": 0, "total": 0}
        lock = make()
        with Crew(kind.threading) as crew:
            for _ in range(4):
                crew.start(go_in_and_out, lock, state, rounds)
        assert state["total"] == 4 * rounds


def go_in_and_out(lock, state, rounds):
    for _ in range(rounds):
        with lock:
            state["inside"] += 1
            assert state["inside"] == 1
            state["total"] += 1
            state["inside"] -= 1


def test_timed_and_untimed_waiters_all_get_their_turn(kind):
    lock = kind.threading.Lock()
    turns = Notes()

    def work(timeout):
        for _ in range(20 if LIGHT else 200):
            assert lock.acquire(True, timeout)
            turns.append(timeout)
            lock.release()

    with Crew(kind.threading) as crew:
        for timeout in (-1, 30, -1, 30):
            crew.start(work, timeout)
    assert len(turns) == 4 * (20 if LIGHT else 200)


def test_a_condition_wants_its_lock_held(kind):
    for lock in (None, kind.threading.Lock(), kind.threading.RLock()):
        condition = kind.threading.Condition(lock)
        error = raises(RuntimeError, condition.wait)
        assert str(error) == "cannot wait on un-acquired lock"
        error = raises(RuntimeError, condition.notify)
        assert str(error) == "cannot notify on un-acquired lock"
        raises(RuntimeError, condition.notify_all)


def test_a_condition_wait_ends_in_time_and_has_the_lock_again(kind):
    for lock in (None, kind.threading.Lock(), kind.threading.RLock()):
        condition = kind.threading.Condition(lock)
        with condition:
            got, seconds = timed(condition.wait, 0.1)
            assert got is False and seconds >= 0.09
            assert condition.wait(0) is False
            condition.notify()  # nobody waits any more: not an error, and not kept
            assert condition.wait(0.01) is False


def test_a_condition_lets_go_of_a_reentrant_lock_wholly(kind):
    condition = kind.threading.Condition()
    state = []

    def change():
        with condition:
            state.append("changed")
            condition.notify()

    with Crew(kind.threading) as crew, condition, condition:
        crew.start(change)
        assert condition.wait_for(lambda: state, 30) == ["changed"]
    raises(RuntimeError, condition.release)


def test_notify_wakes_as_many_as_it_is_told(kind):
    condition = kind.threading.Condition()
    entered = Notes()
    woken = Notes()

    def wait(timeout):
        with condition:
            entered.append(1)
            woken.append(condition.wait(timeout))

    with Crew(kind.threading) as crew:
        for timeout in (None, 30, None, 30, None):
            crew.start(wait, timeout)
        until(lambda: len(entered) == 5)
        for count, total in ((1, 1), (2, 3), (0, 3)):
            with condition:
                condition.notify(count)
            until(lambda: len(woken) >= total)  # noqa: B023
            with condition:
                assert len(woken) == total
        with condition:
            condition.notify_all()
    assert woken.all() == [True] * 5


def test_wait_for_returns_the_predicates_last_value(kind):
    condition = kind.threading.Condition()
    with condition:
        assert condition.wait_for(lambda: "at once") == "at once"
        value, seconds = timed(condition.wait_for, lambda: 0, 0.1)
        assert value == 0 and seconds >= 0.09


def test_two_threads_hand_over_by_one_condition(kind):
    condition = kind.threading.Condition(kind.threading.Lock())
    turns = []
    rounds = 50 if LIGHT else 500

    def play(mine):
        for _ in range(rounds):
            with condition:
                assert condition.wait_for(lambda: len(turns) % 2 == mine, 30)
                turns.append(mine)
                condition.notify()

    with Crew(kind.threading) as crew:
        crew.start(play, 0)
        crew.start(play, 1)
    assert turns == [0, 1] * rounds


def test_the_repr_tells_the_state(kind):
    for make in both_locks(kind):
        lock = make()
        assert repr(lock).startswith("<unlocked ") and " object" in repr(lock), repr(lock)
        with lock:
            assert repr(lock).startswith("<locked "), repr(lock)
        assert " at 0x" in repr(lock)
    condition = kind.threading.Condition()
    assert repr(condition).startswith("<Condition(<unlocked ") and repr(condition).endswith(
        ", 0)>"
    )


def test_descriptors_are_bounded_and_used_again(_):
    import _waiting
    from shim import SHIM

    lock = SHIM.threading.Lock()
    lock.acquire()
    for _round in range(30):
        assert lock.acquire(timeout=0.001) is False
    made, free = _waiting.bells()
    if made == 0:
        skip("timed waits look again and again on this system")
    assert made == free and made <= 16, (made, free)
