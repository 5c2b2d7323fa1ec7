"""agent/commands/jobs.py and job_commands.py: what outlives its caller's patience."""

import threading

from job_bench import WORKERS, Bench

from agent import schema
from agent.commands.jobs import CHECKPOINT_MS, MOST_TRIES, PROGRESS_MS
from agent.commands.registry import PLAIN, Command, task

IMPLEMENTATIONS = WORKERS
ID = "0123456789ab"


def command(name, call, repeat="once", mode=None):
    mode = task() if mode is None else mode
    return Command(name, call, (schema.integer("n", 3),), "act", repeat, mode, "")


class Work:
    """A generator that goes on until it is told to end."""

    def __init__(self):
        self.is_open = True
        self.starts = []
        self.steps = 0

    def __call__(self, params, job):
        self.starts.append(job.resume_from)
        while self.is_open:
            self.steps += 1
            job.progress(0.5, "step")
            job.checkpoint({"at": self.steps})
            yield 500
        return {"steps": params["n"]}


def bench_with(workers, work, repeat="once", **options):
    return Bench(workers, [command("t.work", work, repeat)], **options)


def test_what_outlives_reply_within_answers_its_job_and_tells_its_end_there(workers):
    for repeat in ("once", "repeat", "resume"):
        work = Work()
        bench = bench_with(workers, work, repeat)
        bench.call("t.work", reply_within=None)
        start = bench.clock.now()
        assert bench.answer()["result"] == {"job": ID}
        assert bench.clock.now() - start >= 1900
        bench.until(lambda bench=bench: len(bench.states()) > 0)
        assert bench.states()[-1]["state"] == "running"
        work.is_open = False
        bench.until(lambda bench=bench: bench.states()[-1]["state"] == "done")
        last = bench.states()[-1]
        assert last["result"] == {"steps": 3} and last["method"] == "t.work"
        assert len(bench.replies()) == 1


def test_no_patience_answers_at_once(workers):
    work = Work()
    bench = bench_with(workers, work)
    start = bench.clock.now()
    bench.call("t.work", reply_within=0)
    assert bench.answer()["result"] == {"job": ID}
    assert bench.clock.now() - start < 1900


def test_a_fast_command_is_no_job(workers):
    work = Work()
    work.is_open = False
    bench = bench_with(workers, work)
    bench.call("t.work")
    assert bench.answer()["result"] == {"steps": 3}
    assert bench.service.jobs is None and bench.states() == []


def test_a_plain_command_on_a_worker_becomes_a_job_too(workers):
    if not workers:
        return
    gate = threading.Lock()

    def hold(params):
        with gate:
            return "freed"

    bench = Bench(workers, [command("t.hold", hold, "once", PLAIN)])
    gate.acquire()
    bench.call("t.hold", reply_within=0)
    assert "job" in bench.answer()["result"]
    name = bench.answer()["result"]["job"]
    gate.release()
    bench.until(lambda: bench.states(name)[-1:] and bench.states(name)[-1]["state"] == "done")
    assert bench.states(name)[-1]["result"] == "freed"


def test_the_same_request_again_gets_the_same_job(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work", reply_within=0)
    for count in (1, 2, 3):
        assert bench.answer(count)["result"] == {"job": ID}
        bench.call("t.work", reply_within=0)
    assert len(work.starts) <= 1


def test_progress_is_told_once_a_second_at_most(workers):
    def hurry(params, job):
        for number in range(200):
            job.progress(number / 200)
            yield 50
        return None

    bench = Bench(workers, [command("t.hurry", hurry)])
    start = bench.clock.now()
    bench.call("t.hurry", reply_within=0)
    bench.until(lambda: bench.states() and bench.states()[-1]["state"] == "done")
    passed = bench.clock.now() - start
    assert len(bench.states()) <= 4 + passed // PROGRESS_MS
    fractions = [state["progress"] for state in bench.states()[:-1] if state["progress"]]
    assert fractions == sorted(fractions) and len(fractions) >= 5


def test_lines_and_phase_are_told(workers):
    def talk(params, job):
        job.log("first")
        job.log("x" * 1000)
        job.progress(1, "phase one")
        yield 3000
        return 1

    bench = Bench(workers, [command("t.talk", talk)])
    bench.call("t.talk", reply_within=0)
    bench.until(lambda: bench.states() and bench.states()[-1]["state"] == "done")
    told = bench.states()[-1]["lines"]
    assert told[0] == "first" and len(told[1]) == 200
    assert [s for s in bench.states() if s.get("phase") == "phase one" and s["progress"] == 1]


def test_cancel_answers_the_end_state(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work", reply_within=0)
    assert bench.answer()["result"] == {"job": ID}
    told = bench.ask("job.cancel", {"job": ID})
    assert told["state"] == "cancelled" and told["error"]["code"] == "cancelled"
    assert not bench.executor.jobs
    bench.until(lambda: bench.states()[-1]["state"] == "cancelled")
    assert bench.ask("job.cancel", {"job": ID})["state"] == "cancelled"


def test_cancel_finds_a_request_by_its_id_before_it_is_a_job(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work")
    assert bench.ask("job.cancel", {"job": ID})["state"] == "cancelled"
    bench.until(lambda: any([r["id"] == ID for r in bench.replies()]))
    codes = [r["error"]["code"] for r in bench.replies() if r["id"] == ID]
    assert codes == ["cancelled"]


def test_a_function_on_a_worker_is_cancelled_at_its_check(workers):
    if not workers:
        return

    def stay(params, job):
        while True:
            job.wait(60000)

    bench = Bench(workers, [command("t.stay", stay)])
    bench.call("t.stay", reply_within=0)
    bench.answer()
    assert bench.ask("job.cancel", {"job": ID})["state"] == "cancelled"


def test_what_will_not_stop_is_told_as_such(workers):
    def stubborn(params, job):
        while not released:
            try:
                yield 300
            except Exception:  # noqa: BLE001 - as bad as code can be
                pass
        return "at last"

    released = []
    bench = Bench(workers, [command("t.stubborn", stubborn)])
    bench.call("t.stubborn", reply_within=0)
    bench.answer()
    bench.until(lambda: bench.executor.jobs[0].started_at is not None)
    told = bench.ask("job.cancel", {"job": ID})
    assert told["state"] == "running" and told["stuck"] and told["cancelling"]
    released.append(True)
    bench.until(lambda: bench.states()[-1]["state"] == "cancelled")
    assert bench.states()[-1]["error"]["data"] == {"result": "at last"}


def test_list_get_and_clear(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work", reply_within=0)
    bench.answer()
    listed = bench.ask("job.list")
    assert [job["job"] for job in listed["jobs"]] == [ID] and not listed["more"]
    assert bench.ask("job.get", {"job": ID})["state"] in ("accepted", "running")
    assert bench.ask("job.get", {"job": "no-such"}) == "bad-params"
    assert bench.ask("job.clear", {"job": ID}) == "bad-params"
    assert bench.ask("job.clear") == {"cleared": []}
    work.is_open = False
    bench.until(lambda: not bench.executor.jobs)
    assert bench.ask("job.get", {"job": ID})["result"] == {"steps": 3}
    assert bench.ask("job.clear", {"job": ID}) == {"cleared": [ID]}
    bench.until(lambda: bench.states()[-1] is None)
    assert bench.ask("job.list")["jobs"] == []


def test_rows_are_bounded_and_the_oldest_that_ended_goes(workers):
    work = Work()
    work.is_open = False
    bench = bench_with(workers, work, kept=2)
    for number in range(5):
        bench.call("t.work", id="request-%04d" % number, reply_within=0)
        bench.until(lambda: not bench.executor.jobs)
        bench.turn()
    names = [job["job"] for job in bench.ask("job.list")["jobs"]]
    assert names == ["request-0003", "request-0004"]
    assert bench.states("request-0000")[-1] is None


def test_where_no_place_is_the_caller_waits_for_the_answer_itself(workers):
    work, other = Work(), Work()
    bench = Bench(workers, [command("t.work", work), command("t.other", other)], kept=1)
    bench.call("t.work", reply_within=0)
    bench.answer()
    bench.call("t.other", id="other-request", reply_within=0)
    bench.until(lambda: len(other.starts) > 0)
    other.is_open = False
    assert bench.answer(2)["result"] == {"steps": 3}


def test_what_ended_is_forgotten_in_time(workers):
    work = Work()
    work.is_open = False
    bench = bench_with(workers, work, retention_s=60)
    bench.call("t.work", reply_within=0)
    bench.until(lambda: bench.states() and bench.states()[-1] is None)
    assert bench.service.jobs.rows() == []


def restarted(bench, work, repeat="once"):
    """Another boot on the same disk."""
    again = Bench(bench.workers, [command("t.work", work, repeat)], disk=bench.disk)
    again.service.load_jobs()
    return again


def test_a_once_job_that_a_restart_cut_off_is_interrupted(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work", reply_within=0)
    bench.answer()
    bench = restarted(bench, work)
    bench.turn()
    assert bench.states()[-1]["state"] == "interrupted"
    assert bench.states()[-1]["error"]["code"] == "interrupted"
    bench.call("t.work", reply_within=0)
    assert bench.answer()["result"] == {"job": ID}
    assert bench.ask("job.get", {"job": ID})["state"] == "interrupted"


def test_a_resume_job_goes_on_from_its_checkpoint(workers):
    work = Work()
    bench = bench_with(workers, work, "resume")
    bench.call("t.work", reply_within=0, params={"n": 7})
    bench.answer()
    bench.until(lambda: bench.service.jobs.rows()[0].checkpoint is not None)
    saved = bench.service.jobs.rows()[0].checkpoint
    bench = restarted(bench, work, "resume")
    bench.until(lambda: len(work.starts) == 2)
    assert work.starts[1] == saved
    bench.call("t.work", reply_within=0, params={"n": 7})
    assert bench.answer()["result"] == {"job": ID} and len(bench.executor.jobs) == 1
    work.is_open = False
    bench.until(lambda: bench.states() and bench.states()[-1]["state"] == "done")
    assert bench.states()[-1]["result"] == {"steps": 7}
    bench = restarted(bench, work, "resume")
    assert bench.ask("job.get", {"job": ID})["result"] == {"steps": 7} and len(work.starts) == 2


def test_a_checkpoint_is_written_seldom(workers):
    work = Work()
    bench = bench_with(workers, work, "resume")
    bench.call("t.work", reply_within=0)
    bench.answer()
    syncs = bench.disk.syncs
    start = bench.clock.now()
    bench.until(lambda: work.steps > 60)
    assert bench.disk.syncs - syncs <= 4 + (bench.clock.now() - start) // CHECKPOINT_MS


def test_a_resume_job_that_ends_every_boot_is_given_up(workers):
    work = Work()
    bench = bench_with(workers, work, "resume")
    bench.call("t.work", reply_within=0)
    bench.answer()
    for _ in range(MOST_TRIES + 1):
        bench = restarted(bench, work, "resume")
    bench.turn()
    assert not bench.executor.jobs
    assert bench.ask("job.get", {"job": ID})["state"] == "interrupted"


def test_what_a_restart_cut_off_before_it_was_a_job_is_listed(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work")
    bench.until(lambda: len(work.starts) > 0)
    bench = restarted(bench, work)
    row = {"job": ID, "method": None, "state": "interrupted", "key": None}
    assert bench.ask("job.list")["jobs"] == [row]
    assert bench.ask("job.get", {"job": ID})["error"]["code"] == "interrupted"
    assert bench.ask("job.clear", {"job": ID}) == {"cleared": [ID]}
    assert bench.ask("job.list")["jobs"] == []
    work.is_open = False


def test_a_repeat_job_writes_nothing_and_is_gone_after_a_restart(workers):
    work = Work()
    bench = bench_with(workers, work, "repeat")
    syncs = bench.disk.syncs
    bench.call("t.work", reply_within=0)
    bench.answer()
    assert bench.disk.syncs == syncs
    bench = restarted(bench, work, "repeat")
    assert bench.ask("job.get", {"job": ID}) == "bad-params"


def test_a_full_disk_stops_no_job(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.call("t.work", reply_within=0)
    bench.disk.full = True
    bench.answer()
    work.is_open = False
    bench.until(lambda: bench.states() and bench.states()[-1]["state"] == "done")


def test_without_a_connection_nothing_is_lost(workers):
    work = Work()
    bench = bench_with(workers, work)
    bench.wire.connected = False
    bench.call("t.work", reply_within=0)
    bench.answer()
    work.is_open = False
    bench.until(lambda: not bench.executor.jobs)
    assert bench.states() == []
    bench.wire.connected = True
    bench.until(lambda: bench.states() and bench.states()[-1]["state"] == "done")


def test_a_request_without_an_id_has_a_job_with_a_name_of_its_own(workers):
    work = Work()
    bench = bench_with(workers, work, "repeat")
    bench.call("t.work", id=None, reply_within=0)
    assert bench.answer()["result"] == {"job": "j1-1"}
