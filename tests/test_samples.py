"""agent/samples.py, agent/sampler.py: batches over outages, power cuts, a clock put right."""

import json

from faulty.disk import Disk, PowerCut
from schedule_device import difference
from support import START, STARTS, raises
from test_keeper import Broker, Life

from agent.clock import LEAST_UNIX_S, Clock
from agent.errors import BadParams, Busy
from agent.sampler import MOST_CHANNELS, Sampler

TRUE_MS = LEAST_UNIX_S * 1000 + 86_400_000
CHANNELS = (("fast", 1, 30, 60), ("slow", 7, 4, 30))


class SetClock(Clock):
    """A clock that somebody vouches for once `right` is set."""

    right = False

    def _is_vouched_for(self):
        return self.right


class Device:
    """Channels over an outbox on `disk`, in simulated time; a reading is its own number."""

    def __init__(self, disk, boot=1, start=START, channels=CHANNELS, **bounds):
        self.ticks = start
        self.shown = 0
        self.clock = SetClock(ticks=(lambda: self.ticks, difference), system=lambda: self.shown)
        self.life = Life(disk, **bounds)
        self.boot = boot
        self.taken = 0
        self.refusal = None
        rows = [
            {"name": n, "method": "m", "params": None, "every_s": e, "batch": b, "within_s": w}
            for n, e, b, w in channels
        ]
        self.sampler = Sampler(rows, self.clock, boot, self.start, self.keep)

    def start(self, method, params, identity, expires):
        if self.refusal:
            raise self.refusal
        self.taken += 1
        self.sampler.ended(identity, {"result": self.taken})

    def keep(self, name, payload):
        return self.life.publish(name, b"%s %s" % (name.encode(), payload)) is not None

    def sleep(self, seconds, broker=None):
        for _ in range(seconds):
            now = self.clock.now()
            if self.sampler.due <= now:
                self.sampler.step(now)
            self.life.turn(broker)
            self.ticks = (self.ticks + 1000) & (1 << 30) - 1
            self.shown += 1000


def told(broker):
    """{channel: [batch]} of what the broker got, each once, in order of first arrival."""
    found = {}
    for payload in broker.got:
        name, batch = bytes(payload).decode().split(" ", 1)
        rows = found.setdefault(name, [])
        batch = json.loads(batch)
        if batch not in rows:
            rows.append(batch)
    return found


def numbers(batches):
    """(boot, number) of each sample, as the batches came."""
    return [(b["boot"], b["first"] + i) for b in batches for i in range(len(b["samples"]))]


def test_an_outage_of_ten_minutes_loses_no_sample_and_no_order():
    for start in STARTS:
        device = Device(Disk(), start=start)
        broker = Broker()
        device.sleep(600)
        assert not broker.got
        device.life.connect(broker)
        device.sampler.flush()
        device.life.settle(broker)
        found = told(broker)
        assert numbers(found["fast"]) == [(1, number) for number in range(600)]
        assert numbers(found["slow"]) == [(1, number) for number in range(86)]
        times = [row[0] for batch in found["fast"] for row in batch["samples"]]
        assert times == [1000 * number for number in range(600)]


def test_beyond_the_bound_of_the_outbox_the_oldest_batches_are_missing_and_can_be_counted():
    device = Device(Disk(), channels=(("fast", 1, 10, 60),), messages=30, send_maximum=5)
    broker = Broker()
    device.sleep(601)  # 60 batches, of which 30 have room; the first 5 were to leave already
    device.life.connect(broker)
    device.sampler.flush()
    device.life.settle(broker)
    got = numbers(told(broker)["fast"])
    kept = list(range(50)) + list(range(360, 601))
    missing = 601 - len(got)
    assert got == sorted(got)
    assert missing == 10 * device.life.keeper.dropped, (missing, device.life.keeper.dropped)
    assert [number for _, number in got] == kept, (got[0], got[50], len(got))


def test_a_power_cut_at_any_write_costs_only_what_was_in_no_batch_yet():
    for luck in ("none", "all", "zeros", 3):
        probe = Disk(luck=luck)
        Device(probe, channels=(("fast", 1, 5, 60),), segment=300).sleep(60)
        for cut_at in range(probe.operations):
            disk = Disk(cut_at, luck)
            device = Device(disk, channels=(("fast", 1, 5, 60),), segment=300)
            safe = 0
            try:
                for _ in range(60):
                    device.sleep(1)
                    safe = device.sampler.find("fast").first
            except PowerCut:
                pass
            disk.cut()
            second = Device(disk, 2, channels=(("fast", 1, 5, 60),), segment=300)
            broker = Broker()
            second.life.connect(broker)
            second.sleep(20, broker)
            second.life.settle(broker)
            got = numbers(told(broker)["fast"])
            assert got == sorted(got)
            assert [(1, number) for number in range(safe)] == got[:safe], (luck, cut_at, safe)
            assert (2, 14) in got


def test_a_clock_that_is_put_right_corrects_what_waits_and_tells_of_what_has_left():
    device = Device(Disk(), channels=(("a", 10, 3, 600),))
    broker = Broker()
    device.life.connect(broker)
    device.sleep(40, broker)  # one batch has left, one sample waits
    device.clock.right = True
    device.shown = TRUE_MS
    device.sleep(60, broker)
    batches = told(broker)["a"]
    assert batches[0]["clock"] == "unset" and batches[0]["zero"] is None
    assert batches[0]["samples"][0] == [0, "unset", 1]
    began = TRUE_MS - 40_000
    assert batches[1]["zero"] == began
    assert batches[1]["samples"][0][:2] == [began + 30_000, "synced"]


def test_a_step_of_the_clock_moves_no_number_and_no_order():
    device = Device(Disk(), channels=(("a", 1, 5, 60),))
    broker = Broker()
    device.life.connect(broker)
    device.clock.right = True
    for shown in (TRUE_MS, TRUE_MS + 31_536_000_000, TRUE_MS):
        device.shown = shown
        device.sleep(20, broker)
    assert numbers(told(broker)["a"]) == [(1, number) for number in range(60)]


def test_batches_that_find_no_room_wait_and_then_the_oldest_samples_make_way():
    device = Device(Disk(), channels=(("a", 1, 5, 60),))
    device.sampler._keep = lambda name, payload: False
    device.sleep(25)
    channel = device.sampler.find("a")
    assert (len(channel), channel.dropped, channel.first) == (10, 15, 15)


def test_readings_that_fail_are_counted_and_the_last_error_told():
    device = Device(Disk(), channels=(("a", 1, 5, 60),))
    device.refusal = Busy("no room")
    device.sleep(3)
    (row,) = device.sampler.list()
    assert row["failed"] == 3 and row["error"]["code"] == "busy" and row["taken"] == 0


def test_an_app_opens_channels_up_to_a_bound():
    sampler = Device(Disk()).sampler
    for number in range(MOST_CHANNELS - 2):
        assert sampler.add("app.%d" % number, 0, "1")
    assert not sampler.add("app.more", 0, "1")
    assert sampler.recent("app.0", 5) == [[0, "unset", 1]]
    raises(BadParams, lambda: sampler.recent("app.more", 5))


def test_what_a_sample_costs_the_flash():
    for batch in (1, 30):
        disk = Disk()
        device = Device(disk, channels=(("a", 1, batch, 600),))
        broker = Broker()
        device.life.connect(broker)
        device.sleep(600, broker)
        records = device.life.records
        syncs, size = records.syncs / 600, records.written_bytes / 600
        print("batch %d: %.3f syncs, %.1f bytes written a sample" % (batch, syncs, size))
        assert batch == 1 or (syncs < 0.1 and size < 50)
