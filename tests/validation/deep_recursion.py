"""Recursion without end in a thread: an error there, not the end of the process."""

import threading


def dive(depth):
    return dive(depth + 1) + 1


def work():
    try:
        dive(0)
    except RuntimeError as error:
        caught.append(type(error).__name__)


caught = []
for _ in range(10):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print("caught %d of 10" % len(caught))
