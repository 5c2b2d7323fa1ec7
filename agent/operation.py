"""How the agent is kept running by others, and what is told of it when it fails.

A service manager hears when the agent is ready and that its loop turns; a crash, of the process or
of a thread, is kept on the medium and told. The one rule: nothing that fails here ends the agent.
Part of the composition root; most of it is loaded when it is needed.
"""

import os
import threading

from interpreter import stacks_on_signal

from agent import VERSION
from agent.errors import LimpetError

MOST_FAILED = 4  # threads whose failure waits to be recorded


class Operation:
    """A part of the loop of `agent`."""

    def __init__(self, agent):
        self._agent = agent
        self._notifier = None  # where a service manager wants to hear of us
        # (error, name) of threads that failed. Appended by them, taken by the main thread; both
        # under the lock.
        self._failed = []
        self._lock = threading.Lock()

    @property
    def due(self):
        """When `step` is wanted, in ms; None for never."""
        if self._failed:
            return 0
        return None if self._notifier is None else self._notifier.due

    def begin(self):
        """Speak to a service manager, print stacks when asked, tell of crashes before."""
        stacks_on_signal()
        threading.excepthook = self._on_thread_failed
        if getattr(os, "getenv", None) and os.getenv("NOTIFY_SOCKET"):
            from agent.operate import notify

            self._notifier = notify.from_environment()
            if self._agent.config["service"]["ready"] == "start":
                self._notifier.ready()
        self._tell_crashes()

    def connected(self):
        """The broker accepted: the agent does what it is for."""
        if self._notifier is not None:
            self._notifier.ready()

    def stopping(self):
        """The agent ends in good order."""
        if self._notifier is not None:
            self._notifier.stopping()

    def step(self, now):
        """Record threads that failed; tell the service manager that the loop turns."""
        if self._failed:
            self._record_failed(now)
        if self._notifier is not None:
            self._notifier.step(now)

    def _tell_crashes(self):
        agent = self._agent
        try:
            if agent.storage is None and agent.store.read("crash") is not None:
                from agent.operate import crash

                crash.tell(agent.store, lambda words: agent.voice.keep("event/crash", words))
        except (LimpetError, ValueError, KeyError, TypeError) as error:
            agent.log.warning("crashes before cannot be told: %s", error)

    def _on_thread_failed(self, args):
        """Called in the thread that fails."""
        threading.__excepthook__(args)
        with self._lock:
            if len(self._failed) >= MOST_FAILED:
                return
            self._failed.append((args.exc_value, getattr(args.thread, "name", "?")))
        self._agent.link.wake()

    def _record_failed(self, now):
        from agent.operate import crash

        agent = self._agent
        with self._lock:
            failed, self._failed = self._failed, []
        for error, name in failed:
            try:
                record = crash.make_record(error, agent.boot.number, now, VERSION, name)
                crash.keep(agent.store, record)
            except LimpetError as second:
                agent.log.error("a failed thread could not be recorded: %s", second.message)
        self._tell_crashes()

    def abandon(self):
        """After a crash: let the broker tell the will; (boot, uptime in ms, longest wait in s)."""
        agent = self._agent
        try:
            agent.link.abandon()
        except Exception as error:  # noqa: BLE001 - whatever state the crash left behind
            agent.log.error("the connection could not be dropped: %s", error)
        most_s = 3600 if self._notifier is None else self._notifier.patience_s()
        return agent.boot.number, agent.clock.now(), most_s
