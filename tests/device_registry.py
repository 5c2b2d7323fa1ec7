"""A registry of device commands over fakes, and a guard that remembers what it was asked.

The one rule: a call goes through the declaration, as a caller's does.
"""

import time

from support import raises

from agent.commands import device, hardware
from agent.commands.registry import Registry
from agent.errors import LimpetError


def call(registry, method, params):
    """Run a command as its declaration says: a task to its end, resting as it asks."""
    command = registry.find(method)
    params = registry.checked_params(command, params)
    if not isinstance(command.mode, tuple):
        return command.call(params)
    steps = command.call(params, Job())
    while True:
        try:
            rest = next(steps)
        except StopIteration as end:
            return end.value
        time.sleep((rest or 0) / 1000)  # which what it talks to may need


class Job:
    """What a task tells of itself, kept."""

    cancelled = False

    def __init__(self):
        self.told = []

    def progress(self, fraction, phase=None):
        self.told.append((fraction, phase))


class Bench:
    """`fakes` by capability; the policy allows everything until `closed`."""

    def __init__(self, workers=0, **fakes):
        self.asked = []
        self.closed = False
        self.hardware = hardware.Hardware(self._guard, workers, 60000)
        for name in fakes:
            self.hardware.devices.put(name, fakes[name])
        self.registry = Registry()
        self.registry.add_families(
            device.FAMILIES, lambda name: device.load_family(name, self.hardware)
        )

    def _guard(self, *words):
        if self.closed:
            hardware.allow_nothing(*words)
        self.asked.append(words)

    def call(self, method, **params):
        return call(self.registry, method, params)

    def refused(self, method, **params):
        """The error that a call must end in."""
        return raises(LimpetError, self.call, method, **params)

    def check_closed(self, calls):
        """Each of `calls`, (method, params), is denied without a policy."""
        self.closed = True
        for method, params in calls:
            assert self.refused(method, **params).code == "denied", method
        self.closed = False
