"""What lies under the shim: bells, their pool, deadlines, and waits that an exception ends."""

import _waiting
import wakeup
from shim import LIGHT, SHIM, Crew, Notes, until
from support import raises, skip

threading = SHIM.threading


def need_bells():
    bell = _waiting._take_bell()
    if isinstance(bell, _waiting._Look):
        skip("timed waits look again and again on this system")
    _waiting._give_bell_back(bell)


def test_a_ring_that_was_left_in_the_socket_wakes_nobody():
    need_bells()
    bell = _waiting._take_bell()
    bell.release()
    bell.release()
    _waiting._give_bell_back(bell)
    event = threading.Event()
    assert event.wait(0.05) is False, "an old ring was taken for a call"
    with Crew(threading) as crew:
        crew.start(event.wait, 30)
        until(lambda: event._waiters)
        event.set()


def test_free_bells_are_kept_up_to_a_bound_and_the_rest_closed():
    need_bells()
    bells = [_waiting._take_bell() for _ in range(_waiting._KEPT + 5)]
    made, free = _waiting.bells()
    assert made == len(bells) and free == 0
    for bell in bells:
        _waiting._give_bell_back(bell)
    assert _waiting.bells() == (_waiting._KEPT, _waiting._KEPT)


def test_eight_threads_that_wait_take_eight_bells():
    need_bells()
    event = threading.Event()
    before = _waiting.bells()[0]
    for _round in range(2 if LIGHT else 5):
        event.clear()
        with Crew(threading) as crew:
            for _ in range(8):
                crew.start(event.wait, 30)
            until(lambda: len(event._waiters) == 8)
            event.set()
    made, free = _waiting.bells()
    assert made == free and made <= max(before, 8 + 1)  # and one of the thread that joins


def test_without_a_descriptor_a_wait_looks_instead():
    def refuse():
        raise wakeup.Unavailable("no descriptor left")

    original = wakeup.self_connected
    taken = []
    wakeup.self_connected = refuse
    event = threading.Event()
    try:
        while _waiting.bells()[1]:
            taken.append(_waiting._take_bell())
        assert event.wait(0.03) is False
        with Crew(threading) as crew:
            crew.start(event.wait, 30)
            until(lambda: event._waiters)
            event.set()
    finally:
        wakeup.self_connected = original
        for bell in taken:
            _waiting._give_bell_back(bell)


def test_a_deadline_is_never_early_and_counts_down():
    for seconds in (0.0001, 0.0011, 1, 2.5):
        assert _waiting.Deadline(seconds).left_ms() >= seconds * 1000 - 1
    assert _waiting.Deadline(0.0001)._left_ms == 1
    assert _waiting.Deadline(0).left_ms() <= 0
    assert _waiting.Deadline(-5).left_ms() <= 0


def test_a_deadline_outlives_the_counter_it_reads():
    ticks = [2**30 - 10]
    originals = _waiting.ticks_ms, _waiting.ticks_diff
    _waiting.ticks_ms = lambda: ticks[0] & (2**30 - 1)
    _waiting.ticks_diff = lambda end, start: ((end - start + 2**29) & (2**30 - 1)) - 2**29
    try:
        deadline = _waiting.Deadline(30 * 24 * 3600)  # a month; 32-bit ticks wrap in 12 days
        for hours in range(1, 30 * 24):
            ticks[0] += 3600 * 1000
            assert deadline.left_ms() == (30 * 24 - hours) * 3600 * 1000
    finally:
        _waiting.ticks_ms, _waiting.ticks_diff = originals


def test_a_wait_longer_than_poll_takes_is_slept_in_parts():
    class Poller(_waiting._Bell):
        def __init__(self):
            self.woken = False
            self.slept = []

        def _poll(self, timeout_ms):
            self.slept.append(timeout_ms)
            self.woken = len(self.slept) == 3
            return ()

    poller = Poller()
    poller.sleep(_waiting.Deadline(threading.TIMEOUT_MAX))
    assert poller.slept == [_waiting._SLICE_MS] * 3


class Interrupt(Exception):
    """What ends a wait from outside, as Ctrl-C does."""


class Interrupted:
    """`with Interrupted(call):` this thread's next sleep calls that, then raises Interrupt."""

    def __init__(self, meanwhile):
        self._meanwhile = meanwhile
        self._thread = threading.get_ident()

    def __enter__(self):
        self._original = _waiting.sleep
        _waiting.sleep = self._sleep

    def __exit__(self, *error):
        _waiting.sleep = self._original

    def _sleep(self, waiter, deadline):
        if threading.get_ident() != self._thread:
            return self._original(waiter, deadline)
        self._meanwhile()
        raise Interrupt()


def test_an_interrupted_wait_leaves_no_trace():
    for timeout in (None, 30):
        semaphore = threading.Semaphore(0)
        with Interrupted(lambda: None):
            raises(Interrupt, semaphore.acquire, True, timeout)
        assert not semaphore._waiters
        semaphore.release()
        assert semaphore.acquire(False)
        condition = threading.Condition()
        with condition:
            with Interrupted(lambda: None):
                raises(Interrupt, condition.wait, timeout)
            assert not condition._waiters
            condition.notify()


def test_a_call_that_came_to_an_interrupted_wait_goes_to_the_next():
    for mine, others in ((None, None), (30, None), (None, 30), (30, 30)):
        semaphore = threading.Semaphore(0)
        passed = Notes()
        with Crew(threading) as crew:

            def meanwhile(waiting=semaphore, notes=passed, crew=crew, timeout=others):
                crew.start(lambda: notes.append(waiting.acquire(True, timeout)))
                until(lambda: len(waiting._waiters) == 2)
                waiting.release()  # wakes the wait that is about to be interrupted

            with Interrupted(meanwhile):
                raises(Interrupt, semaphore.acquire, True, mine)
        assert passed.all() == [True]
