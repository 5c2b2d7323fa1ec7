"""Ends its main program while a thread still works and another would never end."""

import sys
import threading
import time


def work():
    time.sleep(0.3)
    print("worked to the end")


def never():
    while True:
        time.sleep(60)


threading.Thread(target=never, daemon=True).start()
threading.Thread(target=work).start()
print("main ends")
sys.exit(3)
