"""A producer, a consumer and the main thread, as a person tries out threads: 12 lines, 4 seconds.

Each line is the thread's repr, the time and a text. `MICROPYPATH=compat micropython FILE` runs it
as it stands, and so does CPython: nothing here knows of the shim.
"""

import sys
import threading
import time
from queue import Queue

q = Queue()


def log(text):
    stamp = "%04d-%02d-%02dT%02d:%02d:%02d" % time.localtime()[:6]
    # One write for the line: print() makes two, and without a GIL another's comes between.
    sys.stdout.write("%r %s %s\n" % (threading.current_thread(), stamp, text))


def enqueue():
    for i in range(4):
        q.put(i)
        log("enqueue %d" % i)
        time.sleep(1)
    log("finished iterations, exiting.")


def dequeue():
    while True:
        item = q.get()
        if item is None:
            break
        log("dequeue %d" % item)
    log("received stop message, exiting.")


log("Started.")
t1 = threading.Thread(target=enqueue, name="t1")
t2 = threading.Thread(target=dequeue, name="t2")
t1.start()
t2.start()
t1.join()
q.put(None)
t2.join()
log("finished.")
