"""`threading.local`: attributes of which every thread has its own.

The one rule: values are kept by the serial of their thread, never by its identification, which the
next thread may get. What a thread left behind goes when the next one first comes to the object.

MicroPython asks `__getattr__` only for what it does not find, so a value must not have the name of
something in the class: that would be found first. Assigning one raises an error that says so.
"""

import _registry
from _waiting import allocate_lock


def _has_set_up(kind):
    own = getattr(kind, "__init__", None)  # MicroPython's classes have none unless it is written
    return own is not None and own is not getattr(object, "__init__", None)


class _Store:
    """What a `local` object keeps for its threads."""

    def __init__(self, args, kwargs):
        self.args = args
        self.kwargs = kwargs
        self._lock = allocate_lock()  # guards _by_serial; each dict in it is its thread's alone
        self._by_serial = {}

    def find(self, serial):
        with self._lock:
            return self._by_serial.get(serial)

    def add(self, serial):
        with self._lock:
            before = list(self._by_serial)
        alive = _registry.serials()  # after `before`: a thread that comes now is in neither
        values = {}
        with self._lock:
            for old in before:
                if old not in alive:
                    self._by_serial.pop(old, None)
            self._by_serial[serial] = values
        return values


class local:  # noqa: N801 - CPython's name
    """An object whose attributes are different in every thread. CPython: `threading.local`.

    A subclass's `__init__` runs once for each thread, with the arguments of the first call.
    """

    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        if (args or kwargs) and not _has_set_up(cls):
            raise TypeError("Initialization arguments are not supported")
        object.__setattr__(self, "_local__store", _Store(args, kwargs))
        self._local__store.add(_registry.current()._serial)
        return self

    def _local__values(self):
        store = self._local__store
        serial = _registry.current()._serial
        values = store.find(serial)
        if values is None:
            values = store.add(serial)
            if _has_set_up(self.__class__):
                self.__init__(*store.args, **store.kwargs)
        return values

    def __getattr__(self, name):
        try:
            return self._local__values()[name]
        except KeyError:
            raise AttributeError(
                "'%s' object has no attribute '%s'" % (self.__class__.__name__, name)
            )

    def __setattr__(self, name, value):
        if hasattr(self.__class__, name):
            raise AttributeError(
                "'%s' is in the class and would hide each thread's own; assign it in __init__"
                % name
            )
        self._local__values()[name] = value

    def __delattr__(self, name):
        try:
            del self._local__values()[name]
        except KeyError:
            raise AttributeError(name)
