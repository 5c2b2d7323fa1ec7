"""One update in turns of the loop, over a depot that is asked by messages."""

import limpet_start as starting
from faulty.disk import Disk
from faulty.medium import Medium
from support import START, raises
from update_corpus import vector
from update_life import OLD, ROOT, Memory, install

from agent.commands.update import commands
from agent.errors import BadParams, Cancelled
from agent.store import Store
from agent.update import sources
from agent.update.depot_mqtt import SLICE
from agent.update.plan import NotTaken
from agent.update.slots_files import SlotError, Slots
from agent.update.updater import HOLD_MS, LOOK_MS, Updater

OPTIONS = {
    "channel": "stable", "product": "agent", "policy": "auto", "window": None, "tries": 3,
    "healthy_s": 0, "within_s": 600, "rate": 0, "url": None, "tls": None, "keyring": "none",
    "beacon": None,
}  # fmt: skip


class Clock:
    """Time as the test sets it."""

    time = START
    learned_ms = 0

    def now(self):
        """As of the clock."""
        return self.time

    def wall(self):
        """As of the clock."""
        return (self.learned_ms, "synced") if self.learned_ms else (0, "unset")

    def learn(self, unix_ms):
        """As of the clock."""
        self.learned_ms = unix_ms


class World:
    """A broker with a depot, and one device."""

    def __init__(self, **options):
        self.options = options
        starting.WATCHES = ()  # a real one would end whoever runs this
        self.medium = Medium()
        install(OLD, self.medium, 1)
        self.memory = Memory()
        self.memory.build(7, {"main.py": b"print(7)\n"})
        self.store = Store("data", Disk())
        self.store.write("keyring", vector("ring1"))
        self.told = []
        self.given = []
        self.boot()

    def boot(self):
        """Start the device anew."""
        self.takers = {}
        self.clock = Clock()
        slot, state = starting.prepare(self.medium, ROOT)
        self.slots = Slots(self.medium, ROOT, state, slot)
        options = dict(OPTIONS, **self.options)
        hands = (lambda *words: self.publish(*words), self.listen, None, self.told.append)
        outside = sources.Outside(*hands + (self.unseal, "0.1.0", "pump", "limpet"))
        self.updater = Updater(options, self.slots, self.store, self.clock, outside)
        self.updater.subscribe()
        self.updater.connected(True)

    def unseal(self, topic, payload, key):
        """As of the gate: "KEY NONCE BODY", of this boot."""
        words = payload.decode().split(" ", 2)
        return words[2].encode() if words[:2] == [key, "now"] else None

    def listen(self, topic, take):
        """As of the bridge."""
        self.takers[topic] = take

    def publish(self, topic, payload, qos, retain):
        """What the device publishes: its asking is answered."""
        if topic == "limpet/blob/ask/pump":
            name, at, count = payload.decode().split(" ")
            data = self.memory.blobs[name][int(at) : int(at) + int(count)]
            for start in range(0, len(data), SLICE):
                head = ("%s %d\n" % (name, int(at) + start)).encode()
                self.given.append(head + data[start : start + SLICE])
        return 0

    def send(self, topic, payload):
        """Something comes from the broker."""
        self.takers[topic](Message(topic, payload))

    def turn(self, times=200):
        """Some turns of the loop."""
        for _ in range(times):
            self.clock.time += 10
            while self.given:
                self.send("limpet/blob/give/pump", self.given.pop(0))
            self.updater.step(self.clock.time)


class Message:
    """As of the session."""

    def __init__(self, topic, payload):
        self.topic, self.payload = topic, payload


def test_a_signed_offer_is_fetched_and_tried_and_confirmed():
    world = World()
    world.send("limpet/release/stable", vector("release"))
    world.turn()
    assert world.updater.restarts and world.slots.state.kind == "trial"
    world.boot()
    assert world.slots.is_trial
    world.send("limpet/reply/pump-trial", b"no answer of ours")
    world.turn(5)
    assert world.slots.is_trial
    world.send("limpet/reply/pump-trial", world.updater._ping.encode())
    world.turn(5)
    assert world.slots.state.sequence == 7 and world.told[-1]["state"] == "confirmed"


def test_an_offer_by_a_wrong_key_leaves_no_trace():
    world = World()
    before = world.medium.operations
    for name in ("release_by_root", "release_by_next", "ring1", "old"):
        world.send("limpet/release/stable", vector(name)[:3000])
        world.turn()
    assert world.medium.operations == before and not world.updater.restarts
    assert world.updater.status()["state"] == "idle"


def test_a_record_that_cannot_be_written_ends_nobody_and_is_tried_again():
    world = World()
    refused = []

    def refuse(tries):
        refused.append(tries)
        raise SlotError("full")

    usual, world.slots.try_other = world.slots.try_other, refuse
    world.send("limpet/release/stable", vector("release"))
    world.turn()
    assert len(refused) == 1 and world.told[-1]["reason"] == "full"
    world.slots.try_other = usual
    world.clock.time += LOOK_MS
    world.turn(1)
    assert world.updater.restarts
    world.boot()
    usual, world.slots.confirm = world.slots.confirm, refuse
    world.turn(1)
    world.send("limpet/reply/pump-trial", world.updater._ping.encode())
    world.turn(50)
    assert len(refused) == 2 and world.slots.is_trial
    world.slots.confirm = usual
    world.clock.time += LOOK_MS
    world.turn(1)
    assert world.slots.state.sequence == 7


def on_trial(**options):
    """A World whose device has release 7 on trial, and a broker that answers it."""
    world = World()
    world.send("limpet/release/stable", vector("release"))
    world.turn()
    world.options = options
    world.boot()
    assert world.slots.is_trial
    return world


def test_a_trial_whose_required_app_is_not_up_goes_back_with_that_reason():
    world = on_trial(within_s=5)
    lacks = ["app garden: no pump"]
    world.updater.checks.append(lambda: "; ".join(lacks))
    while not world.updater.restarts:
        world.turn(1)
        if world.updater._ping:
            world.send("limpet/reply/pump-trial", world.updater._ping.encode())
        assert world.clock.time < START + 10000
    assert world.clock.time >= START + 5000
    world.boot()
    words = world.updater.status()
    assert (words["slot"], words["failed"], words["state"]) == ("a", 7, "rolled-back")
    assert words["reason"] == "no-health: lacks app garden: no pump"
    world = on_trial(within_s=5)
    world.updater.checks.append(lambda: "; ".join(lacks))
    world.turn(100)
    world.send("limpet/reply/pump-trial", world.updater._ping.encode())
    world.turn(1)
    assert world.slots.is_trial
    lacks.clear()  # it comes up
    world.turn(1)
    assert world.slots.state.sequence == 7


def test_what_the_owner_has_a_reason_against_is_tried_once_it_is_gone():
    world = World()
    reasons = ["watering"]
    world.updater.veto = lambda: reasons[0] if reasons else None
    world.send("limpet/release/stable", vector("release"))
    world.turn()
    assert world.slots.state.kind == "staged" and not world.updater.restarts
    assert tuple(world.updater.last) == (7, "reschedule", "veto: watering")
    reasons.clear()
    world.clock.time += LOOK_MS
    world.turn(1)
    assert world.updater.restarts


def test_what_was_staged_before_a_power_cut_is_tried_after_it():
    world = World()
    world.updater.veto = lambda: "watering"
    world.send("limpet/release/stable", vector("release"))
    world.turn()
    world.boot()
    assert world.slots.state.kind == "staged"
    world.turn(1)
    assert world.updater.restarts and world.slots.state.kind == "trial"


def test_a_broker_that_is_away_for_a_day_in_the_middle_costs_nothing_that_was_verified():
    world = World()
    usual, away = world.publish, []

    def publish(*words):
        if away:
            return None
        return usual(*words)

    world.publish = publish
    world.send("limpet/release/stable", vector("release"))
    while world.slots.state.kind != "fetching":
        world.turn(1)
    away.append(1)
    world.given = []
    world.updater.connected(False)
    for _ in range(24 * 60):
        world.clock.time += 60_000
        world.turn(1)
    assert world.slots.state.kind == "fetching" and not world.slots.state.failed
    assert world.updater.status()["state"] == "fetching"
    away.clear()
    world.updater.connected(True)
    world.turn()
    assert world.updater.restarts and world.slots.state.kind == "trial"


def test_a_newer_keyring_is_taken_over_before_what_it_signs_is_believed():
    world = World()
    name = "keyring-agent-2"
    world.memory.blobs[name] = vector("ring2")
    steps = world.updater._trust.follow(2, world.updater._depot)
    for _ in range(2000):
        try:
            next(steps)
        except StopIteration:
            break
        world.turn(1)
    assert world.updater.status()["keyring"] == 2
    world.boot()
    assert world.updater.status()["keyring"] == 2


def test_an_update_waits_for_a_beacon_of_this_boot_where_one_is_asked_for():
    world = World(beacon="clerk")
    world.send("limpet/release/stable", vector("release"))
    world.turn()
    assert world.updater.last[1:] == ("reschedule", "no beacon has come since the start")
    for wrong in ("clerk before 1800000000 7", "other now 1800000000 7", "clerk now x 7"):
        world.send("limpet/pump/time", wrong.encode())
    world.send("limpet/pump/time", b"clerk now 1800000000")
    world.turn()
    assert world.slots.state.kind == "none"
    world.send("limpet/pump/time", b"clerk now 1800000000 7")
    world.turn()
    assert world.slots.state.kind == "trial"


def test_by_a_beacon_a_release_expires_where_the_clock_is_unset():
    world = World(beacon="clerk")
    expired = vector("release_expired")
    world.send("limpet/pump/time", b"clerk now 1800000000 7")
    world.send("limpet/release/stable", expired)
    world.turn()
    assert world.updater.last[1:] == ("ignore", "expired")
    world = World()  # nobody knows the time
    world.memory.build(7, {"main.py": b"print(7)\n"})
    world.send("limpet/release/stable", expired)
    world.turn()
    assert world.slots.state.kind == "trial"


def test_a_beacon_tells_of_a_release_that_is_kept_from_the_device():
    world = World(beacon="clerk")
    world.send("limpet/pump/time", b"clerk now 1800000000 9")
    assert world.told[-1]["reason"] == "9 is out, and nobody offers it"


def test_a_release_by_an_expired_keyring_is_refused_while_the_time_is_known():
    for unix_s, state in ((1_800_000_000, "none"), (0, "trial")):
        world = World()
        world.store.write("keyring", vector("ring1_expired"))
        world.boot()
        world.clock.learn(unix_s * 1000)
        world.send("limpet/release/stable", vector("release"))
        world.turn()
        assert world.slots.state.kind == state
        if unix_s:
            assert world.updater.last[2] == "keyring 1 has expired"


def test_a_release_by_a_future_key_waits_for_the_keyring_that_names_it():
    world = World()
    before = world.medium.operations
    world.memory.blobs["keyring-agent-2"] = b""  # the depot has none yet
    world.send("limpet/release/stable", vector("release_of_ring2"))
    world.turn()
    assert world.medium.operations == before and world.updater.status()["keyring"] == 1
    world.memory.blobs["keyring-agent-2"] = vector("ring2")
    for _ in range(100):
        world.clock.time += 5000
        world.turn(20)
        if world.slots.state.kind == "trial":
            break
    assert world.slots.state.kind == "trial" and world.updater.status()["keyring"] == 2


def test_a_keyring_of_many_keys_comes_in_pieces():
    world = World()
    steps = sources._fetch(world.updater._depot, "long")
    data = bytes(range(32, 123)) * 33
    world.memory.blobs["long"] = data
    for _ in range(20):
        try:
            next(steps)
        except StopIteration as end:
            assert end.value == data
            return
        world.turn(1)
    raise AssertionError("it never ends")


class Following:
    """As of job.py, what a caller who follows needs."""

    resume_from = outcome = phase = fraction = None
    is_shown = False

    def checkpoint(self, value):
        """As of Job."""
        self.saved = value

    def progress(self, fraction, phase=None):
        """As of Job."""
        assert self.fraction is None or fraction >= self.fraction
        self.fraction, self.phase = fraction, phase


def apply(world, job, text=None):
    """`update.apply`, as a task."""
    rows = commands(world.updater)
    (command,) = [row for row in rows if row.name == "update.apply"]
    return command.call({"release": text, "downgrade": False}, job)


def follow(world, steps, turns=200):
    """Turns of the loop with a task beside it: what it came to, None while it goes on."""
    try:
        for _ in range(turns):
            next(steps)
            world.turn(1)
    except StopIteration as end:
        return end.value
    return None


def test_a_caller_follows_an_update_through_its_restart_to_the_end():
    world, job = World(), Following()
    steps = apply(world, job, vector("release").decode())
    assert follow(world, steps) is None and job.phase == "trial" and job.saved == 7
    assert not world.updater.restarts  # not before the caller knows what to look for
    job.is_shown = True
    assert world.updater.restarts
    world.boot()
    again = Following()
    again.resume_from = 7
    steps = apply(world, again, vector("release").decode())
    assert follow(world, steps, 5) is None and again.phase == "trial"
    world.send("limpet/reply/pump-trial", world.updater._ping.encode())
    words = follow(world, steps, 5)
    assert (words["sequence"], words["slot"], words["state"]) == (7, "b", "idle")


def test_a_caller_who_cannot_be_told_holds_a_restart_up_for_some_seconds_only():
    world, job = World(), Following()
    follow(world, apply(world, job, vector("release").decode()))
    assert not world.updater.restarts
    world.clock.time += HOLD_MS
    assert world.updater.restarts


def test_a_caller_hears_why_a_release_is_not_taken():
    world = World()
    for name, word in (("release_by_root", "signatures"), ("app_release", "another-product")):
        error = raises(NotTaken, follow, world, apply(world, Following(), vector(name).decode()))
        assert word in error.message
    raises(BadParams, apply, World(), Following())


def test_a_caller_hears_of_a_trial_that_went_back():
    world = on_trial(within_s=5)
    while not world.updater.restarts:
        world.turn(1)
    world.boot()
    job = Following()
    job.resume_from = 7
    error = raises(NotTaken, follow, world, apply(world, job, vector("release").decode()))
    assert error.message == "no-health: lacks its own answer"


def test_a_cancelled_update_stops_fetching_and_the_same_can_be_had_later():
    world = World()
    usual, world.publish = world.publish, lambda *words: 0
    steps = apply(world, Following(), vector("release").decode())
    follow(world, steps)
    assert world.updater.status()["state"] == "fetching"
    raises(Cancelled, steps.throw, Cancelled("it was cancelled"))
    world.publish = usual
    world.turn()
    assert world.updater.status()["state"] == "fetching" and not world.updater.restarts
    follow(world, apply(world, Following(), vector("release").decode()))
    assert world.slots.state.kind == "trial"


def test_a_job_that_goes_on_after_a_power_cut_while_fetching_fetches_on():
    world = World()
    usual, world.publish = world.publish, lambda *words: 0
    follow(world, apply(world, Following(), vector("release").decode()))
    world.publish = usual
    world.boot()
    job = Following()
    job.resume_from = 7
    follow(world, apply(world, job, vector("release").decode()))
    assert world.slots.state.kind == "trial"
