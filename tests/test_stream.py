"""agent/commands/stream.py: bytes to and from a command under way, bounded on every side."""

import json
import threading

from job_bench import WORKERS, Bench
from sealing import ANN, BOB, live

from agent import schema
from agent.commands.registry import Command, task
from agent.commands.stream import IN_FLIGHT, OVERHEAD_BYTES, WINDOW, Stream

IMPLEMENTATIONS = WORKERS
CHUNK = 700 - OVERHEAD_BYTES
IN = "limpet/pump/stream/0123456789ab/in"


def command(name, call):
    return Command(name, call, (schema.integer("n", 3),), "act", "once", task(), "")


def talk(params, job):
    """Write `n` pieces, a yield after each."""
    for number in range(params["n"]):
        job.write(b"piece %d;" % number)
        yield
    return "said"


def shout(params, job):
    """A function that writes `n` times more than its room."""
    for _ in range(params["n"]):
        job.write(bytes(2 * CHUNK))
    return "shouted"


def echo(params, job):
    """Write what is read."""
    while True:
        data = job.read()
        if data == b"":
            return "heard all"
        if data is None:
            yield 1000000
        else:
            job.write(data)


def joined(bench):
    return b"".join([data for _, data in bench.chunks()])


def has_ended(bench):
    return len(bench.chunks()) > 0 and bench.chunks()[-1][0].get("end")


def test_output_comes_in_numbered_messages_and_has_an_end(workers):
    bench = Bench(workers, [command("t.talk", talk)])
    bench.call("t.talk", {"n": 50})
    assert bench.answer()["result"] == "said"
    bench.until(lambda: has_ended(bench))
    assert joined(bench) == b"".join([b"piece %d;" % n for n in range(50)])
    assert [head["n"] for head, _ in bench.chunks()] == list(range(len(bench.chunks())))
    assert all([len(data) <= CHUNK for _, data in bench.chunks()])
    assert [head.get("end") for head, _ in bench.chunks()][:-1] == [None] * (
        len(bench.chunks()) - 1
    )


def test_a_command_that_writes_nothing_has_no_stream(workers):
    bench = Bench(workers, [command("t.talk", talk)])
    bench.call("t.talk", {"n": 0})
    bench.answer()
    assert bench.chunks() == []


def test_taking_tells_that_there_is_room_again(workers):
    # Told by the taking itself: output may fill the stream right before it, on another thread.
    class Nobody:
        key = ""

        def call(self):
            pass

    stream = Stream(Nobody(), 10)
    stream.put(bytes(9))
    stream.put(bytes(1))
    assert stream.take(1) == (bytes(1), True)
    assert stream.take(1) == (bytes(1), False)


def test_a_slow_link_holds_the_command_back(workers):
    bench = Bench(workers, [command("t.talk", talk)])
    bench.wire.delivered = 0
    bench.call("t.talk", {"n": 200})
    bench.until(lambda: len(bench.chunks()) >= IN_FLIGHT and bench.executor.jobs[0].wake_at)
    stream = bench.executor.jobs[0].stream
    assert stream._size < 3 * CHUNK and len(bench.chunks()) == IN_FLIGHT
    for _ in range(5):
        bench.turn()
    assert len(bench.chunks()) == IN_FLIGHT and bench.replies() == []
    bench.wire.delivered = None
    assert bench.answer()["result"] == "said"
    bench.until(lambda: has_ended(bench))
    assert joined(bench).endswith(b"piece 199;")


def test_a_function_on_a_worker_waits_for_room(workers):
    if not workers:
        return
    bench = Bench(workers, [command("t.shout", shout)])
    bench.call("t.shout", {"n": 40})
    assert bench.answer()["result"] == "shouted"
    bench.until(lambda: has_ended(bench))
    assert len(joined(bench)) == 80 * CHUNK


def test_a_command_held_back_is_cancelled_all_the_same(workers):
    bench = Bench(workers, [command("t.talk", talk)])
    bench.wire.delivered = 0
    bench.call("t.talk", {"n": 200})
    bench.until(lambda: len(bench.chunks()) >= IN_FLIGHT and bench.executor.jobs[0].wake_at)
    bench.service.cancel(bench.executor.jobs[0])
    assert bench.answer()["error"]["code"] == "cancelled"


def test_a_generator_that_never_yields_is_refused_its_memory(workers):
    def flood(params, job):
        for _ in range(1000):
            job.write(bytes(CHUNK))
        yield

    bench = Bench(workers, [command("t.flood", flood)])
    bench.call("t.flood")
    assert bench.answer()["error"]["code"] == "too-large"


def chunk(number, data=b"", **words):
    words["n"] = number
    return json.dumps(words).encode() + b"\n" + data


def wants(bench):
    """How many messages the caller was told to send in all."""
    return max([head.get("want", 0) for head, _ in bench.chunks()] + [0])


def test_input_reaches_the_command_in_order_and_is_asked_for(workers):
    bench = Bench(workers, [command("t.echo", echo)])
    bench.call("t.echo")
    sent = 0
    while sent < 20:
        bench.until(lambda sent=sent: wants(bench) > sent)
        assert wants(bench) - sent <= WINDOW
        bench.send(IN, chunk(sent, b"in %d;" % sent))
        sent += 1
    bench.until(lambda: wants(bench) > sent)
    assert "limpet/pump/stream/+/in" in bench.wire.filters
    bench.send(IN, chunk(sent, b"", end=True))
    assert bench.answer()["result"] == "heard all"
    bench.until(lambda: has_ended(bench))
    assert joined(bench) == b"".join([b"in %d;" % n for n in range(20)])


def test_a_copy_of_input_is_taken_once(workers):
    bench = Bench(workers, [command("t.echo", echo)])
    bench.call("t.echo")
    bench.until(lambda: wants(bench) > 0)
    for payload in (chunk(0, b"a"), chunk(0, b"a"), chunk(1, b"b"), chunk(0, b"a"),
                    chunk(2, b"c", end=True)):  # fmt: skip
        bench.send(IN, payload)
    assert bench.answer()["result"] == "heard all"
    bench.until(lambda: has_ended(bench))
    assert joined(bench) == b"abc"


def test_input_that_breaks_the_rules_ends_the_stream(workers):
    for payload in (b"no json\n", chunk(7), chunk(-1), b'{"n": "0"}\n', b"\xff\n", b""):
        bench = Bench(workers, [command("t.echo", echo)])
        bench.call("t.echo")
        bench.until(lambda bench=bench: wants(bench) > 0)
        bench.send(IN, payload)
        assert bench.answer()["error"]["code"] == "bad-message", payload


def test_more_input_than_was_asked_for_ends_the_stream(workers):
    hold = threading.Lock()

    def deaf(params, job):
        job.read()
        while hold.locked():
            yield
        data = b""
        while data is not None:
            data = job.read()
        yield
        return "never"

    bench = Bench(workers, [command("t.deaf", deaf)])
    hold.acquire()
    bench.call("t.deaf")
    bench.until(lambda: wants(bench) > 0)
    for number in range(wants(bench) + 1):
        bench.send(IN, chunk(number, b"x"))
    hold.release()
    assert bench.answer()["error"]["code"] == "bad-message"


def test_with_keys_the_stream_belongs_to_who_made_the_call(workers):
    bench = Bench(workers, [command("t.echo", echo)], (("ann", ANN), ("bob", BOB)))
    reply = "limpet/reply/me"
    body = {"id": "0123456789ab", "method": "t.echo", "reply": reply}
    bench.send("limpet/pump/call", live(json.dumps(body).encode(), 1))
    bench.until(lambda: len(bench.wire.sent) > 0)
    topic, payload, _ = bench.wire.sent[0]
    assert topic.endswith("/out") and payload.startswith(b"L1 ann live n0 ")
    data = chunk(0, b"mine")
    refused = (
        data,
        live(data, 2, key="bob", secret=BOB, topic=IN),
        live(data, 3, secret=BOB, topic=IN),
        live(data, 4, topic="limpet/pump/stream/other/in"),
        live(data, 5, nonce="n9", topic=IN),
    )
    for payload in refused:
        bench.send(IN, payload)
    assert bench.service._streams.refused == len(refused)
    right = live(data, 6, topic=IN)
    bench.send(IN, right)
    bench.send(IN, right)  # a copy has its number taken
    bench.send(IN, live(chunk(1, b"", end=True), 7, topic=IN))
    bench.until(lambda: not bench.executor.jobs)
    bench.until(lambda: any([b"mine" in p for _, p, _ in bench.wire.sent]))
    assert len([p for _, p, _ in bench.wire.sent if b"mine" in p]) == 1


def test_a_link_without_room_loses_no_output(workers):
    bench = Bench(workers, [command("t.talk", talk)])
    bench.wire.room = 1
    bench.call("t.talk", {"n": 40})
    for _ in range(20):
        bench.turn()
    bench.wire.room = None
    bench.answer()
    bench.until(lambda: has_ended(bench))
    assert joined(bench) == b"".join([b"piece %d;" % n for n in range(40)])


def test_input_that_comes_while_there_is_no_room_does_not_run_the_command_on(workers):
    steps = []

    def answer_all(params, job):
        while True:
            steps.append(job.read())
            job.write(bytes(CHUNK))
            yield

    bench = Bench(workers, [command("t.answer", answer_all)])
    bench.wire.delivered = 0
    bench.call("t.answer")
    bench.until(lambda: len(bench.chunks()) >= IN_FLIGHT and bench.executor.jobs[0].wake_at)
    taken = len(steps)
    for number in range(WINDOW):
        bench.send(IN, b'{"n": %d}\nx' % number)
        for _ in range(5):
            bench.turn()
        bench.until(lambda: bench.executor.jobs[0].wake_at)
    assert len(steps) == taken
    bench.wire.delivered = 1
    bench.until(lambda: len(steps) > taken)
    bench.until(lambda: bench.executor.jobs[0].wake_at)
    bench.service.cancel(bench.executor.jobs[0])
    assert bench.answer()["error"]["code"] == "cancelled"


def test_a_command_held_back_meets_its_own_time(workers):
    def hurry(params, job):
        job.end_within(50)
        while True:
            job.write(bytes(CHUNK))
            yield

    bench = Bench(workers, [command("t.hurry", hurry)])
    bench.wire.delivered = 0
    bench.call("t.hurry")
    assert bench.answer()["error"]["code"] == "timeout"
