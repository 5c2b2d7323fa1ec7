"""Threads and what they wait for one another with, under CPython's names and behaviour.

The one rule: what two threads touch is touched under the lock named where it is made; nothing
here is believed to be atomic. Made for MicroPython, where `_thread` is all there is.

Not here: what has no meaning there (native identifications, tracing) and the names in camelCase
that CPython keeps for old programs. The README tells what is safe on which interpreter.
"""

import sys
from collections import namedtuple

import _imports
import _registry
import _waiting
from _local import local
from _locks import TIMEOUT_MAX, Condition, Lock, RLock
from _signals import Barrier, BoundedSemaphore, BrokenBarrierError, Event, Semaphore
from _waiting import allocate_lock, get_ident
from interpreter import format_exception

__all__ = (
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "ExceptHookArgs",
    "Lock",
    "RLock",
    "Semaphore",
    "TIMEOUT_MAX",
    "Thread",
    "ThreadError",
    "Timer",
    "active_count",
    "current_thread",
    "enumerate",
    "excepthook",
    "get_ident",
    "local",
    "main_thread",
    "stack_size",
)

ThreadError = RuntimeError

_lock = allocate_lock()  # guards _settings, and each thread's step from made to started
_settings = {"names": 0, "stack_bytes": 0}

_ExceptHookArgs = namedtuple(
    "ExceptHookArgs", ("exc_type", "exc_value", "exc_traceback", "thread")
)


def ExceptHookArgs(args):  # noqa: N802 - CPython's name
    """The argument of `excepthook`, from a sequence of its four members."""
    return _ExceptHookArgs(*args)


def excepthook(args):
    """Report an exception that ended a thread, on stderr. Assign another function to change it.

    `args` has `exc_type`, `exc_value`, `exc_traceback` (None on MicroPython, whose exceptions
    hold it themselves) and `thread`. SystemExit is no error and is not reported.
    """
    if args.exc_type is SystemExit:
        return
    name = get_ident() if args.thread is None else args.thread.name
    sys.stderr.write("Exception in thread %s:\n%s" % (name, format_exception(args.exc_value)))


__excepthook__ = excepthook


def _report(error, thread):
    args = _ExceptHookArgs(type(error), error, getattr(error, "__traceback__", None), thread)
    try:
        excepthook(args)
    except Exception as second:  # noqa: BLE001 - a report that fails must not hide what it was for
        sys.stderr.write("Exception in threading.excepthook:\n" + format_exception(second))
        __excepthook__(args)


def _new_name(target):
    with _lock:
        _settings["names"] += 1
        number = _settings["names"]
    function = getattr(target, "__name__", None)
    return "Thread-%d (%s)" % (number, function) if function else "Thread-%d" % number


class Thread:
    """A thread of control. CPython: `threading.Thread`."""

    _initialized = False

    def __init__(self, group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None):
        if group is not None:
            raise AssertionError("group argument must be None for now")
        self._target = target
        self._args = args
        self._kwargs = {} if kwargs is None else kwargs
        self._name = _new_name(target) if name is None else str(name)
        self._daemonic = current_thread().daemon if daemon is None else bool(daemon)
        self._serial = _registry.new_serial()
        self._ident = None  # written by the thread itself, before _running is released
        self._starting = False  # guarded by _lock
        self._running = allocate_lock()  # held until the thread has registered
        self._running.acquire()
        self._started = False  # written by start(), after _running
        self._ended = Event()
        self._initialized = True

    def __repr__(self):
        self._check_initialized()
        status = "initial"
        if self._started:
            status = "stopped" if self._ended.is_set() else "started"
        if self._daemonic:
            status += " daemon"
        if self._ident is not None:
            status += " %s" % self._ident
        return "<%s(%s, %s)>" % (self.__class__.__name__, self._name, status)

    def _check_initialized(self, text="Thread.__init__() not called"):
        if not self._initialized:
            raise RuntimeError(text)

    def start(self):
        """Start it. Raises RuntimeError, the second time and where no thread is to be had."""
        self._check_initialized("thread.__init__() not called")
        with _lock:
            if self._starting:
                raise RuntimeError("threads can only be started once")
            self._starting = True
        if _waiting.HAS_THREADS:
            _imports.install()
        try:
            _begin(self._bootstrap)
        except Exception:
            with _lock:
                self._starting = False
            raise
        self._running.acquire()
        self._started = True

    def run(self):
        """What the thread does: by default calls `target`. A subclass may say otherwise."""
        try:
            if self._target is not None:
                self._target(*self._args, **self._kwargs)
        finally:
            self._target = self._args = self._kwargs = None  # what they hold may be large

    def _bootstrap(self):
        try:
            try:
                self._ident = get_ident()
                self._started = True
                _registry.enter(self)
            finally:
                self._running.release()  # start() waits for it, whatever happened
            self.run()
        except BaseException as error:  # noqa: BLE001 - the thread ends here, whatever it was
            _report(error, self)
        finally:
            _registry.exit(self)
            self._ended.set()

    def join(self, timeout=None):
        """Wait until it has ended, at most `timeout` seconds; ask is_alive() which it was."""
        self._check_initialized()
        if not self._started:
            raise RuntimeError("cannot join thread before it is started")
        if self is current_thread():
            raise RuntimeError("cannot join current thread")
        self._ended.wait(None if timeout is None else max(timeout, 0))

    def is_alive(self):
        """Whether it was started and has not ended."""
        self._check_initialized()
        return self._started and not self._ended.is_set()

    @property
    def name(self):
        """For people; need not be unique."""
        self._check_initialized()
        return self._name

    @name.setter
    def name(self, name):
        self._check_initialized()
        self._name = str(name)

    @property
    def ident(self):
        """The interpreter's identification, None before it runs; given anew after it ended."""
        self._check_initialized()
        return self._ident

    @property
    def daemon(self):
        """Whether the program may end without it. Set before start()."""
        self._check_initialized()
        return self._daemonic

    @daemon.setter
    def daemon(self, daemonic):
        self._check_initialized()
        if self._started:
            raise RuntimeError("cannot set daemon status of active thread")
        self._daemonic = bool(daemonic)


def _begin(call):
    try:
        _waiting.start_new_thread(call, ())
    except (OSError, MemoryError, RuntimeError) as error:
        reason = str(error) or type(error).__name__
        if "core1" in reason:  # rp2 has two cores and runs one thread on each
            reason += "; this board has one thread besides the main one, and it runs already"
        raise RuntimeError("can't start new thread: %s" % reason)


class Timer(Thread):
    """Calls `function(*args, **kwargs)` after `interval` seconds, unless cancelled before."""

    def __init__(self, interval, function, args=None, kwargs=None):
        super().__init__()
        self.interval = interval
        self.function = function
        self.args = [] if args is None else args
        self.kwargs = {} if kwargs is None else kwargs
        self.finished = Event()

    def cancel(self):
        """Stop it, if it still waits."""
        self.finished.set()

    def run(self):
        """Wait, then call."""
        if not self.finished.wait(self.interval):
            self.function(*self.args, **self.kwargs)
        self.finished.set()


class _MainThread(Thread):
    """The thread that imported this module."""

    def __init__(self):
        super().__init__(name="MainThread", daemon=False)
        self._ident = get_ident()
        self._starting = self._started = True
        _registry.enter(self)


class _DummyThread(Thread):
    """A thread that `_thread` started. Nobody learns when it ends."""

    def __init__(self):
        super().__init__(name=_new_name(None).replace("Thread", "Dummy"), daemon=True)
        self._ident = get_ident()
        self._starting = self._started = True
        _registry.enter(self)

    def is_alive(self):
        """True: nobody knows better."""
        return True

    def join(self, timeout=None):
        """Not possible: raises RuntimeError."""
        raise RuntimeError("cannot join a dummy thread")


def current_thread():
    """The Thread that is running, a dummy where `_thread` started it."""
    return _registry.current()


def main_thread():
    """The Thread of the main program."""
    return _main_thread


def enumerate():
    """A list of every Thread that is alive, the main one and dummies included."""
    return _registry.alive()


def active_count():
    """How many enumerate() would list."""
    return len(_registry.alive())


def stack_size(size=None):
    """Bytes of stack that later threads get, 0 the port's default; sets it where `size` is given.

    Returns the value before. A port rounds it up to what it needs at least.
    """
    if size is not None and size < 0:
        raise ValueError("size must be 0 or a positive value")
    with _lock:
        before = _settings["stack_bytes"]
        if size is not None:
            _waiting.set_stack_size(size)
            _settings["stack_bytes"] = size
    return before


def _wait_for_threads():
    """At the end of the program: it goes on as long as a thread that is no daemon does."""
    while True:
        others = [one for one in enumerate() if not one.daemon and one is not _main_thread]
        if not others:
            return
        for thread in others:  # each may start more before it ends
            thread.join()


def _at_exit():
    # MicroPython's unix port keeps one function, and hands out the one before it. Boards have
    # none: there the main program ends in the prompt and threads go on.
    before = None

    def at_exit():
        _wait_for_threads()
        if before:
            before()

    before = sys.atexit(at_exit)


_registry.on_foreign(_DummyThread)
_main_thread = _MainThread()
if hasattr(sys, "atexit"):
    _at_exit()
