"""A board's module `machine`, for the back ends that are written for it.

The one rule: what it does is what MicroPython's documentation of `machine` says, no more; a test
moves its hardware through the module-level tables. It stands for no port in particular.
"""

import sys

WDT_RESET, PWRON_RESET = 3, 1
_cause = PWRON_RESET


def reset_cause():
    return _cause


class WDT:
    made = []

    def __init__(self, id=0, timeout=5000):
        if not 1 <= timeout <= 8388:
            raise ValueError("timeout exceeds 8388")
        self.timeout_ms = self.left_ms = timeout
        self.made.append(self)

    def feed(self):
        self.left_ms = self.timeout_ms


def load(name):
    """The back end `name`, over this module in place of the runtime's own `machine`."""
    before = sys.modules.get("machine")
    sys.modules["machine"] = sys.modules[__name__]
    try:
        __import__("agent.devices." + name)
        return sys.modules["agent.devices." + name]
    finally:
        if before is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = before
