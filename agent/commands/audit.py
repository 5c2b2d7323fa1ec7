"""What the audit is told: each command that changes something, and refusals, counted.

The one rule: no caller can make it grow or speak more often than it should. Refusals are counted
by reason and told together at most once a minute, so that a flood costs one event; of commands the
MOST newest wait to be told, and what fell out is counted.

Pure: no clock; time is an int of monotonic ms. Owner: the main thread.
"""

PERIOD_MS = 60_000  # between two events about refusals
MOST = 32  # events about commands that wait for the link
MOST_SHOWN = 64  # characters of a text, or items of a list
MOST_REASONS = 24  # told apart; a peer chooses none of the words, but keys have names
# A file comes in hundreds of parts, each a command that is harmless to repeat. Of one kind by one
# key the first is told, and another no sooner than this after it.
SAME_MS = 10_000


class Audit:
    """Collects; `take` gives the events that are due, as JSON-able dicts."""

    def __init__(self):
        self._commands = []
        self._refused = {}
        self._since = 0  # when the first refusal not told yet was counted
        self._quiet_until = 0
        self._told = []  # (key and method, when) of `repeat` commands told last
        self.due = None  # when `take` has something to give: ms, 0 for at once, None for nothing
        self.dropped = 0
        self.refused = 0  # since the start

    def note_command(self, caller, command, identity, now):
        """A command with a permission of `act` or higher was accepted."""
        if command.repeat == "repeat" and self._is_told(caller.name + " " + command.name, now):
            return
        self._keep(
            {
                "event": "command",
                "key": caller.name or None,
                "method": command.name,
                "permission": command.permission,
                "id": identity,
                "uptime_ms": now,
            }
        )

    def note_change(self, task, before, now):
        """A command ended that tells what stood there `before` it wrote."""
        address = task.request.address
        self._keep(
            {
                "event": "changed",
                "key": address.key or None,
                "method": task.command.name,
                "id": address.id,
                "params": {name: task.params[name] for name in task.params},
                "before": before,
                "uptime_ms": now,
            }
        )

    def _keep(self, event):
        event = {name: _short(event[name]) for name in event}
        if len(self._commands) >= MOST:
            self._commands.pop(0)
            self.dropped += 1
        self._commands.append(event)
        self.due = 0

    def _is_told(self, words, now):
        self._told = [row for row in self._told if now - row[1] < SAME_MS][-MOST:]
        if words in [row[0] for row in self._told]:
            return True
        self._told.append((words, now))
        return False

    def note_refusal(self, reason, key, now):
        """A request was refused; `key` is a name that the device knows, or None."""
        self.refused += 1
        if not self._refused:
            self._since = now
            if self.due is None:
                self.due = self._quiet_until
        words = reason if key is None else "%s %s" % (reason, key)
        if words not in self._refused and len(self._refused) >= MOST_REASONS:
            words = "other"
        self._refused[words] = self._refused.get(words, 0) + 1

    def take(self, now):
        """The events that are due, oldest first; whoever takes them tells them."""
        events, self._commands = self._commands, []
        if self.dropped and events:
            events[0]["dropped"] = self.dropped
            self.dropped = 0
        if self._refused and now >= self._quiet_until:
            events.append(
                {"event": "refused", "counts": self._refused, "since_uptime_ms": self._since}
            )
            self._refused = {}
            self._quiet_until = now + PERIOD_MS
        self.due = self._quiet_until if self._refused else None
        return events


def _short(value):
    """A value of JSON, without what is long in it: an event must fit one packet."""
    if isinstance(value, dict):
        return {name: _short(value[name]) for name in value}
    if isinstance(value, (list, str)) and len(value) > MOST_SHOWN:
        return value[:MOST_SHOWN]
    return value
