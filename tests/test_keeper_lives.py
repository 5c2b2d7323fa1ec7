"""Lives of a keeper from seeds: random turns, losses, kills, power cuts; a model checks."""

import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, HERE + "/faulty")
sys.path.insert(0, HERE + "/fuzz")
from disk import Disk, PowerCut  # noqa: E402 - found through the paths set above
from mqtt import Random  # noqa: E402

sys.path.pop(0)
sys.path.pop(0)

from test_keeper import Broker, Life  # noqa: E402

from agent.mqtt.keeper import FIRST_ID  # noqa: E402
from agent.mqtt.making_room import BLOCK, DROP_OLDEST  # noqa: E402
from agent.mqtt.session import Received  # noqa: E402

SEED = 20261124
LIVES = 60
STEPS = 120
CHANNELS = 3


class World:
    """One device over all its lives; `accepted` are the messages that may not be lost."""

    def __init__(self, random):
        self.random = random
        version = random.pick((5, 4))
        self.luck = random.pick(("none", "all", "zeros", 2, 40))
        self.disk = Disk(None, self.luck)
        self.broker = Broker(version)
        self.number = 0
        self.accepted = []
        self.begun = []  # published, and the turn has not ended
        self.qos = {}
        self.came = 0
        self.options = {
            "version": version,
            "messages": random.pick((15, 60, 400)),
            "most_bytes": random.pick((4000, 20000)),
            "segment": random.pick((300, 4096)),
            "send_maximum": random.pick((2, 20)),
        }
        self.start()
        self.life.keeper._next_id = random.pick((FIRST_ID, 65520))

    def start(self):
        self.begun = []
        self.life = Life(self.disk, **self.options)
        self.is_up = False

    def step(self):
        """Something happens. Raises PowerCut."""
        random = self.random
        what = random.below(20)
        if what < 8:
            self.publish()
        elif what < 10 and self.is_up:
            self.take()
        elif what < 17:
            self.turn(self.is_up and random.below(10) > 0)
        elif what == 17:
            self.connect()
        elif what == 18:
            self.life.events = []
            self.life.session.close()
            self.is_up = False
        elif random.below(3) == 0:
            if random.below(2):
                self.disk.cut_at = self.disk.operations + random.below(6)
            else:
                self.start()  # killed between two turns

    def connect(self):
        self.life.events = []  # what came on the connection before is void
        self.life.connect(self.broker)
        self.is_up = True

    def publish(self):
        random = self.random
        channel = random.below(CHANNELS)
        rule = DROP_OLDEST if channel == 0 else BLOCK
        data = b"%d %05d" % (channel, self.number) + b"x" * random.below(120)
        qos = 1 + random.below(2)
        self.number += 1
        if self.life.publish("out/%d" % channel, data, qos, rule=rule) is not None:
            self.qos[data] = qos
            if rule == BLOCK:
                self.begun.append(data)

    def take(self):
        """A message of QoS 2 comes, and is answered in the same turn."""
        broker = self.broker
        packet_id = 1  # brokers use the same ones again
        while packet_id in broker.to_release or packet_id in [one[0] for one in broker.to_send]:
            packet_id += 1
        self.came += 1
        self.life.hear(broker.send(packet_id, 2, b"%d" % self.came))
        self.echo()

    def echo(self):
        for event in self.life.events:
            if isinstance(event, Received):
                data = b"in " + event.message.payload
                if self.life.publish("echo", data, 2, rule=BLOCK) is not None:
                    self.qos[data] = 2
                    self.begun.append(data)
                    self.life.session.acknowledge(event.message)
        self.life.events = []

    def turn(self, is_heard):
        self.echo()
        self.life.turn(self.broker if is_heard else None)
        self.echo()
        if not is_heard:
            self.is_up = False  # what was said is lost with the connection
        self.accepted += self.begun
        self.begun = []

    def live(self):
        for _ in range(STEPS):
            try:
                self.step()
            except PowerCut:
                if self.random.below(2):
                    self.disk.cut()
                self.disk.cut_at = None
                self.start()
        self.disk.cut_at = None
        for _ in range(40):  # a `hear` may leave messages that found no room
            self.connect()
            for _ in range(30):
                self.turn(True)
        assert self.life.keeper.messages == 0 and not self.broker.to_send

    def check(self):
        got = self.broker.got
        missing = [data for data in self.accepted if data not in got]
        assert not missing, missing
        twice = [data for data in set(got) if self.qos[data] == 2 and got.count(data) > 1]
        assert not twice, twice
        for number in range(1, self.came + 1):
            assert got.count(b"in %d" % number) == 1, number
        for channel in range(CHANNELS):
            seen = []
            for data in got:
                if data.startswith(b"%d " % channel) and data not in seen:
                    seen.append(data)
            assert seen == sorted(seen), (channel, seen)


def test_no_life_loses_doubles_or_disorders_what_was_accepted():
    print("seed", SEED)
    for life in range(LIVES):
        world = World(Random(SEED + life))
        try:
            world.live()
            world.check()
        except AssertionError:
            print("life", life, world.options, world.luck)
            raise
