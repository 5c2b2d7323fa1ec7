"""Joins apps to the agent: their commands, schedules, events, and what they may use.

The one rule: an app's threads never touch what is the main thread's. What they tell waits in a
bounded list until the loop's next turn; what they keep goes through a store of their own.
"""

import json
import threading

from agent import strict_json
from agent.apps import Hands
from agent.commands.policy import APP
from agent.commands.registry import Command
from agent.commands.seal import NAME_CHARACTERS
from agent.errors import BadConfig, CommandFailed
from agent.samples import MOST_VALUE_BYTES
from agent.schedule.entry import DECLARATION, make_entry, shorten
from agent.schema import check
from agent.store import Store

MOST_TOLD = 32  # events and samples that wait for the next turn; more are counted
MOST_EVENT_BYTES = 7168  # of JSON: sealed, and with its topic, it fits one kept message


class Board:
    """`agent` has the parts by name; `open_runner()` gives the schedules, `has_schedules()` tells
    whether there are any; `open_sampler()` gives what takes samples; `host` is set once it is
    made. A part of the loop."""

    def __init__(self, agent, open_runner, has_schedules, open_sampler):
        self._agent = agent
        self._open_runner = open_runner
        self._has_schedules = has_schedules
        self._open_sampler = open_sampler
        self._known = []  # names of apps that are up
        self.host = None
        self._lock = threading.Lock()  # guards _told and _dropped
        self._told = []  # (topic, words)
        self._dropped = 0

    @property
    def due(self):
        """When `step` is wanted, in ms; None for never."""
        return 0 if self._told else self.host.due

    def step(self, now):
        """Say what apps told, start what is to start."""
        if self.host.due is not None and now >= self.host.due:
            self.host.step(now)
        with self._lock:
            told, self._told = self._told, []
            dropped, self._dropped = self._dropped, 0
        for topic, words in told:
            if topic is None:
                is_taken = self._open_sampler().add(*words)
            else:
                is_taken = self._agent.voice.keep(topic, words)
            if not is_taken:
                dropped += 1
        if dropped:
            self._agent.log.warning("%d events or samples of apps found no room", dropped)

    def add(self, name, app):
        """Make the commands and schedules of an app known. Raises LimpetError."""
        agent = self._agent
        if agent.registry.has_family(name):
            raise BadConfig("%s: a family of the agent's own commands has this name" % name)
        try:
            agent.registry.add([Command("%s.%s" % (name, c.name), *c[1:]) for c in app.commands])
        except ValueError as error:
            agent.registry.remove(name)  # those before the wrong one
            raise BadConfig(str(error))
        self._known.append(name)
        self._schedule(name, app.timed)
        agent.presence.change()

    def remove(self, name):
        """Make them unknown, and ask what runs of them to end."""
        if name not in self._known:
            return
        agent = self._agent
        self._known.remove(name)
        for job in list(agent.service.under_way()):
            if job.task.command.name.startswith(name + "."):
                agent.service.cancel(job)
        agent.registry.remove(name)
        self._schedule(name, ())
        agent.presence.change()

    def _schedule(self, name, timed):
        """Keep an app's schedules as it declares them: what has not changed goes on."""
        wanted = {}
        for one in timed:
            title = "%s-%s" % (name, one.verb)
            if title in wanted:
                title += "-%d" % len(wanted)
            spec = dict(one.timing, name=title, method="%s.%s" % (name, one.verb))
            wanted[title] = check(DECLARATION, dict(spec, params=one.params), BadConfig)
        if not wanted and not self._has_schedules():
            return
        runner = self._open_runner()
        for title in runner.names():
            spec, maker = runner.record(title)
            if maker == APP + name:
                if title in wanted and shorten(wanted[title]) == spec:
                    del wanted[title]
                else:
                    runner.remove(title)
            elif title in wanted:  # who takes its name must not keep an app from starting
                text = "the schedule %s of %s gives way to the app %s"
                self._agent.log.warning(text, title, maker or "nobody", name)
        for title in sorted(wanted):
            runner.add(wanted[title], make_entry(wanted[title]), APP + name, True)

    def forget_others(self):
        """Take away schedules of apps that are not up: nobody could run them."""
        if not self._has_schedules():
            return
        runner = self._open_runner()
        for title in runner.names():
            maker = runner.record(title)[1]
            if maker.startswith(APP) and maker[len(APP) :] not in self._known:
                runner.remove(title)

    def ended(self, title, words):
        """A run by schedule has ended: does an app fail again and again?"""
        name = title.split("-")[0]
        if name not in self._known:
            return
        error = words.get("error")
        if error is None:
            self.host.ended(name, None)
        elif error["code"] == CommandFailed.code:
            self.host.ended(name, CommandFailed(error["message"], error.get("data")))

    def hands(self, name):
        """What an app of that name may use."""
        store, lock = Store(self._agent.config["data"]), threading.Lock()
        key = "app-" + name

        def load():
            with lock:
                data = store.read(key)
            return json.loads(data) if data else {}

        def save(words):
            data = json.dumps(words).encode()
            with lock:
                store.write(key, data)

        def event(what, words):
            words = strict_json.copy(words, MOST_EVENT_BYTES)
            self._tell("event/%s.%s" % (name, check_word(what)), words)

        def log(text):
            self._agent.log.info("%s: %s", name, text)

        def sample(channel, value):
            # NaN is no JSON: whoever reads the batch could read nothing of it.
            text = json.dumps(strict_json.copy(value, MOST_VALUE_BYTES))
            at = self._agent.clock.now()
            self._tell(None, ("%s.%s" % (name, check_word(channel)), at, text))

        return Hands(event, log, self._agent.hardware, load, save, sample)

    def report(self, name, words):
        """Tell whoever watches that an app came to an end it did not want."""
        self._agent.log.error("app %s is %s: %s", name, words["state"], words.get("reason"))
        self._tell("event/app", words)

    def _tell(self, topic, words):
        with self._lock:
            if len(self._told) >= MOST_TOLD:
                self._dropped += 1
                return
            self._told.append((topic, words))
        self._agent.link.wake()


def check_word(text):
    """`text`, if it can be a level of a topic. Raises ValueError."""
    if not text or len(text) > 32 or text.encode().strip(NAME_CHARACTERS):
        raise ValueError("%r: an event's name is made of A-Z a-z 0-9 _ -" % text)
    return text
