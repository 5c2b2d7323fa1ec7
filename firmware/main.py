"""A board's second file: starts the agent from its slot, and the board again when that ends.

It is written when the board is provisioned, and no update touches it. /limpet holds the slots and
limpet_start.py, /agent.json the configuration. What ends is started again after a pause that lets
a person in by the serial line.
"""

import time

import limpet_start
import machine

PAUSE_S = 5

try:
    limpet_start.start("/limpet", ["--config", "/agent.json"])
except Exception as error:  # noqa: BLE001 - whatever it is, the way on is another start
    print("main: %r" % error)
time.sleep(PAUSE_S)
machine.reset()
