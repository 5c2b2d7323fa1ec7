"""Which thread is running, by the interpreter's identification of it.

The one rule: an identification is given to another thread as soon as its thread has ended, so it
only ever leads to the thread that registered under it last; what must not be confused is kept by
`serial`, a number that no two threads of `threading` share.

Not here: what a thread is. `threading` says how one that it did not start is represented.
"""

from _waiting import allocate_lock, get_ident

_lock = allocate_lock()  # guards the three below
_by_ident = {}
_alive = {}  # serial: thread
_last = [0]
_make_foreign = [None]  # set once, on the import of `threading`


def on_foreign(make):
    """Say what makes the representation of a thread that was started by `_thread` alone."""
    _make_foreign[0] = make


def new_serial():
    """A number for a new thread."""
    with _lock:
        _last[0] += 1
        return _last[0]


def enter(thread):
    """Register `thread` as the one that is running here; its `_serial` is set."""
    with _lock:
        before = _by_ident.get(get_ident())
        if before is not None:  # it ended without a word, as threads of `_thread` do
            _alive.pop(before._serial, None)
        _by_ident[get_ident()] = thread
        _alive[thread._serial] = thread


def exit(thread):
    """Forget `thread`, whose last act this is."""
    with _lock:
        if _by_ident.get(get_ident()) is thread:
            del _by_ident[get_ident()]
        _alive.pop(thread._serial, None)


def current():
    """The running thread."""
    with _lock:
        thread = _by_ident.get(get_ident())
    return thread if thread is not None else _make_foreign[0]()


def alive():
    """Every registered thread, in the order of their making."""
    with _lock:
        return [_alive[serial] for serial in sorted(_alive)]


def serials():
    """The serials of every registered thread."""
    with _lock:
        return set(_alive)
