"""What a family of device commands may use: capabilities, the policy's guard, patience.

The one rule: the policy is asked before anything is opened, and what may last is refused where it
would stop the agent unless the caller accepts that.
"""

from agent.commands.registry import INLINE, PLAIN, TASK  # noqa: F401 - families take them here
from agent.devices import Devices
from agent.errors import BadParams, LimpetError, Unavailable


class NotAllowed(LimpetError):
    """No policy was given, so that nothing but harmless reads is allowed."""

    code = "denied"


def allow_nothing(kind, where, first, last, write):
    """The guard that stands until the device has a policy."""
    words = (kind, where, first, last)
    raise NotAllowed("%s %s, %d to %d: no policy allows anything here" % words)


class Hardware:
    """What a family may use.

    `guard(kind, where, first, last, write)` raises unless the policy allows it, as
    `policy.check_hardware` does; `workers` is how many threads run commands; `keep_alive_ms` is
    the link's, 0 for none. Owner: the main thread, until `prepare` has been called.
    """

    def __init__(self, guard=allow_nothing, workers=0, keep_alive_ms=0, devices=None):
        self.guard = guard
        self.devices = devices or Devices()
        self.use = self.devices.use
        self.keeper = None  # a Keeper once a watchdog runs; the main thread's alone
        self.adopt = None  # called with that Keeper, so that the main loop drives it
        self._workers = workers
        self._keep_alive_ms = keep_alive_ms

    def prepare(self, names):
        """Import what a family needs, so that no worker has to; a refusal can wait."""
        for name in names:
            try:
                self.use(name)
            except Unavailable:
                pass  # whoever needs it is told

    def supervise(self):
        """The Keeper of this process's watchdogs."""
        if self.keeper is None:
            from agent.devices.keeper import Keeper

            self.keeper = Keeper()
            if self.adopt is not None:
                self.adopt(self.keeper)
        return self.keeper

    def check_wait(self, what, stall_ms):
        """Raise unless a call that may last long is harmless here, or the caller accepts a stall.

        A stall of at most half the keep-alive is safe: the broker waits for one and a half.
        """
        reason = self._stall_reason()
        if reason is None:
            return
        most = self._keep_alive_ms // 2 if self._keep_alive_ms else 60000
        if stall_ms is None:
            text = "%s may last minutes, and %s; stall_ms, at most %d, accepts that"
            raise Unavailable(text % (what, reason, most))
        if stall_ms > most:
            text = "stall_ms: expected at most %d, half the keep-alive, got %d"
            raise BadParams(text % (most, stall_ms))

    def _stall_reason(self):
        if not self._workers:
            return "without workers nobody is answered meanwhile"
        import fcntl

        if getattr(fcntl, "HOLDS_LOCK", False):
            return "a request through ffi stops every thread meanwhile"
        return None
