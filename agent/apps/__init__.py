"""What an app of the device's owner imports: `from agent.apps import App, integer`.

An app is a folder with `app.json` and a module of the app's name, a file or a package. The module
has one `app = App()` and declares on it what the device can then do besides:

    @app.command("rate", (integer("hertz", low=1, high=50, unit="Hz"),), permission="act")
    def rate(params):
        "Set the rate. The one in force."

    @app.schedule(every=60)
    @app.command("sample", permission="read", repeat="repeat")
    def sample(params):
        ...

The one rule: a declaration is data, and declaring does nothing. A command's full name begins with
the app's: `pump.rate`. Errors for a caller are `LimpetError`s; whatever else is raised is reported
with its traceback, and ends nobody but the run.
"""

from collections import namedtuple

from agent import schema
from agent.commands.registry import PLAIN, Command, task
from agent.errors import LimpetError, Unavailable  # noqa: F401 - for apps to raise

boolean, integer, number, text = schema.boolean, schema.integer, schema.number, schema.text
secret, anything, structure, sequence = (
    schema.secret,
    schema.anything,
    schema.structure,
    schema.sequence,
)

# verb    of the command that is run
# timing  as `schedule.add` takes it: every, cron, at, zone, missed, overlap, jitter, ...
# params  an object, as the command takes it
Timed = namedtuple("Timed", ("verb", "timing", "params"))

# What a running app may use. Each is None until the app is started, and again once it stopped.
# event(name, words)  tell whoever watches, on the topic event/<app>.<name>
# log(text)           a line of the device's log
# hardware            opens devices, within what the policy allows; see commands/device.py
# load(), save(words) a JSON-able dict that survives a power cut, {} at first; at most 16 KiB
# sample(channel, value)  a sample of data/<app>.<channel>, sent in batches: a JSON-able value
Hands = namedtuple("Hands", ("event", "log", "hardware", "load", "save", "sample"))


class App:
    """The declarations of one app, in the order they were made."""

    def __init__(self):
        self.commands = []  # Command, each by its verb alone
        self.timed = []
        self.hands = None
        self._starts, self._stops, self._checks, self._vetoes = [], [], [], []

    def command(self, verb, params=(), permission="act", repeat="once", about="", mode=PLAIN):
        """Declare the function below as the command `verb`; it is called with checked params."""

        def declare(call):
            self.commands.append(Command(verb, call, params, permission, repeat, mode, about))
            return call

        return declare

    def task(self, verb, params=(), permission="act", repeat="once", about="", timeout_s=None):
        """Declare long work: called with (params, job), a generator or a function."""
        return self.command(verb, params, permission, repeat, about, task(timeout_s))

    def schedule(self, params=None, **timing):
        """Run the command declared below at times; `timing` is as `schedule.add` takes it."""

        def declare(call):
            for command in self.commands:
                if command.call is call:
                    self.timed.append(Timed(command.name, timing, params or {}))
                    return call
            raise ValueError("schedule: the function below it is no command of this app")

        return declare

    def on_start(self, call):
        """Have `call(hands)` called once the app is loaded, before its first command."""
        self._starts.append(call)
        return call

    def on_stop(self, call):
        """Have `call()` called when the app is stopped: to let go of what it holds."""
        self._stops.append(call)
        return call

    def health(self, call):
        """Have `call()` asked whether the app is well: None, or a sentence of what is wrong."""
        self._checks.append(call)
        return call

    def veto(self, call):
        """Have `call()` asked before a restart, of the agent into another release or of this app:
        None, or a sentence why not now; it is asked again each half minute."""
        self._vetoes.append(call)
        return call

    def start(self, hands):
        """The host's: give the app what it may use."""
        self.hands = hands
        for call in self._starts:
            call(hands)

    def stop(self):
        """The host's: let go; what it raises is the app's fault."""
        for call in self._stops:
            call()
        self.hands = None

    def ail(self):
        """The host's: what is wrong, a sentence, or None."""
        return _first(self._checks)

    def object_to_restart(self):
        """The host's: what speaks against a restart now, a sentence, or None."""
        return _first(self._vetoes)


def _first(calls):
    for call in calls:
        reason = call()
        if reason:
            return str(reason)
    return None
