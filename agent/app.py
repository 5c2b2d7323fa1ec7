"""The composition root: the one module that knows all, and the loop that drives it.

The one rule: parts are made here, or in `optional.py` at their first use, and only the main thread
runs `Agent.step`. A part has `step(now)` and `due`, when it wants that next in ms, None for never;
the loop sleeps in the link's poll until the first of them.
"""

from interpreter import THREADS, format_exception, pace_collector
from wakeup import Channel

from agent import VERSION, boot, connection, report
from agent.bridge import Bridge
from agent.clock import Clock
from agent.commands import device, hardware, key, policy, policy_commands, rpc, system
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.once import Once
from agent.commands.registry import Registry
from agent.commands.service import Service
from agent.errors import LimpetError
from agent.keys import Keyring
from agent.log import Log
from agent.mqtt import events, link, packets, session
from agent.mqtt.rival import TAKEN, Rival
from agent.operation import Operation
from agent.optional import Optional
from agent.presence import Presence
from agent.records import Records
from agent.store import Store, lock_folder, make_folder
from agent.sweep import Sweep
from agent.voice import Trail, Voice

REFUSED = 0x80  # from here on a code of SUBACK is a refusal: MQTT 5, section 3.9.3

HOLD_MS = link.SOON_MS  # what is to be sent waits so long for the answer of a worker
DRAIN_MS = 2000  # of answers at the end; a caller who gets none asks again, and is answered then
LONGEST_SPREAD_MS = 600_000

# Where the interpreter's threads can be trusted one worker keeps the link free of commands that
# wait; more is for whoever knows that theirs do.
AUTO_WORKERS = {"gil": 1, "unsafe": 0, "none": 0}


class Agent:
    """All parts of one device. `config` is what `agent.config.load` returns, `file` its path."""

    _holds = False  # whether what is to be sent was held back in this turn

    def __init__(self, config, file=None, write_log=None):
        self.file = file
        self.device = config["device"]
        self.base = "%s/%s/" % (config["root"], self.device)
        self.store, self.storage = _open_store(config["data"])
        self._lock = lock_folder(config["data"])  # held, and never looked at again
        self.parts = []  # what the loop drives beside link, bridge and service
        self.optional = Optional(self, config)
        self.config = config = self.optional.settings_in_force()
        self.boot = self._begin()
        self.clock = Clock(self.boot.unix_ms, config["clock"]["synced_file"])
        self.log = Log(config["log"], self.clock, write_log)
        self._record_boot()
        self.gate = self._make_gate()
        self.session = session.Session(connection.session_options(config), None)
        self.link = link.Link(self.session, *self._link_parts())
        self.voice = Voice(self.base, self.gate, self.link, self.optional.open_outbox)
        self.presence = self._make_presence()
        self.session.will = self.presence.will()
        room = config["mqtt"]["receive_maximum"]
        self.bridge = Bridge(self.link, connection.call_targets(config), room)
        self.executor = self._make_executor()
        self.registry = Registry()
        self.once = self._make_once()
        self.service = self._make_service()
        self.update = self.optional.start_update()
        for address, words in self.once.recover(self.boot.number):
            self.service.cut_off.append((address, words))
            self.service.tell(address, words)
        self._sweep = Sweep(self.link, self.base, self.service.knows_job)
        self._handlers = {
            session.Connected: self._on_connected,
            events.Disconnected: self._on_disconnected,
            session.Received: lambda event: self.bridge.receive(event.message),
            events.Oversized: self._on_oversized,
            session.Subscribed: self._on_subscribed,
        }
        self._core = (self.link, self.service, self.update)  # driven at each turn
        self.operation = Operation(self)
        self.parts += [self.presence, Trail(self.gate, self.voice), self._sweep]
        self.parts.append(self.operation)
        self._ntp = connection.make_ntp(config, self.clock, self.log, self._resolver)
        self.optional.open_network(self._ntp)
        self.optional.begin()

    def _begin(self):
        try:
            return boot.begin(self.store)
        except (LimpetError, ValueError, KeyError) as error:
            self.storage = self.storage or str(error)
            return boot.first()

    def _record_boot(self):
        if self.storage is None:
            try:
                boot.record(self.store, self.boot, self.clock.wall()[0])
            except LimpetError as error:
                self.storage = error.message
        if self.storage:
            self.log.warning("nothing can be stored: %s", self.storage)

    def _make_gate(self):
        keyring = Keyring(self.store, self.config["data"])
        keyring.load()
        if keyring.notice:
            self.log.warning("%s", keyring.notice)
        if keyring.fault:
            self.log.error("the keys cannot be read, so nobody may command: %s", keyring.fault)
        targets = connection.sealed_targets(self.config)
        return Gate(keyring, targets, self.device, self.boot.nonce, self.clock)

    def _link_parts(self):
        channel = Channel()
        self._resolver = connection.make_resolver(channel.set)
        options = connection.link_options(self.config, self._resolver)
        brokers, backoff, timeout_ms, transport = options
        return brokers, channel, backoff, timeout_ms, transport

    def _make_presence(self):
        self._rival = rival = Rival()
        parts = (self.voice, self.gate, self.boot, self.clock, lambda: report.about(self))
        return Presence(*parts, lambda: rival.is_there(self.clock.now()))

    def _make_executor(self):
        workers = self.config["workers"]
        if workers == "auto":
            workers = AUTO_WORKERS[THREADS]
        elif workers and THREADS != "gil":
            self.log.warning("workers: %d, though %s", workers, report.WORKERS_REASONS[THREADS])
        room = self.config["mqtt"]["receive_maximum"]
        return Executor(workers, room, self.clock, self.link.wake)

    def _make_once(self):
        bounds = self.config["journal"]
        queue_ms = self.config["mqtt"]["session_expiry_s"] * 1000
        records = Records(self.config["data"], "journal")
        return Once(records, self.clock, bounds["entries"], bounds["kib"] * 1024, queue_ms)

    def _make_service(self):
        self._add_commands(self.gate.keyring)
        service = Service(
            self.registry,
            self.executor,
            self.clock,
            (self.device, self.boot.nonce),
            self.config["root"] + "/reply/",
            self.config["mqtt"]["maximum_reply_bytes"],
            self.bridge.answer,
            self.once,
            self.gate,
        )
        self.bridge.connect(service.accept, service.decline, service.commit)
        self.bridge.listen_to_all(self._on_other)
        service.connect_streams(self.optional.make_streams)
        service.connect_jobs(self.optional.make_jobs)
        service.connect_runs(self.optional.run_ended)
        return service

    def _add_commands(self, keyring):
        def guard(kind, where, first, last, write):
            policy.check_hardware(keyring.policy, kind, where, first, last, write)

        workers, keep_alive_s = len(self.executor.running), self.config["mqtt"]["keep_alive_s"]
        self.hardware = hardware.Hardware(guard, workers, keep_alive_s * 1000)
        for commands in (
            rpc.commands(self.registry),
            system.commands(lambda: report.inform(self)),
            key.commands(keyring, self.device, self._on_keys_changed),
            policy_commands.commands(keyring, self._on_keys_changed),
            device.commands(self.hardware),
        ):
            self.registry.add(commands)
        self.registry.add_families(
            device.FAMILIES, lambda name: device.load_family(name, self.hardware)
        )
        self.registry.add_families(self.optional.families, self.optional.load_family)

    def run(self):
        """Serve until a command asks for a restart: then the process must end, and start anew."""
        self.log.info("limpet %s, device %s, boot %d", VERSION, self.device, self.boot.number)
        if not self.gate.keyring.configured:
            self.log.warning(report.NO_KEYS)
        self.optional.start_watchdog()
        self.operation.begin()
        self.executor.start()
        self.optional.take_up()
        pace_collector()
        while not (self.service.restarts or self.update.restarts):
            self.step()
        if self.optional.rest():
            return
        self.log.info("restarting, as a caller asked")
        self._drain()
        self.close(True)

    def _drain(self):
        """Let what was answered reach the broker before the end, for DRAIN_MS at most."""
        now = self.clock.now()
        until = now + DRAIN_MS
        self.service.send_late(until + LONGEST_SPREAD_MS)
        self.bridge.close()
        while now < until and self.presence.is_online:
            self._take_events(now)
            self.bridge.step()
            self.link.send(now)
            if self.bridge.drained and not self.session.outbox.entries:
                return
            self.link.wait(until - now)
            now = self.clock.now()

    def step(self):
        """One turn of the loop, which ends in waiting for what comes next."""
        now = self.clock.now()
        # TLS needs a right clock, so where there are time servers they are asked before it.
        ntp = self._ntp
        is_held = ntp is not None and ntp.is_new and self.config["mqtt"]["tls"] is not None
        if not is_held:
            self._take_events(now)
        for part in self.parts:  # before the bridge, which commits what is to run
            due = part.due
            if due is not None and now >= due:
                try:
                    part.step(now)
                except Exception as error:  # noqa: BLE001 - one part's fault is not the others'
                    self.log.error("a part of the agent: %s", format_exception(error))
        self.update.step(now)  # at each turn: a depot's bytes may have come
        is_checking = self.bridge.step()
        has_more = self.service.step() or is_checking
        # What a worker has just begun mostly ends at once: then acknowledgement and answer leave
        # in one write. Whatever waits is held back once, by one turn and HOLD_MS at most.
        self._holds = self.service.launched and not self._holds
        if not self._holds:
            self.link.send(now)
        if not has_more and (not is_held or ntp.is_new):
            self.link.wait(HOLD_MS if self._holds else self._pause())

    def _take_events(self, now):
        for event in self.link.receive(now):
            handle = self._handlers.get(type(event))
            if handle:
                handle(event)

    def _pause(self):
        """How long nothing is due, in ms."""
        due = self.presence.due  # of all it alone always has one
        for parts in (self._core, self.parts):
            for part in parts:
                other = part.due
                if other is not None and other < due:
                    due = other
        return max(0, due - self.clock.now())

    def close(self, restarts=False):
        """Say goodbye: publish that the device goes offline, and disconnect."""
        self.optional.stop_watchdog(restarts)
        self.operation.stopping()
        self.presence.leave()
        self.optional.flush_samples()
        self.voice.flush()
        self.link.close(self.clock.now())

    def leave(self, config, now):
        """Go, and come back under other settings of the connection."""
        self.presence.leave(0)
        self.link.leave(now)
        self.presence.disconnected()
        self.bridge.disconnected()
        self.config = config
        self.session.change(connection.session_options(config))
        self.link.change(*connection.link_options(config, self._resolver))
        self.log.info("going to %s under other settings", self._broker())

    def _broker(self):
        mqtt = self.config["mqtt"]
        return "%s:%d" % (mqtt["host"], mqtt["port"])

    def _on_connected(self, event):
        version = "5" if event.version == packets.V5 else "3.1.1"
        self.log.info("connected to %s with MQTT %s", self._broker(), version)
        self.presence.connected()
        self._rival.connected(self.clock.now())
        self.optional.connected()
        self.operation.connected()
        self.update.connected(True)

    def _on_disconnected(self, event):
        self.presence.disconnected()
        self.session.will = self.presence.will()  # which tells when the next connection began
        self.bridge.disconnected()
        self.optional.disconnected()
        self.update.connected(False)
        self.log.warning(
            "no connection to %s: %s; next try in %d ms",
            self._broker(),
            event.reason,
            event.retry_in_ms,
        )
        code = TAKEN if "taken over" in event.reason else event.code
        if self._rival.suspects(self.clock.now(), code):
            name = self.session.client_id
            self.log.warning("each connection is closed soon: has another client the id %s?", name)

    def _on_other(self, message):
        if not self._sweep.take(message):
            self.service.receive(message)

    def _on_oversized(self, event):
        limit = self.config["mqtt"]["maximum_packet_bytes"]
        self.log.warning("a packet of %d bytes was dropped: at most %d", event.size, limit)
        words = {"size_bytes": event.size, "limit_bytes": limit, "topic": event.topic}
        self.voice.keep("event/oversized", words)

    def _on_subscribed(self, event):
        for code in event.codes:
            if code >= REFUSED:
                self.log.error("the broker refuses the subscription to %s", event.topic_filter)
            elif event.topic_filter == self.base + "call":
                self.optional.subscribed()

    def _on_keys_changed(self):
        self.gate.refresh()
        self.session.will = self.presence.will()  # from the next connection on
        self.presence.renew()


def _open_store(folder):
    """The store, and why nothing can be stored, or None."""
    try:
        make_folder(folder)
    except LimpetError as error:
        return Store(folder), error.message
    return Store(folder), None
