"""The cases of CPython's own tests that do not apply to the shim, with a reason each.

Keys are `Class.test`, `Class.*` or `*.test`. Cases that start another CPython are left out by the
runner itself, and those for CPython's C versions by the test files.
"""

_INSIDE = "looks at CPython's private %s; the shim has no such thing inside"
_ABSENT = "%s is not offered: it is not among what the shim promises (compat/README.md)"
_FORK = "MicroPython has no fork, so no lock is made anew after one"

THREADING = {
    "*.test_at_fork_reinit": _FORK,
    "*.test_reinit_tls_after_fork": _FORK,
    "ThreadTests.test_fork_at_exit": _FORK,
    "ThreadTests.test_is_alive_after_fork": _FORK,
    "ThreadTests.test_name": _INSIDE % "_counter",
    "ThreadTests.test_limbo_cleanup": _INSIDE % "_start_new_thread and _limbo",
    "ThreadTests.test_tstate_lock": _INSIDE % "_tstate_lock",
    "ThreadTests.test_shutdown_locks": _INSIDE % "_shutdown_locks",
    "ThreadTests.test_foreign_thread": _INSIDE % "_active and its lock",
    "ThreadTests.test_frame_tstate_tracing": _ABSENT % "settrace",
    "ThreadTests.test_gettrace": _ABSENT % "gettrace",
    "ThreadTests.test_gettrace_all_threads": _ABSENT % "gettrace",
    "ThreadTests.test_getprofile": _ABSENT % "getprofile",
    "ThreadTests.test_getprofile_all_threads": _ABSENT % "getprofile",
    "ThreadTests.test_old_threading_api": "the camelCase names are deprecated since 3.10",
    "ThreadTests.test_PyThreadState_SetAsyncExc": "calls CPython's C API",
    "ThreadTests.test_disallow_instantiation": "is about the type of CPython's C lock",
    "ThreadTests.test_lock_no_subclass": "is about the type of CPython's C lock",
    "ThreadTests.test_lock_no_args": "is about the type of CPython's C lock",
    "PyRLockTests.test_recursion_count": _INSIDE % "RLock._recursion_count",
    "ConditionAsRLockTests.test_recursion_count": _INSIDE % "RLock._recursion_count",
    "ExceptHookTests.test_custom_excepthook_fail": (
        "CPython leaves the hook's error to sys.excepthook, which MicroPython has not: the shim "
        "reports it itself, with the error that the hook was called for"
    ),
    "MiscTestCase.*": "is about the list of every name in CPython's module",
    "InterruptMainTests.*": "is about _thread.interrupt_main, which MicroPython has not",
    "SubinterpThreadingTests.*": "MicroPython has no subinterpreters",
}

LOCAL = {
    "ThreadLocalTest.*": "tests the one that CPython has in C",
    "DocTestCase.*": "tests the documentation of CPython's own",
    "*.test_threading_local_clear_race": "tests the one that CPython has in C",
    "*.test_dict_attribute": "looks at __dict__, which is not a thread's own here",
    "*.test_dict_attribute_subclass": "as test_dict_attribute",
}

QUEUE = {"CSimpleQueueTest.*": "tests the one that CPython has in C"}

FILES = {"test_queue": QUEUE, "test_threading": THREADING, "test_threading_local": LOCAL}
