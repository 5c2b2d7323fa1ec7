"""Thread, Timer, the functions about threads, excepthook: over CPython's own and the shim."""

import sys
import time

from shim import IMPLEMENTATIONS, LIGHT, SHIM, Crew, Notes, until
from support import raises, skip

__all__ = ("IMPLEMENTATIONS",)


def test_a_thread_calls_its_target_and_ends(kind):
    calls = []
    thread = kind.threading.Thread(
        target=lambda *args, **options: calls.append((args, options)),
        args=(1, 2),
        kwargs={"three": 3},
    )
    assert not thread.is_alive() and thread.ident is None
    thread.start()
    thread.join()
    assert calls == [((1, 2), {"three": 3})] and not thread.is_alive()
    assert thread.ident is not None
    thread.join()
    thread.join(0)


def test_a_subclass_may_override_run(kind):
    class Worker(kind.threading.Thread):
        def __init__(self, number):
            super().__init__(name="worker")
            self.number = number

        def run(self):
            self.number += 1

    worker = Worker(1)
    worker.start()
    worker.join()
    assert worker.number == 2 and repr(worker).startswith("<Worker(worker, stopped ")


def test_misuse_is_refused(kind):
    threading = kind.threading
    raises(AssertionError, threading.Thread, 1)
    thread = threading.Thread(target=int)
    assert str(raises(RuntimeError, thread.join)) == "cannot join thread before it is started"
    assert str(raises(RuntimeError, threading.current_thread().join)) == (
        "cannot join current thread"
    )
    thread.start()
    assert str(raises(RuntimeError, thread.start)) == "threads can only be started once"
    thread.join()
    raises(RuntimeError, thread.start)
    raises(RuntimeError, setattr, threading.current_thread(), "daemon", True)

    class Unmade(threading.Thread):
        def __init__(self):
            pass

    assert "not called" in str(raises(RuntimeError, Unmade().start))


def test_join_gives_up_in_time(kind):
    stop = kind.threading.Event()
    thread = kind.threading.Thread(target=stop.wait)
    thread.start()
    start = time.time()
    assert thread.join(0.1) is None and thread.is_alive() and time.time() - start >= 0.09
    thread.join(timeout=-1)
    assert thread.is_alive()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_names_are_given_and_kept(kind):
    thread = kind.threading.Thread(target=test_names_are_given_and_kept)
    first, rest = thread.name.split(" ")
    assert first.startswith("Thread-") and rest == "(test_names_are_given_and_kept)"
    assert int(kind.threading.Thread().name.split("-")[1]) > int(first.split("-")[1])
    assert kind.threading.Thread(name=7).name == "7"
    thread.name = 8
    assert thread.name == "8"


def test_the_repr_tells_the_state(kind):
    for daemon, word in ((False, ""), (True, " daemon")):
        stop = kind.threading.Event()
        thread = kind.threading.Thread(target=stop.wait, name="N", daemon=daemon)
        assert repr(thread) == "<Thread(N, initial%s)>" % word
        thread.start()
        ident = thread.ident
        assert repr(thread) == "<Thread(N, started%s %d)>" % (word, ident)
        stop.set()
        thread.join()
        assert repr(thread) == "<Thread(N, stopped%s %d)>" % (word, ident)
    main = kind.threading.main_thread()
    assert repr(main) == "<_MainThread(MainThread, started %d)>" % main.ident


def test_daemon_is_inherited_and_settable_before_the_start(kind):
    made = []
    main = kind.threading.current_thread().daemon
    assert kind.threading.Thread().daemon == main is False
    parent = kind.threading.Thread(target=lambda: made.append(kind.threading.Thread()))
    parent.daemon = True
    parent.start()
    parent.join()
    assert made[0].daemon is True


def test_the_current_thread_is_the_one_that_runs(kind):
    threading = kind.threading
    seen = Notes()
    hold = threading.Barrier(6)

    def look(number):
        seen.append((number, threading.current_thread(), threading.get_ident()))
        hold.wait(30)

    with Crew(threading) as crew:
        threads = [crew.start(look, number) for number in range(5)]
        until(lambda: hold.n_waiting == 5)
        alive = threading.enumerate()
        assert threading.active_count() >= 6 and threading.main_thread() in alive
        assert [t in alive for t in threads] == [True] * 5
        hold.wait(30)
    for number, thread, ident in seen.all():
        assert thread is threads[number] and thread.ident == ident
    until(lambda: not [t for t in threads if t in threading.enumerate()])
    assert threading.current_thread() is threading.main_thread()


def test_an_identification_that_is_used_again_confuses_nobody(kind):
    threading = kind.threading
    seen = []
    for _ in range(20):
        thread = threading.Thread(target=lambda: seen.append(threading.current_thread()))
        thread.start()
        thread.join()
        assert seen[-1] is thread
    assert len(seen) == 20


def test_a_thread_of_the_low_level_module_gets_a_dummy(kind):
    import _thread

    threading = kind.threading
    seen = []
    done = threading.Event()

    def work():
        seen.append(threading.current_thread())
        seen.append(threading.current_thread())
        done.set()

    _thread.start_new_thread(work, ())
    done.wait()
    assert seen[0] is seen[1] and seen[0].daemon and "Dummy-" in seen[0].name
    assert repr(seen[0]).startswith("<_DummyThread(Dummy-"), repr(seen[0])
    raises((RuntimeError, AssertionError), seen[0].join)


def test_an_exception_ends_its_thread_and_is_reported(kind):
    threading = kind.threading
    reports = []
    original = threading.excepthook
    threading.excepthook = reports.append
    try:
        thread = threading.Thread(target=int, args=("no number",), name="failing")
        thread.start()
        thread.join()
    finally:
        threading.excepthook = original
    assert not thread.is_alive() and len(reports) == 1
    report = reports[0]
    assert report.exc_type is ValueError and isinstance(report.exc_value, ValueError)
    assert report.thread is thread and hasattr(report, "exc_traceback")


def test_leaving_by_system_exit_is_no_error(kind):
    threading = kind.threading
    seen = []
    original = threading.excepthook

    def hook(args):
        seen.append(args.exc_type)
        threading.__excepthook__(args)

    threading.excepthook = hook
    try:
        thread = threading.Thread(target=sys.exit, args=(3,))
        thread.start()
        thread.join()
    finally:
        threading.excepthook = original
    assert not thread.is_alive() and seen in ([SystemExit], [])


class Capture:
    """stderr, for the shim's own report; MicroPython's sys.stderr cannot be replaced."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def test_the_report_names_thread_and_error(kind):
    if kind is not SHIM or sys.implementation.name == "micropython":
        skip("stderr is looked at where it can be replaced")
    sys.stderr, before = Capture(), sys.stderr
    try:
        thread = kind.threading.Thread(target=int, args=("no number",), name="failing")
        thread.start()
        thread.join()
        text = sys.stderr.text
    finally:
        sys.stderr = before
    assert text.startswith("Exception in thread failing:\nTraceback"), text
    assert "ValueError: invalid literal" in text, text


def test_a_hook_that_fails_hides_nothing(kind):
    if kind is not SHIM or sys.implementation.name == "micropython":
        skip("stderr is looked at where it can be replaced")
    sys.stderr, before = Capture(), sys.stderr
    kind.threading.excepthook = lambda args: args.nonsense
    try:
        thread = kind.threading.Thread(target=int, args=("no number",), name="failing")
        thread.start()
        thread.join()
        text = sys.stderr.text
    finally:
        sys.stderr = before
        kind.threading.excepthook = kind.threading.__excepthook__
    assert "nonsense" in text and "invalid literal" in text and not thread.is_alive(), text


def test_a_timer_calls_after_its_time_or_is_cancelled(kind):
    threading = kind.threading
    calls = []
    start = time.time()
    timer = threading.Timer(0.1, lambda *args, **options: calls.append((args, options)), (1,))
    timer.start()
    timer.join()
    assert calls == [((1,), {})] and time.time() - start >= 0.09
    cancelled = threading.Timer(60, calls.append, ["late"])
    cancelled.start()
    cancelled.cancel()
    cancelled.join(30)
    assert not cancelled.is_alive() and len(calls) == 1


def test_the_stack_size_is_what_was_set_last(kind):
    threading = kind.threading
    before = threading.stack_size()
    raises(ValueError, threading.stack_size, -1)
    assert threading.stack_size(256 * 1024) == before
    try:
        assert threading.stack_size() == 256 * 1024
        done = []
        thread = threading.Thread(target=done.append, args=(1,))
        thread.start()
        thread.join()
        assert done == [1]
    finally:
        threading.stack_size(0)
    assert threading.stack_size() == 0


def test_many_threads_come_and_go(kind):
    threading = kind.threading
    count = threading.active_count()
    total = Notes()

    for _ in range(5 if LIGHT else 50):
        with Crew(threading) as crew:
            for _ in range(8):
                crew.start(total.append, 1)
    assert len(total) == 8 * (5 if LIGHT else 50)
    until(lambda: threading.active_count() <= count)
