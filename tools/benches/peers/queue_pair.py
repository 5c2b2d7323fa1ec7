"""Measures one `queue` module on the interpreter that runs it, and prints a line of JSON.

    INTERPRETER queue_pair.py shim|cpython ITEMS HANDOVERS

One thread that puts and gets; two threads at full speed; and how long after a put() the other
thread, which waits in get(), has the item. A hand-over happens every 2 ms, on a waiting thread.
"""

import json
import sys
import time

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
ROOT = HERE + "/../../.."
PAUSE_S = 0.002
BOUND = 100

sys.path[0:0] = [ROOT + "/tests/contract", ROOT + "/tests"]
sys.path.append(ROOT + "/compat")

if hasattr(time, "ticks_us"):
    now_us = time.ticks_us
    between = time.ticks_diff
else:

    def now_us():
        """Microseconds of a steady clock."""
        return time.perf_counter_ns() // 1000

    def between(end, start):
        """Microseconds from `start` to `end`."""
        return end - start


def one_thread(queue, items):
    """Items a second through put() and get() of one thread."""
    channel = queue.Queue()
    start = now_us()
    for number in range(items):
        channel.put(number)
        channel.get()
    return items * 1000000 / between(now_us(), start)


def two_threads(threading, queue, items):
    """Items a second from one thread to another over a bounded queue."""
    channel = queue.Queue(BOUND)

    def produce():
        for number in range(items):
            channel.put(number)

    thread = threading.Thread(target=produce)
    start = now_us()
    thread.start()
    for _ in range(items):
        channel.get()
    taken = between(now_us(), start)
    thread.join()
    return items * 1000000 / taken


def hand_over(threading, queue, count, timeout):
    """Microseconds of each hand-over to a thread that waits in get(timeout=timeout), sorted."""
    channel = queue.Queue()
    delays = []  # the other thread's until it is joined

    def receive():
        while True:
            sent = channel.get(True, timeout)
            if sent is None:
                return
            delays.append(between(now_us(), sent))

    thread = threading.Thread(target=receive)
    thread.start()
    for _ in range(count):
        time.sleep(PAUSE_S)
        channel.put(now_us())
    channel.put(None)
    thread.join()
    return sorted(delays)


def main(which, items, count):
    """Measure, print."""
    if which == "shim":
        from shim import SHIM

        threading, queue = SHIM.threading, SHIM.queue
    else:
        import queue
        import threading
    result = {
        "one-thread": one_thread(queue, items),
        "two-threads": two_threads(threading, queue, items),
    }
    for case, timeout in (("handover", None), ("handover-timed", 5)):
        delays = hand_over(threading, queue, count, timeout)
        result[case] = [delays[len(delays) // 2], delays[len(delays) * 99 // 100], delays[-1]]
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
