"""`limpet call` of long work, `jobs`, `cancel`, `schedule`, calls to many: a scripted device."""

import json
import signal
import subprocess

import pytest
from fleet import jobs
from scripted_device import Refuse, ScriptedDevice
from test_limpet import LIMPET, TIMEOUT_S, run_limpet, surroundings

JOB = "job-0001"


def begin(device, request):
    """Answer with a job, and tell of it as the script's `states` has it."""
    device.requests_seen = request
    for state in device.states:
        words = json.dumps(dict({"job": JOB, "method": request["method"]}, **state))
        device.client.publish(f"limpet/{device.name}/job/{JOB}", words, 1, True)
    return {"job": JOB}


def page(name):
    """A listing in two pages."""

    def answer(device, request):
        rows = [row for row in device.rows if row["job" if name == "jobs" else "name"]
                > request["params"]["after"]]  # fmt: skip
        return {name: rows[:1], "more": len(rows) > 1}

    return answer


def schedule_add(_device, request):
    params = request["params"]
    return {"name": params["name"], "state": "waiting", "runs": 0,
            "next": {"due": "2026-12-24T18:00:00Z", "in_s": 11100}, "asked": params}  # fmt: skip


SCRIPT = {
    "work.long": begin,
    "job.get": lambda device, _request: dict(device.states[-1], job=JOB),
    "job.list": page("jobs"),
    "job.cancel": lambda _device, request: dict(request["params"], state="cancelled"),
    "job.clear": lambda _device, request: {"cleared": ["a", "b"]},
    "schedule.add": schedule_add,
    "schedule.list": page("schedules"),
    "schedule.preview": lambda _d, request: {
        "runs": [{"due": "2027-01-01T00:00:00Z", "in_s": 90}]
    },
    "schedule.remove": lambda _device, _request: {},
    "schedule.run-now": lambda _device, request: {"run": request["params"]["name"] + "@1"},
}


@pytest.fixture
def device(broker):
    with ScriptedDevice(broker, "pump-7", SCRIPT) as running:
        running.states = [{"state": "running", "progress": 0.5, "phase": "halfway"}]
        running.rows = []
        yield running
        running.say("job/" + JOB, b"")


@pytest.fixture
def limpet(broker, device):
    def run(*arguments):
        return run_limpet(arguments, "", LIMPET_BROKER=broker.url)

    return run


def test_a_call_waits_for_its_job_and_prints_the_result(limpet, device):
    device.states += [
        {"state": "running", "progress": 0.9, "lines": ["warming \x1b[31mup"]},
        {"state": "done", "result": {"fine": True}, "lines": ["warming \x1b[31mup"]},
    ]
    done = limpet("call", "pump-7", "work.long", "--raw")
    assert (done.returncode, done.stdout) == (0, '{"fine":true}\n'), done
    assert "\x1b" not in done.stderr


def test_the_end_of_a_job_is_the_calls_own(limpet, device):
    for state, code in (("failed", "timeout"), ("cancelled", "cancelled"),
                        ("interrupted", "interrupted")):  # fmt: skip
        device.states = [{"state": state, "error": {"code": code, "message": "so it went"}}]
        done = limpet("call", "pump-7", "work.long")
        assert done.returncode == 1 and f"{code}: so it went" in done.stderr, done


def test_no_wait_prints_the_job_and_asks_for_no_patience(limpet, device):
    done = limpet("call", "pump-7", "work.long", "--no-wait", "--raw", "--run-for", "60")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"job": JOB})
    assert device.requests_seen["reply_within"] == 0 and device.requests_seen["timeout"] == 60


def test_ctrl_c_cancels_the_job(broker, device):
    device.states = [{"state": "running", "lines": ["it runs"]}]
    process = subprocess.Popen(
        [*LIMPET, "call", "pump-7", "work.long"], stderr=subprocess.PIPE, text=True,
        env=surroundings({"LIMPET_BROKER": broker.url}),
    )  # fmt: skip
    assert "it runs" in process.stderr.readline()  # now it follows the job
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130 and "cancelled" in err, err
    while device.requests.get(timeout=TIMEOUT_S)["method"] != "job.cancel":
        pass


def test_jobs_are_listed_in_pages_and_one_is_shown(limpet, device):
    device.rows = [
        {"job": "a", "method": "work.long", "state": "running", "progress": 0.5, "phase": "x\x07"},
        {"job": "b", "method": "work.long", "state": "done", "progress": None, "phase": None},
    ]
    done = limpet("jobs", "pump-7")
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["JOB", "METHOD", "STATE", "DONE", "PHASE"]
    assert first.split() == ["a", "work.long", "running", "50", "%", "x\\u0007"]
    assert second.split() == ["b", "work.long", "done", "-", "-"]
    assert len(json.loads(limpet("jobs", "pump-7", "--json").stdout)) == 2
    assert json.loads(limpet("jobs", "pump-7", JOB).stdout)["state"] == "running"
    assert "2 cleared" in limpet("jobs", "pump-7", "--clear").stderr
    device.rows = []
    assert "nothing under way" in limpet("jobs", "pump-7").stderr


def test_cancel_prints_the_end_state(limpet):
    done = limpet("cancel", "pump-7", "some-job")
    assert json.loads(done.stdout) == {"job": "some-job", "state": "cancelled"}


def test_the_start_of_a_name_is_enough_where_it_is_one_jobs(limpet, device):
    device.rows = [{"job": name, "method": "work.long", "state": "done"}
                   for name in ("3f9c01", "3f9d02", "3f9d02x")]  # fmt: skip
    for given, meant in (("3f9c", "3f9c01"), ("3f9d02", "3f9d02"), ("elsewhere", "elsewhere")):
        done = limpet("cancel", "pump-7", given)
        assert json.loads(done.stdout)["job"] == meant, done
    done = limpet("jobs", "pump-7", "3f9d")
    assert done.returncode == 1 and "begins the names of 2 jobs: 3f9d02, 3f9d02x" in done.stderr


def test_schedules_are_added_shown_and_removed(limpet, device):
    done = limpet("schedule", "pump-7", "add", "nightly", "valve.test", "n=1", "--every", "10m")
    assert done.stdout == "nightly: waiting; next 2026-12-24T18:00:00Z, in 3 h 5 min\n", done
    said = limpet("schedule", "pump-7", "add", "a", "b.c", "--cron", "0 3 * * *", "--json").stdout
    asked = json.loads(said)["asked"]
    assert asked == {"name": "a", "method": "b.c", "params": {}, "cron": "0 3 * * *",
                     "replace": False}  # fmt: skip
    device.rows = [
        {"name": "a", "state": "waiting", "runs": 2, "next": {"in_s": 40}},
        {"name": "b", "state": "finished", "runs": 1, "failed": 1, "last": {
            "state": "failed", "at": "2026-11-20T12:00:00Z",
            "error": {"code": "not-found", "message": "no such \x1b pump"}}},
        {"name": "c", "state": "waiting", "runs": 1, "failed": 0, "last": {
            "state": "done", "at_uptime_s": 40, "result": '{"status": 1}'}},
    ]  # fmt: skip
    head, first, second, third = limpet("schedule", "pump-7").stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "NEXT", "RUNS", "LAST"]
    assert first.split() == ["a", "waiting", "in", "40", "s", "2", "-"]
    assert second.split(maxsplit=4)[4] == (
        "2026-11-20T12:00:00Z failed, not-found: no such \\u001b pump; 1 failed since the start"
    )
    assert third.split(maxsplit=4)[4] == '40 s after the start done, {"status": 1}'
    shown = limpet("schedule", "pump-7", "preview", "--cron", "@daily").stdout
    assert shown == "2027-01-01T00:00:00Z, in 1 min 30 s\n"
    assert limpet("schedule", "pump-7", "run-now", "a").stdout == "a: started as a@1\n"
    assert limpet("schedule", "pump-7", "remove", "a").stdout == "a: removed\n"


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (["schedule", "pump-7", "add", "a"], "add what?"),
        (["schedule", "pump-7", "add", "a", "b.c"], "when?"),
        (["schedule", "pump-7", "add", "a", "b.c", "--every", "soon"], "no time"),
        (["schedule", "pump-7", "pause"], "pause which?"),
        (["schedule", "pump-7", "list", "--every", "10"], "goes with add and preview"),
        (["schedule", "pump-7", "remove", "a", "b"], "not understood"),
        (["cancel", "pump-7"], "job"),
    ),
)
def test_a_wrong_line_says_what(words, said, capsys):
    from fleet.cli.arguments import parse

    with pytest.raises(SystemExit) as caught:
        parse(words)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1) and said in err, err


def test_many_answer_one_line_each(broker, device):
    def answer_many(_client, _userdata, message):
        request = json.loads(message.payload)
        assert request["spread"] == 0.1
        device.reply(request, result={"n": 7})
        device.reply(request, result="twice")
        device.reply(request, device="pump-8", error={"code": "busy", "message": "later"})
        device.reply(request, device="not a name", result=1)

    device.client.message_callback_add("limpet/all/call", answer_many)
    device.client.subscribe("limpet/all/call", 1)
    done = run_limpet(
        ["call", "all", "work.ping", "--spread", "0.1", "--timeout", "3"], "",
        LIMPET_BROKER=broker.url,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == 'pump-7  {"n":7}' and len(lines) <= 2, done
    done = run_limpet(
        ["call", "group/empty", "work.ping", "--timeout", "0.5"], "", LIMPET_BROKER=broker.url
    )
    assert done.returncode == 3 and "nobody answered as group/empty" in done.stderr


def test_new_lines_are_those_not_seen():
    assert jobs.new_lines([], ["a", "b"]) == ["a", "b"]
    assert jobs.new_lines(["a", "b"], ["b", "c"]) == ["c"]
    assert jobs.new_lines(["a", "b"], ["a", "b"]) == []
    assert jobs.new_lines(["a"], ["x", "y"]) == ["x", "y"]


def test_a_job_unknown_after_a_restart_is_told_as_interrupted(limpet, device):
    device.states = []

    def unknown(_device, _request):
        raise Refuse("bad-params", "job: none is called so")

    device.script["job.get"] = unknown
    done = limpet("call", "pump-7", "work.long")
    assert done.returncode == 1 and "knows nothing of the job" in done.stderr
