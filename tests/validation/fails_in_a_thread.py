"""A thread whose target raises: told on stderr, and the program goes on."""

import threading


def fail():
    raise ValueError("the reason")


thread = threading.Thread(target=fail, name="worker-1")
thread.start()
thread.join()
print("alive: %s" % thread.is_alive())
