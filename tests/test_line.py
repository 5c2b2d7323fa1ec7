"""agent/commands/line.py and executor.py: no caller's flood stops another's commands."""

import json
import threading

from job_bench import BASE, PREFIX, ROOM, WORKERS, Bench

from agent import schema
from agent.commands.executor import MOST_BEGUN, MOST_BESIDE
from agent.commands.line import Line, caller_of, share_of
from agent.commands.message import Address
from agent.commands.registry import PLAIN, Command, task

IMPLEMENTATIONS = WORKERS
FLOOD, OTHER = "flood", "other"


class Waiting:
    """Something that waits."""

    def __init__(self, caller, number):
        self.caller = caller
        self.number = number


class Device:
    """A bench whose commands stand still until `go`, and note the order in which they began."""

    def __init__(self, workers, mode=PLAIN):
        self.began = []
        self.gate = threading.Lock()
        self.stuck = threading.Semaphore(0)
        n = (schema.integer("n", 0), schema.text("who", ""))
        commands = [
            Command("t.note", self.note, n, "act", "repeat", PLAIN, ""),
            Command("t.rest", self.rest, n, "act", "repeat", task(), ""),
        ]
        self.bench = Bench(workers, commands)
        self.workers = workers
        if workers:
            self.gate.acquire()
            for number in range(workers):  # each worker holds one, and waits
                self.ask("nobody-%d" % number, number)
                self.commit()
                self.stuck.acquire()
            self.began = []

    def note(self, params):
        self.began.append((params["who"], params["n"]))
        if params["who"].startswith("nobody"):
            self.stuck.release()
            with self.gate:
                pass
        return params["n"]

    def rest(self, params, job):
        self.began.append((params["who"], params["n"]))
        yield 1 << 40

    def ask(self, who, number, method="t.note"):
        document = {
            "id": "%s-%08d" % (who, number), "method": method, "reply": PREFIX + who,
            "params": {"n": number, "who": who}, "reply_within": 3600,
        }  # fmt: skip
        self.bench.send(BASE + "call", json.dumps(document).encode())

    def commit(self):
        """The first half of a turn of the loop: what came is judged and may begin."""
        self.bench.bridge.step()

    def go(self):
        """Let all run to their end; the order in which they began."""
        if self.workers:
            self.gate.release()
        self.bench.until(lambda: not self.bench.executor.jobs)
        return self.began

    def busy(self, who):
        """How many requests of `who` were answered busy."""
        return len([r for r in self.bench.replies() if r["id"].startswith(who) and "error" in r])


def test_callers_have_their_turns_one_after_the_other(workers):
    line = Line()
    for caller, number in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("b", 2)):
        line.add(Waiting(caller, number))
    assert line.callers() == ["a", "a", "a", "b", "b", "c"]
    order = []
    job = line.pop()
    while job is not None:
        order.append((job.caller, job.number))
        job = line.pop()
    assert order == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]
    assert line.callers() == []


def test_who_comes_anew_all_the_time_does_not_keep_others_from_their_second_turn(workers):
    line = Line()
    line.add(Waiting("a", 1))
    line.add(Waiting("a", 2))
    for number in range(3):
        line.add(Waiting("new-%d" % number, 1))
    order = []
    for number in range(3, 8):
        order.append(line.pop().caller)
        line.add(Waiting("new-%d" % number, 1))
    assert order == ["a", "new-0", "new-1", "new-2", "a"]


def test_what_is_taken_out_is_not_begun(workers):
    line = Line()
    one, two = Waiting("a", 1), Waiting("b", 1)
    line.add(one)
    line.add(two)
    line.remove(one)
    line.remove(one)
    assert line.pop() is two and line.pop() is None


def test_a_caller_is_a_key_or_else_a_reply_topic(workers):
    assert caller_of(Address("i", "t", None, "anna"), True) == "anna"
    assert caller_of(Address("i", "t", None, ""), False) == "t"
    # Topics cost nothing: with keys, all who have none are one.
    assert caller_of(Address("i", "t", None, ""), True) == caller_of(
        Address("i", "u", None, ""), True
    )


def test_room_is_shared_by_those_who_wait(workers):
    assert share_of(20, "a", ["a"] * 5) == 20
    assert share_of(20, "a", ["a", "b", "b"]) == 10
    assert share_of(20, "c", ["a", "b", "b"]) == 6
    assert share_of(2, "d", ["a", "b", "c"]) == 1


def test_a_flood_delays_another_callers_command_by_one(workers):
    device = Device(workers)
    for number in range(3 * ROOM):
        device.ask(FLOOD, number)
    device.commit()
    device.ask(OTHER, 0)
    device.commit()
    assert device.busy(FLOOD) == 2 * ROOM and device.busy(OTHER) == 0
    order = device.go()
    # On several workers, what begins at once is noted in any order.
    assert order.index((OTHER, 0)) <= 1 + workers, order
    assert len(order) == ROOM + 1
    assert [n for who, n in order if who == FLOOD] == sorted(range(ROOM)) or workers > 1


def test_a_flood_in_the_same_turn_leaves_room_for_another_caller(workers):
    device = Device(workers)
    for number in range(3 * ROOM):
        device.ask(FLOOD, number)
    device.ask(OTHER, 0)
    device.ask(OTHER, 1)
    device.commit()
    assert device.busy(OTHER) == 0
    order = device.go()
    assert order.index((OTHER, 0)) <= 1 + workers and order.index((OTHER, 1)) <= 3 + workers


def test_two_who_flood_have_as_much_each_and_a_third_comes_through(workers):
    device = Device(workers)
    for number in range(200):
        device.ask(FLOOD, number)
        device.ask("second", number)
        if number % 10 == 9:
            device.ask(OTHER, number)
        if not workers:
            device.bench.turn()
        else:
            device.commit()
    order = device.go()
    assert device.busy(FLOOD) > 0 and device.busy("second") > 0
    if workers:  # nothing ran meanwhile: the places that are spare went to who came first
        assert [who for who, _ in order].count(OTHER) >= 1
        return
    counts = [[who for who, _ in order].count(who) for who in (FLOOD, "second", OTHER)]
    assert abs(counts[0] - counts[1]) <= ROOM and counts[2] == 20, counts


def test_the_inbox_is_bounded_however_many_callers_come(workers):
    device = Device(workers)
    for number in range(100):
        device.ask("who-%03d" % number, number)
    device.commit()
    waiting = device.bench.executor._submitted - device.bench.executor._begun
    assert waiting == ROOM + (ROOM + 1) // 2
    assert device.busy("who") == 100 - waiting
    device.go()


def test_long_work_of_one_caller_leaves_room_for_anothers(workers):
    device = Device(0)
    for number in range(ROOM + MOST_BEGUN + 4):
        device.ask(FLOOD, number, "t.rest")
        device.bench.turn()
    assert device.busy(FLOOD) > 0
    for number in range(MOST_BESIDE):
        device.ask(OTHER, number, "t.rest")
        device.bench.turn()
    device.bench.turn()
    assert device.busy(OTHER) <= 1 and (OTHER, 0) in device.began
    for job in list(device.bench.executor.jobs):
        device.bench.service.cancel(job)
    device.go()


def test_what_was_cancelled_before_it_began_gives_its_place_back(workers):
    device = Device(workers)
    for number in range(ROOM):
        device.ask(FLOOD, number)
    device.commit()
    jobs = [job for job in device.bench.executor.jobs if job.started_at is None]
    for job in jobs[1:]:
        device.bench.service.cancel(job)
    for number in range(ROOM, 2 * ROOM - 1):
        device.ask(FLOOD, number)
    device.commit()
    assert device.busy(FLOOD) == ROOM - 1  # those that were cancelled
    assert sorted([n for _, n in device.go()]) == [0] + list(range(ROOM, 2 * ROOM - 1))
