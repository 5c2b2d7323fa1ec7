"""agent/commands/once.py with the service: once means once, through kills and power cuts."""

import json

from faulty.disk import PowerCut
from journal_device import CALL, PREFIX, Device, Killed, World
from support import FROM_STARTS

from agent.commands.journal import SLACK_MS
from agent.commands.once import MAX_ANSWER_BYTES
from agent.mqtt.inbox import Message

LUCKS = ("none", "all", "zeros", 5, 40)
IMPLEMENTATIONS = FROM_STARTS


class Bench:
    """A world, and a device in it that can be started anew."""

    def __init__(self, now, **options):
        self.world = World()
        self.now = now
        self.options = options
        self.device = Device(self.world, None, now, **options)

    @property
    def disk(self):
        return self.device.disk

    def restart(self):
        """Another boot on the same disk."""
        self.disk.cut_at = None
        self.device = Device(self.world, self.disk, self.now, **self.options)

    def send(self, number, method="t.once", expiry_s=None, to="me", n=None, **members):
        """A request arrives."""
        words = {"id": "request-%08d" % number, "method": method, "reply": PREFIX + to}
        words["params"] = {"n": number if n is None else n}
        words.update(members)
        properties = {} if expiry_s is None else {2: expiry_s}
        payload = json.dumps(words).encode()
        self.device.bridge.receive(Message(CALL, payload, 1, False, 1, properties))

    def call(self, number, method="t.once", **members):
        """Send a request and let the device come to rest; returns the responses to it."""
        before = len(self.device.wire.sent)
        self.send(number, method, **members)
        self.device.settle()
        return self.answers(before)

    def answers(self, since=0):
        """What the device has sent since it started: result, or the error's code."""
        found = []
        for _, payload in self.device.wire.sent[since:]:
            words = json.loads(payload)
            found.append(words["result"] if "result" in words else words["error"]["code"])
        return found

    def kill(self, *call):
        """Call, which must end in a kill."""
        try:
            call[0](*call[1:])
        except (Killed, PowerCut):
            return
        raise AssertionError("it survived")


def result(number):
    return {"n": number, "text": ""}


def raise_killed(n):
    raise Killed()


def test_a_known_id_gets_the_stored_answer_and_runs_nothing(now):
    for method in ("t.once", "t.inline", "t.resume"):
        bench = Bench(now)
        for _ in range(3):
            assert bench.call(7, method) == [result(7)]
        bench.restart()
        assert bench.answers() == []
        assert bench.call(7, method) == [result(7)]
        assert bench.world.effects == {7: 1}


def test_a_failure_is_an_answer_as_good_as_any(now):
    bench = Bench(now)
    assert bench.call(7, "t.fail") == ["failed"]
    first = json.loads(bench.device.wire.sent[0][1])["error"]
    bench.restart()
    assert bench.call(7, "t.fail") == ["failed"]
    assert json.loads(bench.device.wire.sent[0][1])["error"] == first
    assert bench.world.effects == {7: 1}


def test_what_was_cut_off_is_told_as_interrupted_once_and_never_run_again(now):
    for hook in ("before", "after"):
        bench = Bench(now)
        setattr(bench.world, hook, raise_killed)
        bench.kill(bench.call, 7)
        setattr(bench.world, hook, lambda n: None)
        effects = dict(bench.world.effects)
        bench.restart()
        assert bench.answers() == ["interrupted"]
        assert bench.call(7) == ["interrupted"]
        bench.restart()
        assert bench.answers() == []
        assert bench.call(7) == ["interrupted"] and bench.world.effects == effects


def test_what_resumes_runs_again_when_it_is_asked_for_again(now):
    bench = Bench(now)
    bench.world.after = raise_killed
    bench.kill(bench.call, 7, "t.resume")
    bench.world.after = lambda n: None
    bench.restart()
    assert bench.answers() == []
    assert bench.call(7, "t.resume") == [result(7)]
    bench.restart()
    assert bench.call(7, "t.resume") == [result(7)] and bench.world.effects == {7: 2}


def test_a_restart_ends_once_and_after_it(now):
    bench = Bench(now)
    bench.call(7, "t.restart")
    assert bench.device.service.restarts and bench.answers() == []
    bench.restart()
    assert bench.answers() == [{"boot": 2}] and not bench.device.service.restarts
    assert bench.call(7, "t.restart") == [{"boot": 2}]
    bench.restart()
    assert bench.answers() == [] and bench.call(7, "t.restart") == [{"boot": 2}]


def test_a_restart_that_was_cut_off_before_it_was_due_is_interrupted(now):
    bench = Bench(now)
    bench.send(7, "t.restart")
    bench.device.bridge.step()  # promised, and no more
    bench.restart()
    assert bench.answers() == ["interrupted"]


def test_nothing_runs_before_its_intent_is_on_the_medium(now):
    bench = Bench(now)
    seen = []
    bench.world.before = lambda n: seen.append((bench.disk.syncs, bench.device.records.syncs))
    start = bench.disk.syncs
    bench.call(1)
    bench.call(2)
    assert seen == [(start + 2, 2), (start + 4, 4)]


def test_no_call_is_acknowledged_and_no_answer_sent_before_it_is_durable(now):
    bench = Bench(now)
    syncs = bench.disk.syncs
    bench.send(1)
    wire = bench.device.wire
    assert wire.acknowledged == [] and bench.disk.syncs == syncs
    bench.device.turn()
    assert len(wire.acknowledged) == 1 and bench.disk.syncs > syncs
    assert bench.world.effects == {1: 1} and wire.sent == []
    syncs = bench.disk.syncs
    bench.device.turn()
    assert len(wire.sent) == 1 and bench.disk.syncs == syncs + 1


def test_a_duplicate_that_comes_meanwhile_gets_the_one_answer(now):
    bench = Bench(now)
    bench.send(1)
    bench.send(1)
    bench.device.bridge.step()
    bench.send(1)
    bench.device.settle()
    assert bench.answers() == [result(1)] and bench.world.effects == {1: 1}
    assert len(bench.device.wire.acknowledged) == 3


def test_a_duplicate_from_elsewhere_is_answered_there_too(now):
    bench = Bench(now)
    for to in ("a", "b", "a", "c", "d", "e"):
        bench.send(1, to=to)
    bench.device.settle()
    topics = [topic[len(PREFIX) :] for topic, _ in bench.device.wire.sent]
    assert sorted(topics) == ["a", "b", "c", "d", "e"]
    assert bench.answers()[0] == "busy" and bench.answers()[1:] == [result(1)] * 4
    assert bench.world.effects == {1: 1}


def test_the_same_id_with_other_content_is_refused(now):
    bench = Bench(now)
    assert bench.call(1) == [result(1)]
    assert bench.call(1, n=2) == ["id-reused"]
    assert bench.call(1, "t.inline") == ["id-reused"]
    bench.restart()
    assert bench.call(1, n=2) == ["id-reused"] and bench.world.effects == {1: 1}


def test_a_known_id_is_answered_whatever_speaks_against_the_request_now(now):
    bench = Bench(now)
    bench.call(1)
    assert bench.call(1, expiry_s=0) == [result(1)]
    assert bench.call(2, expiry_s=0) == ["expired"]
    bench.restart()
    assert bench.call(1, deadline={"nonce": "another", "uptime_ms": 1}) == [result(1)]
    del bench.device.service._registry._commands["t.once"]
    assert bench.call(1) == [result(1)]
    assert bench.call(2) == ["unknown-method"] and bench.world.effects == {1: 1}


def test_a_command_that_may_run_again_writes_nothing(now):
    bench = Bench(now)
    before = bench.disk.operations
    for _ in range(20):
        assert bench.call(1, "t.repeat") == [result(1)]
    assert bench.disk.operations == before and bench.world.effects == {1: 20}


def test_what_comes_in_one_turn_shares_one_sync(now):
    bench = Bench(now)
    bench.call(0)
    before = bench.device.records.syncs
    for number in range(1, 6):
        bench.send(number)
    bench.device.turn()
    assert bench.device.records.syncs == before + 1
    bench.device.settle()
    assert bench.answers() == [result(number) for number in range(6)]
    # One for each result: without workers they come one at a time.
    assert bench.device.records.syncs <= before + 1 + 5


def test_requests_start_in_the_order_in_which_they_came(now):
    bench = Bench(now)
    order = []
    bench.world.before = order.append
    for number, method in ((1, "t.once"), (2, "t.repeat"), (3, "t.once"), (4, "t.repeat")):
        bench.send(number, method)
    bench.device.settle()
    assert order == [1, 2, 3, 4]


def test_where_nothing_can_be_stored_only_what_may_run_again_runs(now):
    for fault in ("full", "read_only"):
        bench = Bench(now)
        assert bench.call(1) == [result(1)]
        setattr(bench.disk, fault, True)
        assert bench.call(2) == ["unavailable"]
        assert "cannot be written" in json.loads(bench.device.wire.sent[-1][1])["error"]["message"]
        assert bench.call(2, "t.repeat") == [result(2)]
        assert bench.call(1) == [result(1)] and bench.world.effects == {1: 1, 2: 1}
        setattr(bench.disk, fault, False)
        assert bench.call(2) == [result(2)] and bench.world.effects == {1: 1, 2: 2}
        bench.restart()
        assert bench.answers() == [] and bench.call(2) == [result(2)]


def test_a_disk_that_cannot_be_written_at_the_start_refuses_once_and_knows_what_it_knew(now):
    bench = Bench(now)
    bench.call(1)
    bench.disk.read_only = True
    bench.restart()
    assert bench.call(1) == [result(1)] and bench.call(2) == ["unavailable"]
    assert bench.device.once.figures()["fault"]


def test_an_answer_that_cannot_be_stored_is_sent_and_later_said_to_be_lost(now):
    bench = Bench(now)

    def fill_disk(n):
        bench.disk.full = True

    bench.world.after = fill_disk
    assert bench.call(1) == [result(1)]
    assert bench.call(1) == ["result-not-kept"] and bench.device.once.unkept == 1
    bench.disk.full = False
    bench.restart()
    assert bench.call(1) == ["interrupted"] and bench.world.effects == {1: 1}


def test_a_large_answer_is_sent_once_and_its_effect_stays_known(now):
    bench = Bench(now)
    for number, size in ((1, MAX_ANSWER_BYTES - 100), (2, MAX_ANSWER_BYTES)):
        members = {"params": {"n": number, "size": size}}
        first = {"n": number, "text": "x" * size}
        assert bench.call(number, **members) == [first]
        expected = [first] if number == 1 else ["result-not-kept"]
        assert bench.call(number, **members) == expected
        bench.restart()
        assert bench.call(number, **members) == expected
    error = json.loads(bench.device.wire.sent[-1][1])["error"]
    assert error["data"]["done"] is True and error["data"]["size_bytes"] > MAX_ANSWER_BYTES
    assert bench.world.effects == {1: 1, 2: 1}


def test_a_full_journal_is_busy_until_its_oldest_is_older_than_any_copy(now):
    bench = Bench(now, entries=4, queue_ms=60000)
    for number in range(4):
        assert bench.call(number, ttl=10, expiry_s=5 if number == 2 else None) == [result(number)]
    assert bench.call(9) == ["busy"]
    bench.device.clock.time = now + 5000 + SLACK_MS - 1
    assert bench.call(9) == ["busy"]
    bench.device.clock.time += 1
    assert bench.call(9) == [result(9)] and bench.call(10) == ["busy"]
    for number in (0, 1, 3):
        assert bench.call(number) == [result(number)]
    bench.device.clock.time = now + 70000 + SLACK_MS
    assert bench.call(10) == [result(10)]
    assert bench.world.effects == {0: 1, 1: 1, 2: 1, 3: 1, 9: 1, 10: 1}


def test_after_a_restart_what_was_forgotten_stays_so_and_the_rest_lives_as_long_again(now):
    bench = Bench(now, entries=4)
    for number in range(4):
        bench.call(number, ttl=10)
    bench.device.clock.time += 10000 + SLACK_MS
    assert bench.call(4, ttl=20) == [result(4)]
    bench.restart()
    assert len(bench.device.once._journal) == 4
    for number in (1, 2, 3, 4):
        assert bench.call(number) == [result(number)]
    assert bench.call(5) == ["busy"]
    bench.device.clock.time += 20000 + SLACK_MS
    assert bench.call(5) == [result(5)]


def test_the_journal_stays_small_and_what_lives_outlives_the_segments(now):
    bench = Bench(now, entries=30)
    bench.call(10**6, ttl=86400)
    for number in range(400):
        assert bench.call(number, ttl=1) == [result(number)]
        bench.device.clock.time += 2000
        assert bench.device.records.size_bytes <= 12 * 2048
        if number % 50 == 49:
            bench.restart()
            bench.device.clock.time = bench.now + 20000
    assert bench.call(10**6) == [result(10**6)]
    assert bench.call(399) == [result(399)]
    assert max(bench.world.effects.values()) == 1


def live_through(bench, disk, cut_at):
    """Three commands, one of them twice, with the power cut at one operation."""
    disk.cut_at = cut_at
    answered = []
    try:
        for number in (1, 2, 2, 3):
            answered.append((number, bench.call(number)[0]))
    except PowerCut:
        pass
    return answered


def test_a_power_cut_or_a_kill_at_every_operation_runs_nothing_twice_and_tells_no_lie(now):
    for luck in LUCKS:
        whole = Bench(now)
        start = whole.disk.operations
        live_through(whole, whole.disk, None)
        for cut_at in range(start, whole.disk.operations + 1):
            for is_power in (True, False):
                bench = Bench(now)
                bench.disk.luck = luck
                answered = live_through(bench, bench.disk, cut_at)
                if is_power:
                    bench.disk.cut()
                bench.restart()
                place = (luck, cut_at, is_power)
                told = bench.answers()
                for number in (1, 2, 3):
                    answers = [words for n, words in answered if n == number]
                    answers += bench.call(number) + bench.call(number)
                    assert answers.count(answers[0]) == len(answers), (place, answers)
                    effects = bench.world.effects.get(number, 0)
                    assert effects == 1 or (effects == 0 and answers[0] == "interrupted"), place
                assert told in ([], ["interrupted"]), place
