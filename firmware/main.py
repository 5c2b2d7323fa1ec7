"""A board's second file: starts the agent from its slot, and the board again when that ends.

It is written when the board is provisioned, and no update touches it. /limpet holds the slots and
limpet_start.py, /agent.json the configuration. What ends is started again after a pause that lets
a person in by the serial line.
"""

import time

import machine

try:
    import limpet_esp32 as starting  # put there where the agent is in the firmware
except ImportError:
    import limpet_start as starting

PAUSE_S = 5

try:
    starting.start("/limpet", ["--config", "/agent.json"])
except Exception as error:  # noqa: BLE001 - whatever it is, the way on is another start
    print("main: %r" % error)
time.sleep(PAUSE_S)
machine.reset()
