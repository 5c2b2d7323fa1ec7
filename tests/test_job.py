"""agent/commands/job.py and executor.py: long work, with any number of workers the same."""

import threading

from job_bench import WORKERS, Bench

from agent import schema
from agent.commands.registry import INLINE, PLAIN, Command, task
from agent.errors import LimpetError

IMPLEMENTATIONS = WORKERS


def command(name, call, mode=None, repeat="once"):
    """A command that takes anything as `n`."""
    mode = task() if mode is None else mode
    return Command(name, call, (schema.integer("n", 3),), "act", repeat, mode, "")


def count(params, job):
    """A generator of `n` steps."""
    for number in range(params["n"]):
        job.progress(number / params["n"], "step %d" % number)
        yield
    return {"steps": params["n"]}


def test_a_generator_answers_what_it_returns(workers):
    bench = Bench(workers, [command("t.count", count)])
    bench.call("t.count", {"n": 5})
    assert bench.answer()["result"] == {"steps": 5}
    assert not bench.executor.jobs


def test_a_function_with_a_job_answers_what_it_returns(workers):
    bench = Bench(workers, [command("t.key", lambda params, job: [job.id, job.key, params["n"]])])
    bench.call("t.key")
    assert bench.answer()["result"] == ["0123456789ab", "", 3]


def test_other_requests_get_their_turn_between_two_yields(workers):
    bench = Bench(
        workers,
        [command("t.count", count), command("t.plain", lambda params: "plain", PLAIN),
         command("t.inline", lambda params: "inline", INLINE)],
    )  # fmt: skip
    bench.call("t.count", {"n": 100000})
    bench.call("t.plain", id="plain-request")
    bench.call("t.inline", id="inline-request")
    bench.until(lambda: len(bench.replies()) >= 2)
    assert sorted([r["result"] for r in bench.replies()[:2]]) == ["inline", "plain"]
    job = bench.executor.jobs[0]
    bench.service.cancel(job)
    assert bench.answer(3)["error"]["code"] == "cancelled"


def test_several_generators_are_under_way_in_turn(workers):
    order = []

    def meet(params, job):
        for _ in range(3):
            order.append(params["n"])
            while len(set(order)) < 3:
                yield
            yield
        return params["n"]

    bench = Bench(workers, [command("t.meet", meet)])
    for n in range(3):
        bench.call("t.meet", {"n": n}, id="request-%04d" % n)
    bench.answer(3)
    assert sorted([r["result"] for r in bench.replies()]) == [0, 1, 2]


def test_a_rest_passes_without_a_thread(workers):
    rested = []

    def rest(params, job):
        start = job.now()
        yield 60000
        rested.append(job.now() - start)
        return "rested"

    bench = Bench(workers, [command("t.rest", rest), command("t.plain", lambda params: 1, PLAIN)])
    bench.call("t.rest")
    bench.until(lambda: bench.executor.due is not None)
    bench.call("t.plain", id="plain-request")
    assert bench.answer(2)["result"] in ("rested", 1)
    assert rested[0] >= 60000


def test_a_cancel_ends_a_generator_at_its_yield_and_it_can_clean_up(workers):
    cleaned = []

    def stay(params, job):
        try:
            while True:
                yield 1000000
        finally:
            cleaned.append(True)

    bench = Bench(workers, [command("t.stay", stay)])
    bench.call("t.stay")
    bench.until(lambda: bench.executor.due is not None)
    bench.service.cancel(bench.executor.jobs[0])
    assert bench.answer()["error"]["code"] == "cancelled" and cleaned == [True]


def test_a_generator_may_say_what_it_came_to_when_it_was_cancelled(workers):
    def stay(params, job):
        done = 0
        try:
            while True:
                done += 1
                yield
        except LimpetError:
            yield 5  # cleaning up may take turns too
            return {"done": done > 0}

    bench = Bench(workers, [command("t.stay", stay)])
    bench.call("t.stay")
    bench.service.cancel(bench.executor.jobs[0])
    error = bench.answer()["error"]
    assert error["code"] == "cancelled"
    assert "data" not in error or error["data"] == {"result": {"done": True}}


def test_a_cancel_ends_a_function_at_its_check(workers):
    if not workers:
        return
    inside = threading.Event()

    def stay(params, job):
        inside.set()
        while True:
            job.wait(600000)

    bench = Bench(workers, [command("t.stay", stay)])
    bench.call("t.stay")
    inside.wait()
    bench.service.cancel(bench.executor.jobs[0])
    assert bench.answer()["error"]["code"] == "cancelled"


def test_what_has_not_begun_is_cancelled_at_once_though_every_worker_is_stuck(workers):
    gate = threading.Lock()

    def stuck(params):
        with gate:
            return "freed"

    bench = Bench(workers, [command("t.stuck", stuck, PLAIN), command("t.count", count)])
    gate.acquire()
    for n in range(workers):
        bench.call("t.stuck", id="stuck-%06d" % n)
    bench.bridge.step()
    bench.send(
        "limpet/pump/call",
        b'{"id": "waiting-request", "method": "t.count", "reply": "limpet/reply/me"}',
    )
    bench.bridge.step()
    job = bench.executor.jobs[-1]
    assert job.id == "waiting-request" and job.started_at is None
    bench.service.cancel(job)
    gate.release()
    bench.answer(workers + 1)
    codes = [r["error"]["code"] for r in bench.replies() if "error" in r]
    assert codes == ["cancelled"]
    bench.call("t.count", id="another-request")
    assert bench.answer(workers + 2)["result"] == {"steps": 3}


def test_a_timeout_ends_it_and_says_so(workers):
    def stay(params, job):
        while True:
            yield 1000

    for mode, members in ((task(5), {}), (task(), {"timeout": 5}), (task(5), {"timeout": 3600})):
        bench = Bench(workers, [command("t.stay", stay, mode)])
        start = bench.clock.now()
        bench.call("t.stay", **members)
        assert bench.answer()["error"]["code"] == "timeout"
        assert 5000 <= bench.clock.now() - start < 60000


def test_a_task_has_its_most_at_once(workers):
    def stay(params, job):
        while True:
            yield 1000000

    bench = Bench(workers, [command("t.stay", stay, task(None, 2))])
    for n in range(3):
        bench.call("t.stay", id="request-%04d" % n)
    error = bench.answer()["error"]
    assert error["code"] == "busy" and "t.stay" in error["message"]
    bench.service.cancel(bench.executor.jobs[0])
    bench.answer(2)
    bench.call("t.stay", id="request-0009")
    assert len(bench.executor.jobs) == 2 and len(bench.replies()) == 2


def test_an_error_in_a_generator_is_told_with_its_traceback(workers):
    def fail(params, job):
        yield
        raise ValueError("out of order")

    bench = Bench(workers, [command("t.fail", fail)])
    bench.call("t.fail")
    error = bench.answer()["error"]
    assert error["code"] == "failed" and "out of order" in error["message"]
    assert "fail" in error["data"]["traceback"]


def test_a_worker_that_a_command_takes_down_is_replaced_and_its_command_answered(workers):
    if not workers:
        return

    def leave(params):
        raise KeyboardInterrupt

    bench = Bench(workers, [command("t.leave", leave, PLAIN), command("t.count", count)])
    for n in range(workers + 1):
        bench.call("t.leave", id="request-%04d" % n)
    bench.answer(workers + 1)
    assert all([r["error"]["code"] == "failed" for r in bench.replies()])
    bench.call("t.count", id="another-request")
    assert bench.answer(workers + 2)["result"] == {"steps": 3}
    assert bench.executor.replaced == workers + 1


def test_a_worker_that_will_not_stop_is_named(workers):
    if not workers:
        return
    gate = threading.Lock()
    inside = threading.Event()

    def stuck(params, job):
        inside.set()
        with gate:
            return "freed"

    bench = Bench(workers, [command("t.stuck", stuck)])
    gate.acquire()
    bench.call("t.stuck")
    inside.wait()
    bench.service.cancel(bench.executor.jobs[0])
    now = bench.clock.now()
    assert "stuck" not in bench.executor.busy(now)[0]
    told = bench.executor.busy(now + 1500)[0]
    assert told["stuck"] and told["method"] == "t.stuck" and told["job"] == "0123456789ab"
    gate.release()
    assert bench.answer()["result"] == "freed"


def test_on_main_runs_there_though_every_worker_is_stuck(workers):
    gate = threading.Lock()

    def stuck(params):
        with gate:
            return "freed"

    def turn(params, job):
        yield
        return "turned"

    main = task(None, None, True)
    bench = Bench(workers, [command("t.stuck", stuck, PLAIN), command("t.turn", turn, main)])
    gate.acquire()
    for n in range(workers):
        bench.call("t.stuck", id="stuck-%06d" % n)
    bench.call("t.turn")
    assert bench.answer()["result"] == "turned"
    gate.release()
    bench.answer(workers + 1)


def test_only_what_says_how_it_runs_is_a_command(workers):
    for mode in (None, 2, "task"):
        try:
            Bench(0, [Command("t.t", count, (), "act", "once", mode, "")])
        except ValueError as error:
            assert "mode" in str(error)
        else:
            raise AssertionError("it was taken")


def test_a_command_that_would_end_the_process_is_answered_and_ends_nothing(workers):
    def leave(params, job=None):
        raise SystemExit(3)

    def leave_later(params, job):
        yield
        raise SystemExit(3)

    rows = [("inline", leave, INLINE), ("plain", leave, PLAIN), ("task", leave, task())]
    rows.append(("generator", leave_later, task()))
    for name, call, mode in rows:
        bench = Bench(workers, [command("t." + name, call, mode)])
        bench.call("t." + name)
        answer = bench.answer()["error"]
        assert answer["code"] == "failed" and "SystemExit" in answer["message"], name
