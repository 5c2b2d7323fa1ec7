"""What is known of boards as data: firmware/boards/boards.json.

The one rule: what a board cannot do is said before anything is written to it; one that is not
known here is taken as it is.
"""

import json
import os

from .contents import ContentProblem

DATA = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../firmware/boards/boards.json"
)
# The agent's modules are held in the heap, unless they are in the firmware. Measured on 32-bit
# MicroPython: with 280 KiB it does not start, with 320 it connects.
LEAST_HEAP = 320 * 1024


def load():
    """All of it."""
    with open(DATA, encoding="utf-8") as file:
        return json.load(file)


def find(machine):
    """(name, what is known) of the board whose `sys.implementation._machine` that is, or None."""
    for name, board in load()["boards"].items():
        if board["machine"] == machine:
            return name, board
    return None


def check(facts, values, is_frozen):
    """Refuse a board whose memory or network the agent, or its configuration, asks too much of."""
    found = find(facts.machine)
    if values is not None and found is not None and values["network"] is not None:
        network = values["network"]
        if network["wifi"] and not found[1]["wifi"]:
            raise ContentProblem("network.wifi: %s has no Wi-Fi" % found[0])
        if network["ethernet"] is not None and not found[1]["ethernet"]:
            raise ContentProblem("network.ethernet: %s has no Ethernet" % found[0])
    if not is_frozen and facts.memory < LEAST_HEAP:
        words = (facts.memory // 1024, LEAST_HEAP // 1024)
        text = "%d KiB of heap are too little for the agent as files, which needs %d: build a"
        raise ContentProblem(
            text % words + " firmware with the agent in it (firmware/manifest.py)"
        )
