"""Parts that an agent has only once they are used: settings from afar, logs, files, watchdogs.

The one rule: each is made at its first use, by the main thread, and joined to the others here; an
agent that is asked for none of it holds none of it. Part of the composition root.
"""

import json

from interpreter import THREADS, format_exception, list_folder, random_bytes

from agent import VERSION, boot, connection
from agent import config as configuration
from agent.commands import late, no_update
from agent.commands.policy import DATA, Denied
from agent.errors import BadConfig, LimpetError, Unavailable
from agent.mqtt.backoff import Backoff
from agent.records import Records, has_log
from agent.report import WORKERS_REASONS

READING_MS = 86_400_000  # after which a channel's reading becomes a job: never, for short ones
RUN_EVENT_MS = 60_000  # between two events of schedules that are kept: each wears the flash
OUTBOX = "outbox"  # the log of messages that outlive the process


def check_workers(wanted, in_file):
    """Raise BadConfig for workers, wanted from afar, that could end the agent."""
    if wanted not in ("auto", 0, in_file) and THREADS != "gil":
        text = "workers: %d: only the configuration file may say that here: %s"
        raise BadConfig(text % (wanted, WORKERS_REASONS[THREADS]))


class Optional:
    """The optional parts of `agent`; `config` is what the file says."""

    def __init__(self, agent, config):
        self._agent = agent
        self._file = config  # what is in force is this, and what was wanted from afar
        self.twin = self._tuning = self._log_feed = None
        self._runner = None
        self._run_kept_at = -RUN_EVENT_MS
        self._no_watchdog = "the configuration names no watchdog"
        self._apps = self._sampler = self._installer = self.network = self._duty = None
        self._loaders = {
            "app": self._load_app,
            "config": self._load_config,
            "data": self._load_data,
            "job": self._load_job,
            "log": self._load_log,
            "schedule": self._load_schedule,
        }
        self.families = tuple(self._loaders) + tuple(late.FAMILIES)

    def load_family(self, name):
        """The commands of the family called `name`."""
        if name in self._loaders:
            return self._loaders[name]()
        agent = self._agent
        context = late.Context(agent.config, agent.file, agent.clock, agent.executor)
        return late.load_family(name, context)

    def settings_in_force(self):
        """The configuration with what was wanted from afar, before anything is made of it."""
        store = self._agent.store
        try:
            if store.read("twin") is None and not store.is_damaged("twin"):
                return self._file
        except LimpetError:
            return self._file
        return self._make_twin().running

    def _make_twin(self):
        from agent.twin.twin import Twin

        def probe(values):
            check_workers(values["workers"], self._file["workers"])
            configuration.probe(values)

        check = configuration.check
        self.twin = Twin(self._agent.store, self._file, configuration.FIELDS, check, probe)
        self.twin.load(0)
        return self.twin

    def open_network(self, ntp):
        """A board's own way onto the network, where one is configured; before all other parts.

        `ntp` is the part that asks for the time, or None: it needs the network.
        """
        agent = self._agent
        parts = [] if ntp is None else [ntp]
        options = agent.config["network"]
        if options is not None:
            try:
                import network as module

                from agent import network
                from agent.mqtt.holding import Holding
            except ImportError:
                agent.log.error(
                    "network: this runtime has no module network: the system's is used"
                )
            else:
                holding = Holding(agent.link)
                hands = (agent.log, holding.release, holding.hold)
                backoff = Backoff(random_bytes, 2000)
                self.network = network.Network(options, agent.device, module, backoff, *hands)
                holding.hold("the network is not up yet")
                parts = [self.network] + [network.Gate(self.network, part) for part in parts]
        agent.parts += parts

    def begin(self):
        """All else is made: make what was used before."""
        agent = self._agent
        if self.twin is not None and self.twin.notice:
            agent.log.warning("%s", self.twin.notice)
        if agent.storage is None and has_log(agent.config["data"], OUTBOX):
            agent.voice.outbox = self.open_outbox()
        agent.bridge.listen(agent.base + "desired", self._on_desired)
        agent.hardware.adopt = lambda keeper: agent.parts.append(_Feeder(keeper, agent.log))
        if self.twin is not None:
            self.tune()
        if agent.config["publish_log"]["level"]:
            self.feed_log()

    def open_outbox(self):
        """The keeper of durable messages, with those of earlier runs; None without storage."""
        agent = self._agent
        if agent.storage is not None:
            return None
        from agent.mqtt.keeper import Keeper

        bounds = agent.config["outbox"]
        records = Records(agent.config["data"], OUTBOX)
        keeper = Keeper(agent.session, records, bounds["messages"], bounds["kib"] * 1024)
        keeper.recover()
        if keeper.fault:
            agent.log.warning("messages cannot be kept: %s", keeper.fault)
        agent.link.output = keeper.output
        return keeper

    def make_streams(self, stir):
        """The chunks that running commands write and read."""
        from agent.commands.stream import Streams

        agent = self._agent
        mqtt = agent.config["mqtt"]
        sizes = (mqtt["maximum_reply_bytes"], mqtt["maximum_packet_bytes"])
        return Streams(agent.link, agent.gate, agent.base, sizes[0], sizes[1], stir)

    def make_jobs(self):
        """What is known of commands that outlive their answer."""
        from agent.commands.jobs import Jobs

        agent = self._agent
        bounds = agent.config["jobs"]
        parts = (agent.store, agent.clock, agent.boot.number, agent.voice.tell)
        return Jobs(*parts, bounds["kept"], bounds["retention_s"])

    def _load_job(self):
        from agent.commands import job_commands

        service = self._agent.service
        if service.jobs is None:
            service.load_jobs()
        return job_commands.commands(service, service.jobs)

    def start_update(self):
        """What looks after updates; where there are none, what stands in its place."""
        return no_update.start(self._agent.registry, self._make_update)

    def _make_update(self):
        agent = self._agent
        options = agent.config["update"]
        if options is None:
            raise Unavailable("the configuration has no `update`")
        from agent.update import updater

        def report(words):
            return agent.voice.say("event/update", json.dumps(words).encode(), False)

        return updater.make(options, agent.store, agent.clock, self._outside(report))

    def _outside(self, report):
        """What the agent offers to whoever fetches releases."""
        from agent.mqtt.beside import Beside
        from agent.update.sources import Outside

        agent = self._agent
        watch = Beside(agent.link).watch
        hands = (agent.link.publish, agent.bridge.listen, watch, report)
        names = (agent.gate.open_chunk, VERSION, agent.device, agent.config["root"])
        return Outside(*hands + names)

    def take_up(self):
        """Go on with jobs and schedules of the boot before; what holds none loads nothing."""
        agent = self._agent
        if agent.storage is None:
            if _has_stored(agent.config["data"], "job-"):
                agent.service.load_jobs()
            if self._app_places() or _has_stored(agent.config["data"] + "/installed", ""):
                self.open_apps()  # before the schedules, which may run their commands
            if self._has_schedules():
                self.open_runner()
        if agent.config["channels"]:
            self.open_sampler()
        if agent.config["sleep"] is not None:
            self._open_duty()

    def _open_duty(self):
        from agent.duty import Duty

        agent = self._agent
        service = agent.service

        def next_due():
            return None if self._runner is None else self._runner.due_by_wall()

        hands = {
            "connected": lambda: agent.link.connected,
            "busy": self._is_busy,
            "activity": lambda: (service.answered, service.failed, service.declined),
            "next_due": next_due,
            "say": self._say_sleeping,
            "drained": lambda: not agent.session.outbox.entries,
            "stay": agent.presence.renew,
            "end": service.restart,
        }
        self._duty = Duty(agent.config["sleep"], agent.clock.now(), hands)
        agent.parts.append(self._duty)

    def _is_busy(self):
        """Whether a sleep would cut something off."""
        agent = self._agent
        outbox, runner = agent.voice.outbox, self._runner
        return bool(
            agent.executor.jobs
            or agent.service.restarts
            or agent.update.is_busy
            or not agent.bridge.is_idle
            or (outbox is not None and outbox.messages)
            or (runner is not None and not runner.is_settled)
            or (self.twin is not None and self.twin.trial is not None)
        )

    def _say_sleeping(self, seconds):
        agent = self._agent
        self.flush_samples()
        outbox = agent.voice.outbox
        if (outbox is not None and outbox.messages) or agent.session.outbox.entries:
            return False
        return agent.presence.sleep(seconds)

    def rest(self):
        """The loop has ended: sleep, if that is why; whether it was."""
        agent, duty = self._agent, self._duty
        if duty is None or duty.sleep_ms is None:
            return False
        from agent import duty as part

        agent.log.info("asleep for %d ms", duty.sleep_ms)
        agent.bridge.close()
        agent.close()
        unix_ms, quality = agent.clock.wall()
        if agent.storage is None and quality != "unset":
            try:
                boot.record(agent.store, agent.boot, unix_ms, duty.sleep_ms)
            except LimpetError as error:
                agent.log.warning("the time cannot be stored: %s", error.message)
        part.fall_asleep(duty.sleep_ms)
        return True

    def _has_schedules(self):
        return _has_stored(self._agent.config["data"], "schedule-")

    def _app_places(self):
        """{name: folder} of the apps that came with the release, and of those laid beside it."""
        found = {}
        for folder in (_beside("apps"), self._agent.config["data"] + "/apps"):
            if folder and _has_stored(folder, ""):
                from agent.apps.host import places_in

                found.update(places_in(folder))
        if self._installer is not None:
            found.update(self._installer.places())
        return found

    def _open_installer(self, makes):
        """What brings apps by releases of their own: made if it `makes`, or if there are some."""
        agent = self._agent
        folder = agent.config["data"] + "/installed"
        if self._installer is None and (makes or _has_stored(folder, "")):
            try:
                from agent.apps.installer import Installer
            except ImportError as error:
                raise Unavailable("no releases of apps here: %s" % error)
            board = self._apps

            def report(words):
                board.report(words["name"], words)

            hands = (self._outside(report), agent.executor.stir, agent.presence.is_online)
            self._installer = Installer(
                agent.config["apps"], folder, agent.store, agent.clock, *hands
            )
            self._installer.host = board.host
            agent.parts.append(self._installer)
        return self._installer

    def open_apps(self):
        """The apps of the device's owner, loaded where there is one, or at the first question."""
        if self._apps is None:
            from agent.apps.board import Board
            from agent.apps.host import Host

            agent = self._agent
            self._apps = board = Board(
                agent, self.open_runner, self._has_schedules, self.open_sampler
            )
            board.host = Host(agent.store, self._app_places, board)
            agent.parts.append(board)
            try:
                installer = self._open_installer(False)
                changed = () if installer is None else installer.went_back
                board.host.begin(agent.clock.now(), changed)
                board.forget_others()
            except (LimpetError, ValueError) as error:
                agent.log.error("apps cannot be started: %s", error)
            agent.update.checks.append(
                lambda: "; ".join(["app " + text for text in board.host.ail()])
            )
            agent.update.veto = board.host.veto
        return self._apps.host

    def _load_app(self):
        from agent.commands import app

        return app.commands(self.open_apps(), self._open_installer)

    def open_sampler(self):
        """What takes samples, loaded where a channel is declared, or at an app's first sample."""
        if self._sampler is None:
            from agent.sampler import Sampler

            agent = self._agent

            def keep(name, payload):
                return agent.voice.keep_bytes("data/" + name, payload, True)

            hands = (self._start_reading, keep)
            self._sampler = Sampler(
                agent.config["channels"], agent.clock, agent.boot.number, *hands
            )
            agent.parts.append(self._sampler)
        return self._sampler

    def _start_reading(self, method, params, identity, expires):
        """Run what a channel reads: a command that may be repeated, and so changes nothing."""
        command = self._agent.registry.find(method)
        if command.repeat != "repeat" or command.permission not in ("read", "act"):
            raise Denied("%s: a channel runs what may be repeated, of read or act" % method)
        self._agent.service.start(method, params, identity, expires, DATA, READING_MS)

    def _load_data(self):
        from agent.commands import data

        return data.commands(self.open_sampler(), self._agent.boot.number)

    def flush_samples(self):
        """The process ends: hand over what waits."""
        if self._sampler is not None:
            self._sampler.flush()

    def open_runner(self):
        """What runs schedules, loaded with the first, or with the first question about one."""
        if self._runner is None:
            from agent.schedule.book import Book
            from agent.schedule.runner import Runner

            agent = self._agent
            hands = (agent.service.start, agent.service.cancel_run, self._report_run)
            parts = (agent.clock, agent.boot.number, agent.device, hands)
            self._runner = Runner(Book(agent.store), *parts)
            for problem in self._runner.load(agent.clock.now()):
                agent.log.error("%s", problem)
            jobs = agent.service.jobs
            ends = [(who.id, words) for who, words in agent.service.cut_off if who.topic is None]
            for identity, words in ends + ([] if jobs is None else jobs.cut_off):
                self._runner.cut_off(identity, words)
            agent.parts.append(self._runner)
        return self._runner

    def _load_schedule(self):
        from agent.commands import schedule

        service = self._agent.service
        return schedule.commands(self.open_runner(), self._check_run, lambda: service.caller_key)

    def _check_run(self, method, params):
        """Raise unless whoever asks for a schedule may run what it is to run."""
        agent = self._agent
        command = agent.registry.find(method)
        agent.service.check_may(agent.service.caller_key, command)
        agent.registry.checked_params(command, params)  # BadParams: only who may run it hears it

    def run_ended(self, identity, words):
        """A run that a schedule asked for has ended, with these words."""
        if self._sampler is not None and self._sampler.ended(identity, words):
            return
        title = self._runner.ended(identity, words) if self._runner is not None else None
        if title is not None and self._apps is not None:
            self._apps.ended(title, words)
        if "error" in words:
            self._report_run({"what": "failed", "run": identity, "error": words["error"]})

    def _report_run(self, words):
        """An event of the schedules: kept over a restart, but for a flood of them."""
        now = self._agent.clock.now()
        words["uptime_ms"] = now
        if now >= self._run_kept_at + RUN_EVENT_MS:
            self._run_kept_at = now
            self._agent.voice.keep("event/schedule", words)
        else:
            self._agent.voice.say("event/schedule", json.dumps(words).encode(), False)

    def _load_config(self):
        from agent.commands import config

        return config.commands(self.tune(), configuration.FIELDS)

    def tune(self):
        """What changes settings from afar."""
        if self._tuning is None:
            from agent.tuning import Tuning

            agent = self._agent
            twin = self.twin or self._make_twin()
            parts = (twin, configuration.FIELDS, agent.clock, agent.gate, agent.log)
            self._tuning = Tuning(*parts, self._tuning_hands())
            agent.parts.append(self._tuning)
            if agent.presence.is_online:
                self._tuning.connected()
        return self._tuning

    def _tuning_hands(self):
        agent = self._agent
        return {
            "live": {
                "log": agent.log.set_level,
                "groups": self._regroup,
                "publish_log.level": self._tune_feed,
                "publish_log.rate": self._tune_feed,
            },
            "leave": agent.leave,
            "restart": agent.service.restart,
            "drained": lambda: not agent.session.outbox.entries,
            "publish": lambda payload: agent.voice.say("reported", payload),
            "authorise": lambda caller, identity: agent.gate.authorise(
                caller, agent.registry.find("config.set"), identity
            ),
            "ask_again": self._ask_again,
        }

    def _regroup(self, groups):
        config = dict(self._file, groups=groups)
        self._agent.gate.retarget(connection.sealed_targets(config))
        self._agent.bridge.retarget(connection.call_targets(config))

    def _ask_again(self):
        """Hear from the broker what is wanted, and that calls can come."""
        for name in ("desired", "call"):
            self._agent.link.subscribe(self._agent.base + name, 1)

    def _on_desired(self, message):
        try:
            self.tune().take_desired(message.topic, message.payload)
        except Exception as error:  # noqa: BLE001 - our own fault; and the broker repeats it
            self._agent.log.error("a desired document: %s", format_exception(error))

    def connected(self):
        """There is a connection."""
        if self._installer is not None:
            self._installer.connected(True)
        if self._tuning is not None:
            self._tuning.connected()

    def disconnected(self):
        """There is none any more."""
        if self._installer is not None:
            self._installer.connected(False)
        if self._tuning is not None:
            self._tuning.disconnected()

    def subscribed(self):
        """The broker has granted the calls of this device."""
        if self._tuning is not None:
            self._tuning.subscribed()

    def _load_log(self):
        from agent.commands import log

        agent = self._agent
        return log.commands(self.feed_log(), agent.log, agent.clock, agent.base + "log")

    def feed_log(self):
        """What publishes log lines."""
        if self._log_feed is None:
            from agent.log_feed import LogFeed

            agent = self._agent

            def publish(payload):
                return agent.voice.say("log", payload, False, 0)

            self._log_feed = LogFeed(publish, agent.link.wake, agent.clock)
            self._log_feed.set(**agent.config["publish_log"])
            agent.log.tap = self._log_feed.add
            agent.parts.append(self._log_feed)
        return self._log_feed

    def _tune_feed(self, _):
        self.feed_log().set(**self.twin.running["publish_log"])

    def start_watchdog(self):
        """Have the machine restarted if this agent hangs, where the configuration says so."""
        agent = self._agent
        wanted = agent.config["watchdog"]
        if wanted is None:
            return
        try:
            from agent.commands import device_watchdog  # most agents have none

            device_watchdog.start(agent.hardware, **wanted)
            agent.log.info("%s restarts the machine if this agent hangs", wanted["path"])
        except LimpetError as error:
            self._no_watchdog = error.message
            agent.log.error("no watchdog: %s", error.message)

    def stop_watchdog(self, restarts):
        """Disarm it, but not over a restart: whoever is to start the agent again must do so within
        its timeout."""
        keeper = self._agent.hardware.keeper
        if keeper is not None:
            keeper.close(restarts)

    def supervision(self):
        """What `about` says of it."""
        keeper = self._agent.hardware.keeper
        return {"absent": self._no_watchdog} if keeper is None else keeper.about()


def _beside(name):
    """The path of a folder beside `agent`, where that is a folder; None for a frozen one."""
    parts = __file__.rsplit("/", 2)
    return "%s/%s" % (parts[0], name) if len(parts) == 3 else None


def _has_stored(folder, start):
    """Whether the store holds a value whose name begins with `start`."""
    try:
        names = [name for name, _ in list_folder(folder)]
    except OSError:
        return False
    return any([name is not None and name.startswith(start) for name in names])


class _Feeder:
    """Feeds watchdogs from the loop, which goes on without one that cannot be fed any more."""

    def __init__(self, keeper, log):
        self._keeper = keeper
        self._log = log

    @property
    def due(self):
        return self._keeper.due

    def step(self, now):
        try:
            self._keeper.step(now)
        except LimpetError as error:  # it is gone: nothing here can feed it
            self._log.error("the watchdog cannot be fed: %s", error.message)
