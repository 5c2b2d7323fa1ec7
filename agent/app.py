"""The composition root: the one module that knows all, and the loop that drives it.

The one rule: parts are made here and nowhere else, and only the main thread runs `Agent.step`.
Every part takes `now` and says when it wants it next; the loop sleeps in the link's poll until
then.
"""

import json
import os
import threading

from interpreter import (
    THREADS,
    describe,
    format_exception,
    list_folder,
    memory,
    pace_collector,
    random_bytes,
    stacks_on_signal,
)
from wakeup import Channel

from agent import VERSION, boot
from agent import config as configuration
from agent.bridge import Bridge
from agent.clock import Clock
from agent.commands import (
    device,
    hardware,
    key,
    late,
    policy,
    policy_commands,
    rpc,
    system,
    update,
)
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.once import Once
from agent.commands.registry import Registry
from agent.commands.service import Service
from agent.devices import reset
from agent.errors import LimpetError, Unavailable
from agent.keys import Keyring
from agent.log import Log
from agent.mqtt import fields, link, packets, session, settings, subscriptions
from agent.mqtt.backoff import Backoff
from agent.mqtt.rival import Rival
from agent.records import Records, has_log
from agent.store import Store, lock_folder, make_folder

REFUSED = 0x80  # from here on a code of SUBACK is a refusal: MQTT 5, section 3.9.3
DRAIN_MS = 2000  # of answers at the end; a caller who gets none asks again, and is answered then
LONGEST_SPREAD_MS = 600_000
RUN_EVENT_MS = 60_000  # between two events of schedules that are kept: each wears the flash
MOST_FAILED = 4  # threads whose failure waits to be recorded
STATUS_CHECK_MS = 60_000  # how soon a changed clock quality shows in `status`

OUTBOX = "outbox"  # the log of messages that outlive the process

NO_KEYS = "no key is configured: whoever reaches the broker may command this device"

# Where the interpreter's threads can be trusted one worker keeps the link free of commands that
# wait; more is for whoever knows that theirs do.
AUTO_WORKERS = {"gil": 1, "unsafe": 0, "none": 0}
WORKERS_REASONS = {
    "unsafe": "this interpreter has threads without a global lock, which are not safe",
    "none": "this interpreter has no threads",
}


class Agent:
    """All parts of one device. `config` is what `agent.config.load` returns."""

    def __init__(self, config, write_log=None):
        self._file = config  # what is in force is this, and what was wanted from afar
        self._device = config["device"]
        self._base = "%s/%s/" % (config["root"], self._device)
        self._store, self._storage = _open_store(config["data"])
        self._lock = lock_folder(config["data"])  # held, and never looked at again
        store = self._store
        self._twin = _load_twin(store, config)
        self._tuning = self._log_feed = None  # loaded at their first use
        self._config = config = config if self._twin is None else self._in_force()
        self._boot = self._begin(store)
        self._clock = Clock(self._boot.unix_ms, config["clock"]["synced_file"])
        self.log = Log(config["log"], self._clock, write_log)
        self._record_boot(store)
        self._broker = "%s:%d" % (config["mqtt"]["host"], config["mqtt"]["port"])
        targets = _call_targets(config)
        self._gate = self._make_gate(store, targets)
        self._session = self._make_session()
        self._link = self._make_link()
        self._outbox = None  # of durable messages, once there is one
        self._runner = None  # of schedules, once there is one
        self._run_kept_at = -RUN_EVENT_MS
        if self._storage is None and has_log(config["data"], OUTBOX):
            self._open_outbox()
        room = config["mqtt"]["receive_maximum"]
        self._bridge = Bridge(self._link, targets, room)
        self._executor = self._make_executor()
        self._registry = Registry()
        self._once = self._make_once()
        self._service = self._make_service()
        self._update = update.start(self._registry, lambda: self._make_update(store))
        for address, words in self._once.recover(self._boot.number):
            self._service.tell(address, words)
        self._status = None  # the clock quality last published
        self._rival = Rival()
        self._failed = []  # (error, name) of threads that failed, at most MOST_FAILED
        self._notifier = None  # where a service manager wants to hear of us
        self._is_announced = True  # False while status or about wait for room in the link
        self._status_due = 0
        self._handlers = {
            session.Connected: self._on_connected,
            link.Disconnected: self._on_disconnected,
            session.Received: lambda event: self._bridge.receive(event.message),
            session.Oversized: self._on_oversized,
            subscriptions.Subscribed: self._on_subscribed,
        }
        self._sweep = self._base + "job/+"  # None once the broker has told what it kept
        self._link.subscribe(self._sweep, 0, subscriptions.NO_LOCAL)
        self._begin_tuning()

    def _in_force(self):
        """The settings that running parts go by, and the file's own path beside them."""
        values = dict(self._twin.running)
        if "file" in self._file:
            values["file"] = self._file["file"]
        return values

    def _begin_tuning(self):
        """Hear what is wanted from afar; load what was wanted before."""
        self._bridge.listen(self._base + "desired", self._on_desired)
        if self._twin is not None:
            if self._twin.notice:
                self.log.warning("%s", self._twin.notice)
            self._tune()
        if self._config["publish_log"]["level"]:
            self._feed_log()

    def _begin(self, store):
        try:
            return boot.begin(store)
        except (LimpetError, ValueError, KeyError) as error:
            self._storage = self._storage or str(error)
            return boot.first()

    def _record_boot(self, store):
        if self._storage is None:
            try:
                boot.record(store, self._boot, self._clock.wall()[0])
            except LimpetError as error:
                self._storage = error.message
        if self._storage:
            self.log.warning("nothing can be stored: %s", self._storage)

    def _make_gate(self, store, targets):
        keyring = Keyring(store, self._config["data"])
        keyring.load()
        if keyring.notice:
            self.log.warning("%s", keyring.notice)
        if keyring.fault:
            self.log.error("the keys cannot be read, so nobody may command: %s", keyring.fault)
        targets = self._with_desired(targets)
        return Gate(keyring, targets, self._device, self._boot.nonce, self._clock)

    def _with_desired(self, targets):
        """What the gate knows: the topics of calls, and that of what is wanted."""
        targets = dict(targets)
        targets[self._base + "desired"] = self._device
        return targets

    def _session_options(self, mqtt):
        return settings.Settings(
            client_id=mqtt["client_id"] or self._device,
            username=mqtt["username"],
            password=mqtt["password"],
            keep_alive_s=mqtt["keep_alive_s"],
            session_expiry_s=mqtt["session_expiry_s"],
            receive_maximum=mqtt["receive_maximum"],
            maximum_packet_bytes=mqtt["maximum_packet_bytes"],
        )

    def _make_session(self):
        return session.Session(self._session_options(self._config["mqtt"]), self._make_will())

    def _make_will(self):
        topic = self._base + "status"
        payload = self._gate.seal_for_all(topic, self._status_of("offline"))
        return packets.Will(topic, payload, 1, True, None)

    def _make_link(self):
        brokers, backoff, timeout_ms, transport = _link_options(self._config["mqtt"])
        return link.Link(self._session, brokers, Channel(), backoff, timeout_ms, transport)

    def _open_outbox(self):
        """Loaded with the first durable message, of this run or an earlier one."""
        from agent.mqtt.keeper import Keeper

        bounds = self._config["outbox"]
        records = Records(self._config["data"], OUTBOX)
        self._outbox = Keeper(self._session, records, bounds["messages"], bounds["kib"] * 1024)
        self._outbox.recover()
        if self._outbox.fault:
            self.log.warning("messages cannot be kept: %s", self._outbox.fault)
        self._link.keep(self._outbox)

    def _make_executor(self):
        workers = self._config["workers"]
        if workers == "auto":
            workers = AUTO_WORKERS[THREADS]
        elif workers and THREADS != "gil":
            self.log.warning("workers: %d, though %s", workers, WORKERS_REASONS[THREADS])
        room = self._config["mqtt"]["receive_maximum"]
        return Executor(workers, room, self._clock, self._link.wake)

    def _make_once(self):
        bounds = self._config["journal"]
        queue_ms = self._config["mqtt"]["session_expiry_s"] * 1000
        records = Records(self._config["data"], "journal")
        return Once(records, self._clock, bounds["entries"], bounds["kib"] * 1024, queue_ms)

    def _make_service(self):
        self._registry.add(rpc.commands(self._registry))
        self._registry.add(system.commands(self._inform))
        keyring = self._gate.keyring
        self._registry.add(key.commands(keyring, self._device, self._on_keys_changed))
        self._registry.add(policy_commands.commands(keyring, self._on_keys_changed))
        self._add_devices(keyring)
        self._registry.add_families(("config", "job", "log", "schedule"), self._load_family)
        self._registry.add_families(
            late.FAMILIES,
            lambda name: late.load_family(
                name, late.Context(self._config, self._clock, self._executor)
            ),
        )
        service = Service(
            self._registry,
            self._executor,
            self._clock,
            (self._device, self._boot.nonce),
            self._config["root"] + "/reply/",
            self._config["mqtt"]["maximum_reply_bytes"],
            self._bridge.answer,
            self._once,
            self._gate,
        )
        self._bridge.connect(service.accept, service.decline, service.commit)
        self._bridge.listen_to_all(self._on_other)
        service.connect_streams(self._make_streams)
        service.connect_jobs(self._make_jobs)
        service.connect_runs(self._on_run_ended)
        return service

    def _make_jobs(self):
        from agent.commands.jobs import Jobs

        bounds = self._config["jobs"]
        parts = (self._store, self._clock, self._boot.number, self._publish_job)
        return Jobs(*parts, bounds["kept"], bounds["retention_s"])

    def _open_runner(self):
        """The schedules, loaded with the first, or with the first question about one."""
        if self._runner is None:
            from agent.schedule.book import Book
            from agent.schedule.runner import Runner

            hands = (self._service.start, self._service.cancel_run, self._report_run)
            parts = (self._clock, self._boot.number, self._device, hands)
            self._runner = Runner(Book(self._store), *parts)
            for problem in self._runner.load(self._clock.now()):
                self.log.error("%s", problem)
        return self._runner

    def _check_run(self, method, params):
        """Raise unless whoever asks for a schedule may run what it is to run."""
        command = self._registry.find(method)
        self._registry.checked_params(command, params)
        self._service.check_may(self._service.caller_key, command)

    def _on_run_ended(self, identity, words):
        if self._runner is not None:
            self._runner.ended(identity)
        if "error" in words:
            self._report_run({"what": "failed", "run": identity, "error": words["error"]})

    def _report_run(self, words):
        """An event of the schedules: kept over a restart, but for a flood of them."""
        now = self._clock.now()
        words["uptime_ms"] = now
        is_kept = now >= self._run_kept_at + RUN_EVENT_MS
        if is_kept:
            self._run_kept_at = now
        send = self._keep if is_kept else self._send_event
        send("event/schedule", json.dumps(words).encode())

    def _send_event(self, name, payload):
        return self._publish(name, payload, False)

    def _publish_job(self, name, payload, expiry_s):
        if not self._link.connected:
            return None
        topic = self._base + name
        if payload:
            payload = self._gate.seal_for_all(topic, payload)
        properties = None if expiry_s is None else {fields.MESSAGE_EXPIRY: expiry_s}
        return self._link.publish(topic, payload, 1, True, properties) is not None

    def _make_streams(self, stir):
        from agent.commands.stream import Streams

        mqtt = self._config["mqtt"]
        sizes = (mqtt["maximum_reply_bytes"], mqtt["maximum_packet_bytes"])
        return Streams(self._link, self._gate, self._base, sizes[0], sizes[1], stir)

    def _add_devices(self, keyring):
        def guard(kind, where, first, last, write):
            policy.check_hardware(keyring.policy, kind, where, first, last, write)

        workers = len(self._executor.running)
        self._hardware = hardware.Hardware(
            guard, workers, self._config["mqtt"]["keep_alive_s"] * 1000
        )
        self._supervision = "the configuration names no watchdog"
        self._registry.add(device.commands(self._hardware))
        self._registry.add_families(
            device.FAMILIES, lambda name: device.load_family(name, self._hardware)
        )

    def _load_family(self, name):
        if name == "job":
            from agent.commands import job_commands

            if self._service.jobs is None:
                self._service.load_jobs()
            return job_commands.commands(self._service, self._service.jobs)
        if name == "schedule":
            from agent.commands import schedule

            parts = (self._open_runner(), self._check_run, lambda: self._service.caller_key)
            return schedule.commands(*parts)
        if name == "log":
            from agent.commands import log

            return log.commands(self._feed_log(), self._clock, self._base + "log")
        from agent.commands import config

        return config.commands(self._tune(), configuration.FIELDS)

    def _tune(self):
        """What changes settings from afar, made at its first use."""
        if self._tuning is None:
            from agent.tuning import Tuning

            if self._twin is None:
                self._twin = _make_twin(self._store, self._file)
            hands = {
                "live": {
                    "log": self.log.set_level,
                    "groups": self._regroup,
                    "publish_log.level": self._tune_feed,
                    "publish_log.rate": self._tune_feed,
                },
                "leave": self._leave,
                "restart": self._service.restart,
                "drained": lambda: self._session.drained,
                "publish": lambda payload: self._publish("reported", payload),
                "authorise": lambda caller, identity: self._gate.authorise(
                    caller, self._registry.find("config.set"), identity
                ),
                "ask_again": self._ask_again,
            }
            parts = (self._twin, configuration.FIELDS, self._clock, self._gate, self.log)
            self._tuning = Tuning(*parts, hands)
            if self._status is not None:
                self._tuning.connected()
        return self._tuning

    def _feed_log(self):
        """What publishes log lines, made at its first use."""
        if self._log_feed is None:
            from agent.log_feed import LogFeed

            def publish(payload):
                return self._publish("log", payload, False, 0)

            self._log_feed = LogFeed(publish, self._link.wake, self._clock)
            self._log_feed.set(**self._config["publish_log"])
            self.log.tap = self._log_feed.add
        return self._log_feed

    def _tune_feed(self, _):
        self._feed_log().set(**self._twin.running["publish_log"])

    def _regroup(self, groups):
        targets = _call_targets(dict(self._file, groups=groups))
        self._gate.retarget(self._with_desired(targets))
        self._bridge.retarget(targets)

    def _leave(self, values, now):
        """Go, and come back under other settings of the connection."""
        if self._status is not None:
            self._publish("status", self._status_of("offline"), True, 0)
        self._link.leave(now)
        self._status = None
        self._is_announced = True
        self._bridge.disconnected()
        self._config = self._in_force()
        mqtt = values["mqtt"]
        self._broker = "%s:%d" % (mqtt["host"], mqtt["port"])
        self._session.change(self._session_options(mqtt))
        self._link.change(*_link_options(mqtt))
        self.log.info("going to %s under other settings", self._broker)

    def _ask_again(self):
        """Hear from the broker what is wanted, and that calls can come."""
        for name in ("desired", "call"):
            self._link.subscribe(self._base + name, 1)

    def _on_other(self, message):
        start = self._base + "job/"
        if not message.topic.startswith(start):
            self._service.receive(message)
        elif message.retain and message.payload:
            # What the broker kept of an earlier life, and nobody here knows any more.
            jobs = self._service.jobs
            if jobs is None or jobs.find(message.topic[len(start) :]) is None:
                self._link.publish(message.topic, b"", 1, True)

    def _on_desired(self, message):
        try:
            self._tune().take_desired(message.topic, message.payload)
        except Exception as error:  # noqa: BLE001 - our own fault; and the broker repeats it
            self.log.error("a desired document: %s", format_exception(error))

    def _make_update(self, store):
        """What looks after updates. Raises Unavailable where there are none."""
        options = self._config["update"]
        if options is None:
            raise Unavailable("the configuration has no `update`")
        updater = __import__("agent.update.updater", None, None, ("make",))
        outside = updater.Outside(
            self._link.publish,
            self._bridge.listen,
            self._link.also,
            lambda words: self._publish("event/update", json.dumps(words).encode(), False),
            VERSION,
            self._device,
            self._config["root"],
        )
        return updater.make(options, store, self._clock, outside)

    def run(self):
        """Serve until a command asks for a restart: then the process must end, and start anew."""
        self.log.info("limpet %s, device %s, boot %d", VERSION, self._device, self._boot.number)
        if not self._gate.keyring.configured:
            self.log.warning(NO_KEYS)
        self._start_watchdog()
        self._begin_operating()
        self._executor.start()
        self._take_up()
        pace_collector()
        while not (self._service.restarts or self._update.restarts):
            self.step()
        self.log.info("restarting, as a caller asked")
        self._drain()
        self.close(True)

    def _drain(self):
        """Let what was answered reach the broker before the end, for DRAIN_MS at most."""
        now = self._clock.now()
        until = now + DRAIN_MS
        self._service.send_late(until + LONGEST_SPREAD_MS)
        self._bridge.close()
        while now < until and self._status is not None:
            for event in self._link.receive(now):
                handle = self._handlers.get(type(event))
                if handle:
                    handle(event)
            self._bridge.step()
            self._link.send(now)
            if self._bridge.drained and self._session.drained:
                return
            self._link.wait(until - now)
            now = self._clock.now()

    def _take_up(self):
        """Go on with the jobs and schedules of the boot before; what holds none loads nothing."""
        if self._storage is None:
            if _has_stored(self._config["data"], "job-"):
                self._service.load_jobs()
            if _has_stored(self._config["data"], "schedule-"):
                self._open_runner()

    def _begin_operating(self):
        """Speak to a service manager, print stacks when asked, tell of crashes before."""
        stacks_on_signal()
        threading.excepthook = self._on_thread_failed
        if getattr(os, "getenv", None) and os.getenv("NOTIFY_SOCKET"):
            from agent.operate import notify

            self._notifier = notify.from_environment()
            if self._config["service"]["ready"] == "start":
                self._notifier.ready()
        self._tell_crashes()

    def _tell_crashes(self):
        try:
            if self._storage is None and self._store.read("crash") is not None:
                from agent.operate import crash

                crash.tell(self._store, lambda words: self._keep_event("crash", words))
        except (LimpetError, ValueError, KeyError, TypeError) as error:
            self.log.warning("crashes before cannot be told: %s", error)

    def _keep_event(self, name, words):
        return self._keep("event/" + name, json.dumps(words).encode())

    def _on_thread_failed(self, args):
        """Called in the thread that fails."""
        threading.__excepthook__(args)
        if len(self._failed) < MOST_FAILED:
            self._failed.append((args.exc_value, getattr(args.thread, "name", "?")))
            self._link.wake()

    def _record_failed(self, now):
        from agent.operate import crash

        while self._failed:
            error, name = self._failed.pop(0)
            try:
                record = crash.make_record(error, self._boot.number, now, VERSION, name)
                crash.keep(self._store, record)
            except LimpetError as second:
                self.log.error("a failed thread could not be recorded: %s", second.message)
        self._tell_crashes()

    def abandon(self):
        """After a crash: let the broker tell the will; (boot, uptime in ms, longest wait in s)."""
        try:
            self._link.abandon()
        except Exception as error:  # noqa: BLE001 - whatever state the crash left behind
            self.log.error("the connection could not be dropped: %s", error)
        most_s = 3600 if self._notifier is None else self._notifier.patience_s()
        return self._boot.number, self._clock.now(), most_s

    def _start_watchdog(self):
        wanted = self._config["watchdog"]
        if wanted is None:
            return
        try:
            from agent.commands import device_watchdog  # most agents have none

            device_watchdog.start(self._hardware, **wanted)
            self.log.info("%s restarts the machine if this agent hangs", wanted["path"])
        except LimpetError as error:
            self._supervision = error.message
            self.log.error("no watchdog: %s", error.message)

    def _feed(self, keeper, now):
        try:
            keeper.step(now)
        except LimpetError as error:  # it is gone: nothing here can feed it
            self.log.error("the watchdog cannot be fed: %s", error.message)

    def step(self):
        """One turn of the loop, which ends in waiting for what comes next."""
        now = self._clock.now()
        for event in self._link.receive(now):
            handle = self._handlers.get(type(event))
            if handle:
                handle(event)
        if not self._is_announced:
            self._is_announced = self._announce()
        if self._runner is not None:
            self._runner.step(now)  # before the bridge, which commits what is to run
        is_checking = self._bridge.step()
        has_more = self._service.step() or is_checking
        self._step_parts(now)
        self._link.send(now)
        keeper = self._hardware.keeper
        if keeper is not None and keeper.due is not None and now >= keeper.due:
            self._feed(keeper, now)
        if not has_more:
            self._link.wait(max(0, self._due() - self._clock.now()))

    def _step_parts(self, now):
        if now >= self._status_due:
            self._check_status(now)
        gate_due = self._gate.due()
        if gate_due is not None and now >= gate_due:
            self._audit(now)
        if self._tuning is not None:
            self._tuning.step(now)
        if self._log_feed is not None:
            self._log_feed.step(now)
        self._update.step(now)
        if self._failed:
            self._record_failed(now)
        if self._notifier is not None:
            self._notifier.step(now)

    def _due(self):
        """When a part wants its turn though nothing happened, in ms."""
        due = self._status_due
        for part in (
            self._link,
            self._service,
            self._runner,
            self._tuning,
            self._log_feed,
            self._notifier,
            self._hardware.keeper,
            self._update,
        ):
            other = None if part is None else part.due
            if other is not None and other < due:
                due = other
        other = self._gate.due()
        return due if other is None else min(due, other)

    def close(self, restarts=False):
        """Say goodbye: publish that the device goes offline, and disconnect.

        A running watchdog is disarmed, but not over a restart: whoever is to start the agent again
        must do so within its timeout.
        """
        if self._hardware.keeper is not None:
            self._hardware.keeper.close(restarts)
        if self._notifier is not None:
            self._notifier.stopping()
        if self._status is not None:
            self._publish("status", self._status_of("offline"))
        if self._outbox:
            self._outbox.flush()
        self._link.close(self._clock.now())

    def _on_connected(self, event):
        version = "5" if event.version == packets.V5 else "3.1.1"
        self.log.info("connected to %s with MQTT %s", self._broker, version)
        self._is_announced = self._announce()
        self._rival.connected(self._clock.now())
        if self._notifier is not None:
            self._notifier.ready()
        if self._tuning is not None:
            self._tuning.connected()
        self._update.connected(True)

    def _announce(self):
        """Say that the device is online and what it can; False if the link had no room for it."""
        if not self._publish_status():
            return False
        return self._publish("about", json.dumps(self._about()).encode())

    def _on_disconnected(self, event):
        self._status = None
        self._is_announced = True  # nothing to say until there is a connection
        self._bridge.disconnected()
        if self._tuning is not None:
            self._tuning.disconnected()
        self._update.connected(False)
        self.log.warning(
            "no connection to %s: %s; next try in %d ms",
            self._broker,
            event.reason,
            event.retry_in_ms,
        )
        if self._rival.suspects(self._clock.now(), event.code):
            name = self._session.client_id
            self.log.warning("each connection is closed soon: has another client the id %s?", name)

    def _on_oversized(self, event):
        limit = self._config["mqtt"]["maximum_packet_bytes"]
        self.log.warning("a packet of %d bytes was dropped: at most %d", event.size, limit)
        words = {"size_bytes": event.size, "limit_bytes": limit, "topic": event.topic}
        self._keep("event/oversized", json.dumps(words).encode())

    def _on_subscribed(self, event):
        for code in event.codes:
            if code >= REFUSED:
                self.log.error("the broker refuses the subscription to %s", event.topic_filter)
            elif self._tuning is not None and event.topic_filter == self._base + "call":
                self._tuning.subscribed()

    def _on_keys_changed(self):
        self._gate.refresh()
        self._session.will = self._make_will()  # from the next connection on
        self._publish_status()

    def _audit(self, now):
        for event in self._gate.step(now):
            if not self._keep("event/audit", json.dumps(event).encode()):
                self._gate.audit.dropped += 1

    def _publish(self, name, payload, retain=True, qos=1):
        """Send what the device says of itself, sealed; False if the link has no room for it."""
        topic = self._base + name
        payload = self._gate.seal_for_all(topic, payload)
        return self._link.publish(topic, payload, qos, retain) is not None

    def _keep(self, name, payload):
        """Send what may not be lost to a restart; False if there was no room for it."""
        if self._storage is not None:
            return self._publish(name, payload, False)
        if self._outbox is None:
            self._open_outbox()
        topic = self._base + name
        return self._outbox.publish(topic, self._gate.seal_for_all(topic, payload)) is not None

    def _check_status(self, now):
        self._status_due = now + STATUS_CHECK_MS
        if self._sweep is not None and self._status is not None and now >= STATUS_CHECK_MS:
            self._link.unsubscribe(self._sweep)
            self._sweep = None
        if self._status is not None and self._status != self._clock.wall()[1]:
            self._publish_status()

    def _publish_status(self):
        quality = self._clock.wall()[1]
        if not self._publish("status", self._status_of("online")):
            return False
        self._status = quality
        return True

    def _status_of(self, state):
        words = {
            "state": state,
            "boot": self._boot.number,
            "nonce": self._boot.nonce,
            "clock": self._clock.wall()[1],
            "next": None,
        }
        return json.dumps(words).encode()

    def _about(self):
        about = describe()
        return {
            "agent": VERSION,
            "runtime": about,
            "board": about["machine"],
            "reset": reset.causes(),
            "capabilities": self._capabilities(),
            "commands": self._registry.digest(),
            "slot": self._update.slot,
        }

    def _capabilities(self):
        count = len(self._executor.running)
        reason = WORKERS_REASONS.get(THREADS, "the configuration says 0")
        lines = self._hardware.devices.survey()
        lines["workers"] = {"count": count} if count else {"absent": reason}
        lines["storage"] = {"absent": self._storage} if self._storage else {"backend": "files"}
        keeper = self._hardware.keeper
        lines["supervision"] = {"absent": self._supervision} if keeper is None else keeper.about()
        has_keys = self._gate.keyring.configured
        lines["seals"] = {"form": "L1"} if has_keys else {"absent": NO_KEYS}
        return lines

    def _inform(self):
        unix_ms, quality = self._clock.wall()
        now = self._clock.now()
        return {
            "device": self._device,
            "agent": VERSION,
            "runtime": describe(),
            "memory": memory(),
            "uptime_ms": now,
            "boot": self._boot.number,
            "clock": {"unix_ms": unix_ms, "quality": quality},
            "workers": {
                "count": len(self._executor.running),
                "running": self._executor.busy(now),
                "refused": self._executor.refused,
                "replaced": self._executor.replaced,
            },
            "journal": self._once.figures(),
            "outbox": self._outbox.figures() if self._outbox else None,
            "gate": {
                "keys": len(self._gate.keyring.all()),
                "refused": self._gate.audit.refused,
            },
            "responses": {
                "results": self._service.answered,
                "errors": self._service.failed,
                "unanswerable": self._service.unanswerable,
                "declined": self._service.declined,
            },
        }


def _open_store(folder):
    """The store, and why nothing can be stored, or None."""
    try:
        make_folder(folder)
    except LimpetError as error:
        return Store(folder), error.message
    return Store(folder), None


def _load_twin(store, config):
    """The Twin where settings were ever wanted from afar, else None."""
    try:
        if store.read("twin") is None and not store.is_damaged("twin"):
            return None
    except LimpetError:
        return None
    return _make_twin(store, config)


def _make_twin(store, config):
    from agent.twin.twin import Twin

    members = {field.name: config[field.name] for field in configuration.FIELDS}
    check, probe = configuration.check, configuration.probe
    twin = Twin(store, members, configuration.FIELDS, check, probe)
    twin.load(0)
    return twin


def _link_options(mqtt):
    """Brokers, back-off, time-out in ms and transport of a link."""
    brokers = [(one["host"], one["port"]) for one in [mqtt] + mqtt["fallbacks"]]
    first_ms, most_ms = (int(mqtt["backoff_%s_s" % name] * 1000) for name in ("first", "most"))
    backoff = Backoff(random_bytes, first_ms, most_ms)
    return brokers, backoff, mqtt["connect_timeout_s"] * 1000, link.transport(mqtt["tls"])


def _has_stored(folder, start):
    """Whether the store holds a value whose name begins with `start`."""
    return any([name is not None and name.startswith(start) for name, _ in list_folder(folder)])


def _call_targets(config):
    """The topics that calls come on, each with whom it speaks to."""
    names = [config["device"], "all"] + ["group/%s" % group for group in config["groups"]]
    return {"%s/%s/call" % (config["root"], name): name for name in names}
