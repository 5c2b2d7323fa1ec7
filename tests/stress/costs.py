"""What each operation of the shim costs on this interpreter: `micropython tests/stress/costs.py`.

Prints nanoseconds and bytes of heap for operations of one thread; then what a timed wait costs
while nothing happens, and how long after the call its thread runs: with a bell (a socket), and as
on a board, where the waiter comes back and looks. Context switches are read from /proc on Linux.
"""

import gc
import sys
import time

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path[0:0] = [HERE + "/../contract", HERE + "/.."]
sys.path.append(HERE + "/../../compat")

import _imports  # noqa: E402 - found through the path set above
import _waiting  # noqa: E402
import wakeup  # noqa: E402
from interpreter import THREADS  # noqa: E402
from shim import SHIM  # noqa: E402

threading = SHIM.threading
queue = SHIM.queue
ROUNDS = 20000
WAIT_S = 2


def now_us():
    """Microseconds of a steady clock."""
    if hasattr(time, "ticks_us"):
        return time.ticks_us()
    return time.perf_counter_ns() // 1000


def cost(name, call, rounds=ROUNDS):
    """Print the cost of one call, less that of calling nothing."""
    call()
    taken = elapsed(call, rounds) - elapsed(int, rounds)
    print("%-28s %7d ns %s" % (name, taken * 1000 // rounds, heap(call)))


def elapsed(call, rounds):
    start = now_us()
    for _ in range(rounds):
        call()
    return now_us() - start


def heap(call):
    """Bytes of heap that one call takes, where the interpreter tells."""
    if not hasattr(gc, "mem_alloc"):
        return ""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(100):
        call()
    after = gc.mem_alloc()
    gc.enable()
    return "%5d bytes" % ((after - before) // 100)


def operations():
    """Every operation that agents and user code do often."""
    raw = _waiting.allocate_lock()
    channel = queue.Queue()
    lock = threading.Lock()
    reentrant = threading.RLock()
    condition = threading.Condition()
    event = threading.Event()
    data = threading.local()
    data.value = 1

    def enter(thing):
        def call():
            with thing:
                pass

        return call

    def put_get():
        channel.put(1)
        channel.get()

    def set_wait_clear():
        event.set()
        event.wait()
        event.clear()

    def start_join():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    cost("with a lock of _thread", enter(raw))
    cost("with Lock()", enter(lock))
    cost("with RLock()", enter(reentrant))
    cost("with Condition()", enter(condition))
    cost("Queue put and get", put_get)
    cost("Event set, wait, clear", set_wait_clear)
    cost("current_thread()", threading.current_thread)
    cost("local attribute", lambda: data.value)
    if can_start():
        cost("Thread start and join", start_join, 300)


def can_start():
    """Whether there are threads here."""
    return THREADS != "none"


def imports():
    """An import of a module that is there already, before and after the lock is put in."""

    def load():
        import wakeup

        return wakeup

    cost("import of a loaded module", load)
    print("lock around imports: %s" % ("there" if _imports.install() else "not there"))
    cost("import of a loaded module", load)


def switches():
    """How often all threads of this process went to sleep so far, or None."""
    try:
        with open("/proc/self/status") as file:
            lines = [line for line in file if line.startswith("voluntary")]
        return int(lines[0].split()[1])
    except (OSError, IndexError):
        return None


def idle(name):
    """Print what one timed wait costs in which nothing happens."""
    before = switches()
    threading.Event().wait(WAIT_S)
    after = switches()
    if before is not None:
        print("%-28s %7d context switches in %d s" % (name + ", idle", after - before, WAIT_S))


def latency(name):
    """Print how long after set() a thread in wait(timeout) runs."""
    events = [threading.Event() for _ in range(200)]
    delays = []  # the waiter's, until it is joined
    sent = [0] * len(events)  # each written before its event is set

    def wait():
        for number, event in enumerate(events):
            event.wait(60)
            delays.append(now_us() - sent[number])

    thread = threading.Thread(target=wait)
    thread.start()
    for number, event in enumerate(events):
        time.sleep(0.01 + number % 7 / 1000)
        sent[number] = now_us()
        event.set()
    thread.join()
    delays.sort()
    middle, late = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print("%-28s %7d us p50 %7d us p99" % (name + ", woken", middle, late))


def waits():
    """Timed waits with a bell, and as on a board."""

    def refuse():
        raise wakeup.Unavailable("switched off to measure the other way")

    original = wakeup.self_connected
    for name, make in (("timed wait, bell", original), ("timed wait, looking", refuse)):
        wakeup.self_connected = make
        _waiting._bells[:] = []
        idle(name)
        if can_start():
            latency(name)
    wakeup.self_connected = original


if __name__ == "__main__":
    imports()
    operations()
    waits()
