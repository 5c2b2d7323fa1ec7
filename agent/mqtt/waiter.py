"""Sleeping until a socket, a wake-up call or the time: the one place of a link that waits.

One rule: one poller, and nothing in it but the transport and the channel. A back-end file: what
`select.poll` does differently on CPython and MicroPython is settled here.
"""

import select

_READ = select.POLLIN
_WRITE = select.POLLOUT


class Waiter:
    """`channel` is a wakeup.Channel or None, without which nothing wakes the sleeper early."""

    def __init__(self, channel=None):
        self._poller = select.poll()
        # MicroPython's has a form that makes no list, and gives back the object that was
        # registered, where CPython gives its descriptor.
        self._poll = getattr(self._poller, "ipoll", None)
        self._channel = channel
        self._call = None
        if channel is not None:
            self._poller.register(channel.pollable, _READ)
            self._call = channel.pollable if self._poll else channel.pollable.fileno()
        self._poll = self._poll or self._poller.poll
        self._pollable = self._other = None
        self._interest = 0

    def watch(self, pollable):
        """Wait for this one from now on."""
        self._pollable = pollable
        self._interest = _READ | _WRITE
        self._poller.register(pollable, self._interest)

    def forget(self):
        """Wait for it no longer; to be called before it is closed."""
        if self._pollable is not None:
            self._poller.unregister(self._pollable)
            self._pollable = None

    def also(self, pollable, writing):
        """End the wait when this one has something too, whatever it is for; None: no longer."""
        if self._other is not None:
            self._poller.unregister(self._other)
        self._other = pollable
        if pollable is not None:
            self._poller.register(pollable, _WRITE if writing else _READ)

    def want(self, reading, writing):
        """What to wait for: that bytes have come, that bytes can be written."""
        interest = (_READ if reading else 0) | (_WRITE if writing else 0)
        if interest != self._interest and self._pollable is not None:
            self._interest = interest
            self._poller.modify(self._pollable, interest)

    def wait(self, timeout_ms):
        """Sleep for `timeout_ms` at most, negative: for ever; whether the watched one is ready."""
        ready = False
        for found in self._poll(timeout_ms):
            if found[0] == self._call:
                self._channel.clear()
            else:
                ready = True
        return ready

    def wake(self):
        """End the wait, or the next one. The only call here for other threads."""
        if self._channel is not None:
            self._channel.set()
