"""One update in turns of the loop, over a depot that is asked by messages."""

import limpet_start as starting
from faulty.disk import Disk
from faulty.medium import Medium
from support import START
from update_corpus import vector
from update_life import OLD, ROOT, Memory, install

from agent.store import Store
from agent.update.slots_files import SlotError, Slots
from agent.update.updater import LOOK_MS, Outside, Updater

OPTIONS = {
    "channel": "stable", "product": "agent", "policy": "auto", "window": None, "tries": 3,
    "healthy_s": 0, "within_s": 600, "rate": 0, "url": None, "tls": None, "keyring": "none",
}  # fmt: skip


class Clock:
    """Time as the test sets it."""

    time = START

    def now(self):
        """As of the clock."""
        return self.time

    def wall(self):
        """As of the clock."""
        return 1_800_000_000_000, "synced"


class World:
    """A broker with a depot, and one device."""

    def __init__(self):
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
        outside = Outside(
            self.publish, self.listen, None, self.told.append, "0.1.0", "pump", "limpet"
        )
        self.updater = Updater(OPTIONS, self.slots, self.store, self.clock, outside)
        self.updater.subscribe()
        self.updater.connected(True)

    def listen(self, topic, take):
        """As of the bridge."""
        self.takers[topic] = take

    def publish(self, topic, payload, qos, retain):
        """What the device publishes: its asking is answered."""
        if topic == "limpet/blob/ask/pump":
            name, at, count = payload.decode().split(" ")
            data = self.memory.blobs[name][int(at) : int(at) + int(count)]
            self.given.append(("%s %s\n" % (name, at)).encode() + data)
        return 0

    def send(self, topic, payload):
        """Something comes from the broker."""
        self.takers[topic](Message(payload))

    def turn(self, times=200):
        """Some turns of the loop."""
        for _ in range(times):
            self.clock.time += 10
            while self.given:
                self.send("limpet/blob/give/pump", self.given.pop(0))
            self.updater.step(self.clock.time)


class Message:
    """As of the session."""

    def __init__(self, payload):
        self.payload = payload


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
    usual = dict(OPTIONS)
    OPTIONS.update(options)
    try:
        world.boot()
    finally:
        OPTIONS.update(usual)
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

    world.updater._outside = Outside(publish, *tuple(world.updater._outside)[1:])
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
    steps = world.updater._follow_keyrings(2)
    for _ in range(2000):
        try:
            next(steps)
        except StopIteration:
            break
        world.turn(1)
    assert world.updater.status()["keyring"] == 2
    world.boot()
    assert world.updater.status()["keyring"] == 2
