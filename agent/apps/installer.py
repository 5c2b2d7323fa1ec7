"""Apps by releases of their own: each in two slots, tried while the agent runs on, and undone.

The one rule: slots, record, trust and fetch are those of the agent's own updates, and so is what a
power cut leads to. Only the restart is another one: the app is replaced in place; a trial that
takes the agent down is counted at the agent's next start. Owner: the main thread.
"""

from binascii import hexlify
from hashlib import sha256

import limpet_start as starting
from interpreter import list_folder

from agent.apps.host import FAILED, STOPPED, UP, AppFailed
from agent.apps.manifest import check_name
from agent.errors import BadConfig, BadParams, Busy, LimpetError
from agent.update import plan, release, sources
from agent.update.fetch import BadDepot, Fetch
from agent.update.slots_files import RELEASE, TRIES, Files, SlotError, Slots

PRODUCT = "app-"  # begins the product of an app's release; its name follows, - for each _
KEYRING = "apps-keyring"
_REST_MS = 100  # of a fetch that waits: a piece over MQTT ends it, one over HTTP does not
LOOK_MS = 1000  # between two looks at an app on trial, or that keeps its update waiting


class Installer:
    """`folder` holds what is installed; `outside` is a sources.Outside; `stir(job)` lets a task go
    on that rests; `is_up`: there is a connection. `host` is set once it is made. A part of the
    loop."""

    def __init__(self, options, folder, store, clock, outside, stir, is_up):
        self._options = options
        self._folder = folder
        self._store = store
        self._clock = clock
        self._outside = outside
        self._stir = stir
        self._job = None  # the one that fetches
        self._depot = None
        self._is_up = is_up
        self._slots = {}
        self._health = {}  # of those on trial
        self.host = None
        self.due = None
        self.went_back = []  # names of apps whose trial ended with the agent: others run now
        try:
            names = [name for name, _ in list_folder(folder)]
        except OSError:
            names = ()
        for name in names:
            was = starting.read_state(Files(), "%s/%s" % (folder, name))
            slots = self._open(name)
            if was.kind == "trial" and not slots.is_trial:
                self.went_back.append(name)

    def _open(self, name):
        """What the record says is to run, which is a start of what is on trial."""
        files, root = Files(), "%s/%s" % (self._folder, name)
        slot, state = starting.prepare(files, root)
        slots = self._slots[name] = Slots(files, root, state, slot)
        self._health.pop(name, None)
        if slots.is_trial:
            now, options = self._clock.now(), self._options
            words = (options["healthy_s"] * 1000, options["within_s"] * 1000)
            self._health[name] = plan.Health(now, *words)
            self.due = now
        return slots

    def places(self):
        """{name: folder} of what is to run."""
        rows = [(name, self._slots[name]) for name in self._slots]
        return {n: "%s/%s" % (one.root, one.running) for n, one in rows if one.running}

    def words(self, name):
        """What is told of an app's releases, JSON-able; None for one that is not installed."""
        slots = self._slots.get(name)
        if slots is None:
            return None
        state = slots.state
        running = state.other if slots.is_trial else state.sequence
        return {
            "sequence": running,
            "trial": slots.is_trial,
            "previous": state.other if state.kind == "previous" else None,
            "failed": state.failed or None,
            "reason": slots.why(),
        }

    def install(self, text, may_go_back, is_signed, job):
        """A generator for a task: fetch a release of an app, try it, keep it if it is well.

        Raises LimpetError; then what ran before runs.
        """
        if self._job is not None:
            raise Busy("an app is being installed already")
        data = text.encode()
        signed = release.split_signed(data) if is_signed else release.Signed(data, ())
        description = release.parse_description(signed.body)
        name = name_of(description.product)
        sequence = description.sequence
        if job.resume_from is not None and name in self._slots:
            state = self._slots[name].state
            if state.failed == sequence and state.reason != "-":
                raise AppFailed("%s: %s" % (name, self.words(name)["reason"]))
        job.checkpoint(sequence)
        self._job = job
        try:
            keyring = yield from self._check(description, signed)
            if not self._runs(name, sequence):
                words = (description, data, keyring, may_go_back)
                yield from self._get(name, *words)
                yield from self._wait(name)
                self._try(name)
        except OSError as error:
            raise SlotError("the medium refuses: %s" % error)
        finally:
            self._job = None
            if self._depot is not None:
                self._depot.end()
        while name in self._health:
            job.progress(0.95, "trial")
            yield LOOK_MS // 2
        if not self._runs(name, sequence):
            raise AppFailed("%s: %s" % (name, self.words(name)["reason"]))
        return dict(self.host.find(name).words(), **self.words(name))

    def _runs(self, name, sequence):
        words = self.words(name)
        return words is not None and words["sequence"] == sequence

    def _check(self, description, signed):
        """Raise unless those who may have signed it; the number of the keyring that says so."""
        if self._depot is None:
            stir = lambda: self._job is None or self._stir(self._job)  # noqa: E731
            self._depot = sources.make_depot(self._options, self._outside, stir)
            self._depot.connected(self._is_up)
        if not signed.signatures:
            return description.keyring
        if not self._options["keyring"]:
            raise plan.NotTaken("no keyring for apps: the configuration's apps.keyring names it")
        trust = sources.Trust(self._store, KEYRING, self._options["keyring"])
        now = self._clock.wall()[0] // 1000
        yield from self._drive(trust.check(description, signed, self._depot, now))
        return trust.keyring.number

    def _get(self, name, description, data, keyring, may_go_back):
        """Have the release staged in the other slot of its app."""
        slots = self._slots.get(name) or self._make(name)
        words = (description.product, description.channel, slots.state.sequence)
        facts = sources.facts(slots, words, keyring, self._clock, self._outside.version)
        decision = plan.judge(description, facts, True, may_go_back)
        if decision.kind != plan.APPLY:
            raise plan.NotTaken(decision.reason)
        if (slots.state.kind, slots.state.other) == ("staged", description.sequence):
            return
        slots.begin(hexlify(sha256(data).digest()).decode(), description.sequence)
        fetch = Fetch(slots, self._depot, description, data)
        job = self._job

        def told():
            job.progress(fetch.fraction * 0.9, "fetching")

        try:
            digest = yield from self._drive(fetch.run(), told)
        except (release.BadRelease, BadDepot) as error:
            slots.fail(description.sequence, error.code)
            raise
        slots.stage(digest)

    def _drive(self, steps, told=None):
        """Steps that wait for the depot, as a task's."""
        depot = self._depot
        try:
            while True:
                next(steps)
                depot.step(self._clock.now())
                if told is not None:
                    told()
                yield _REST_MS if depot.is_waiting else 0
        except StopIteration as end:
            return end.value
        finally:
            steps.close()  # where nothing counts references, its files would stay open

    def connected(self, is_up):
        """The link is there, or gone."""
        self._is_up = is_up
        if self._depot is not None:
            self._depot.connected(is_up)

    def _make(self, name):
        root = self._folder
        for path in (root, "%s/%s" % (root, name)):
            try:
                Files().mkdir(path)
            except OSError:
                pass  # it is there, or else the next thing that is done fails
        return self._open(name)

    def _wait(self, name):
        """Until the owner's window is open and the app has nothing against it."""
        while True:
            veto = self.host.veto(name)
            decision = plan.may_restart_at(
                "auto", self._options["window"], self._clock.wall(), veto
            )
            if decision.kind == plan.APPLY:
                return
            self._job.progress(0.9, decision.reason)
            yield LOOK_MS

    def _try(self, name):
        self._slots[name].try_other(TRIES)
        self._turn(name)

    def _turn(self, name):
        """Run what the record says; if that is on trial and does not start, what was before."""
        slots = self._open(name)
        try:
            if slots.running is None:
                self.host.drop(name)
            else:
                self.host.replace(name)
        except AppFailed as error:
            if not slots.is_trial:
                raise
            self._give_up(name, error.message)
            raise

    def _give_up(self, name, reason):
        slots = self._slots[name]
        slots.give_up("no-health")
        starting.note_reason(slots.files, slots.root, reason)
        try:
            self._turn(name)
        finally:
            self._outside.report(dict(self.words(name), name=name, state="rolled-back"))

    def step(self, now):
        """Look at what is on trial."""
        for name in list(self._health):
            health = self._health[name]
            try:
                state, reason = self.host.state_of(name)
                if state == STOPPED:  # by a caller: it proves nothing
                    continue
                verdict = health.judge(now, ((reason or state, state == UP and not reason),))
                if state == FAILED or verdict is False:
                    self._give_up(name, reason or health.missing)
                elif verdict:
                    self._confirm(name)
            except LimpetError as error:
                self._outside.report({"name": name, "reason": error.message})
        self.due = now + LOOK_MS if self._health else None

    def _confirm(self, name):
        slots = self._slots[name]
        with slots.files.open("%s/%s/%s" % (slots.root, slots.running, RELEASE), "rb") as file:
            body = file.read(release.MAX_SIGNED_BYTES).split(b"\nsign ")[0]
        slots.confirm(release.parse_description(body.rstrip(b"\n") + b"\n").floor)
        self._open(name)

    def go_back(self, name):
        """Back to the release before this one, which is still here; what is told of the app."""
        slots = self._installed(name)
        slots.mark_back()
        self._try(name)
        return dict(self.host.find(name).words(), **self.words(name))

    def remove(self, name):
        """Take an app away. Its floor stays, and what it has stored."""
        slots = self._installed(name)
        slots.clear()
        del self._slots[name]
        self._health.pop(name, None)
        self.host.drop(name)
        for slot in ("a", "b", "parts"):
            slots.wipe("%s/%s" % (slots.root, slot))
        self._open(name)

    def _installed(self, name):
        slots = self._slots.get(name)
        if slots is None or not slots.state.sequence:
            raise BadParams("name: no release of an app called %s is installed" % name)
        if self._job is not None:
            raise Busy("an app is being installed")
        return slots


def name_of(product):
    """The app that a product stands for. Raises NotTaken."""
    name = product[len(PRODUCT) :].replace("-", "_")
    try:
        check_name(name)
    except BadConfig:
        name = ""
    if not name or not product.startswith(PRODUCT):
        raise plan.NotTaken("another-product")
    return name
