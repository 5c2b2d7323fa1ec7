"""A registry of device commands over fakes, and a guard that remembers what it was asked.

The one rule: a call goes through the declaration, as a caller's does.
"""

import time

from support import raises

from agent.commands import device, hardware
from agent.commands.registry import Registry
from agent.errors import LimpetError


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
        command = self.registry.find(method)
        params = self.registry.checked_params(command, params)
        if not isinstance(command.mode, tuple):
            return command.call(params)
        steps = command.call(params, None)
        while True:
            try:
                rest = next(steps)
            except StopIteration as end:
                return end.value
            time.sleep((rest or 0) / 1000)  # as it asks, which what it talks to may need

    def refused(self, method, **params):
        """The error that a call must end in."""
        return raises(LimpetError, self.call, method, **params)

    def check_closed(self, calls):
        """Each of `calls`, (method, params), is denied without a policy."""
        self.closed = True
        for method, params in calls:
            assert self.refused(method, **params).code == "denied", method
        self.closed = False
