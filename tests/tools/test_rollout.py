"""`limpet rollout`: whose turn it is, and scripted devices that take it, go back, or are away."""

import json
import os
import pty
import subprocess
import threading

import pytest
from fleet import Fleet, rollout
from fleet.rollout import AWAY, DONE, FAILED, UNDER_WAY, WAITING, Plan, View, judge
from scripted_device import SILENCE, Refuse, ScriptedDevice
from test_limpet import LIMPET, TIMEOUT_S, run_limpet, surroundings

RELEASE = (
    b"limpet-release 1\nproduct limpet-agent\nchannel stable\nversion 7\nsequence 7\nsign x\n"
)
NAMES = [f"pump-{n}" for n in range(20)]


def status(sequence=6, state="idle", kind="none", other=0, failed=None, reason=None, last=None):
    """What `update.status` tells."""
    return {"state": state, "slot": "a", "sequence": sequence, "failed": failed, "floor": 0,
            "other": {"kind": kind, "sequence": other, "tries": 0}, "reason": reason,
            "last": last}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "state", "text"),
    (
        (status(), WAITING, "idle"),
        (status(7), DONE, "idle"),
        (status(7, "confirmed"), DONE, "confirmed"),
        (status(7, "trial", "trial", 7), UNDER_WAY, "trial"),
        (status(6, "fetching", "fetching", 7), UNDER_WAY, "fetching"),
        (status(6, "staged", "staged", 7, failed=7), UNDER_WAY, "staged"),
        (status(6, "fetching", "fetching", 8), WAITING, "fetching"),
        (status(6, "rolled-back", failed=7, reason="no-health: x"), FAILED, "no-health: x"),
        (status(6, "rolled-back", failed=5, reason="no-health"), WAITING, "rolled-back"),
        (status(9), rollout.SKIPPED, "runs 9 already"),
    ),
)
def test_where_a_device_is_follows_from_what_it_says(words, state, text):
    assert judge(words, 7) == View(state, text)
    if words["sequence"] == 9:
        assert judge(words, 7, True).state == WAITING


def seen(plan, state=WAITING):
    for name in plan.order:
        plan.see(name, View(state, ""))
    return plan


def test_a_wave_begins_when_the_one_before_has_settled_and_the_order_is_the_same_anywhere():
    plan = seen(Plan(NAMES, 7, (5, 25, 100), 3))
    assert seen(Plan(reversed(NAMES), 7, (5, 25, 100), 3)).next() == plan.next()
    assert Plan(NAMES, 8).order != plan.order
    asked = []
    while not plan.is_over:
        names = plan.next()
        asked.append(len(names))
        assert 0 < len(names) <= 3
        for name in names:
            plan.see(name, View(UNDER_WAY, ""))
            assert plan.wave < 3 and len(plan.next()) < 3
        for name in names:
            plan.see(name, View(DONE, ""))
    assert asked == [1, 3, 1, 3, 3, 3, 3, 3] and plan.count(DONE) == 20 and plan.wave == 3


def test_one_failure_too_many_stops_it_and_so_does_a_device_that_goes_back_later():
    plan = seen(Plan(NAMES, 7, (50, 100), 10, most_failures=1))
    first, second = plan.next()[:2]
    plan.see(first, View(FAILED, ""))
    assert plan.next() and not plan.is_stopped
    plan.see(second, View(DONE, ""))
    plan.see(second, View(FAILED, ""))
    assert plan.next() == [] and plan.is_stopped and plan.is_over


def test_silence_is_no_success_and_a_paused_plan_asks_nobody():
    plan = seen(Plan(NAMES, 7, (10, 100), 5))
    for name in plan.order[:2]:
        plan.see(name, View(AWAY, ""))
    assert plan.next() == [] and plan.is_over and plan.wave == 0
    plan.see(plan.order[0], View(DONE, ""))
    plan.is_paused = True
    assert plan.next() == [] and not plan.is_over
    plan.is_paused = False
    assert plan.next() == plan.order[2:7]
    plan.see(plan.order[9], View(rollout.UNKNOWN, ""))
    assert plan.next() == []  # what is under way may be more than is known


@pytest.mark.parametrize("waves", ((), (0, 100), (50, 20), (20, 20), (120,)))
def test_waves_that_do_not_rise_are_refused(waves):
    with pytest.raises(ValueError, match="rising"):
        Plan(NAMES, 7, waves)


class Pump(ScriptedDevice):
    """A device that can be updated: `takes` is what becomes of it."""

    def __init__(self, broker, name, takes=None, words=None):
        script = {"update.status": self.tell, "update.apply": self.apply}
        super().__init__(broker, name, script)
        self.words = words or status()
        self.takes = takes or status(7, "confirmed")
        self.applied = threading.Event()
        self.hold = False

    def tell(self, _device, _request):
        return self.words

    def apply(self, _device, request):
        assert request["params"] == {"release": RELEASE.decode(), "downgrade": False}
        self.applied.set()
        if isinstance(self.takes, Refuse):
            raise self.takes
        self.words = status(6, "fetching", "fetching", 7)
        if not self.hold:
            self.settle()
        return SILENCE if self.hold else self.words

    def settle(self):
        """It has tried."""
        self.words = self.takes
        self.client.publish(f"limpet/{self.name}/event/update", json.dumps(self.words), 1)


@pytest.fixture
def pumps(broker):
    """`pumps(*takes)`: devices in the order in which they get their turn."""
    made = []

    def make(*takes):
        names = Plan([f"r{len(takes)}-{n}" for n in range(len(takes))], 7).order
        for name, one in zip(names, takes, strict=True):
            made.append(Pump(broker, name, one).__enter__())
        return made

    yield make
    for pump in made:
        pump.__exit__()
        for kind in ("status", "about"):
            pump.say(kind, b"") if pump.client.is_connected() else None


@pytest.fixture
def limpet(broker, tmp_path):
    file = tmp_path / "7.release"
    file.write_bytes(RELEASE)

    def run(*words):
        return run_limpet(["rollout", str(file), *words], "", LIMPET_BROKER=broker.url)

    return run


BACK = status(6, "rolled-back", failed=7, reason="no-health: lacks a connection")


def test_all_take_it_and_asking_again_asks_nobody(limpet, pumps):
    made = pumps(None, None, None)
    names = [pump.name for pump in made]
    done = limpet(*names, "--waves", "33,100", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and lines[3]["device"] == names[0], done
    assert sum(one["state"] == DONE for one in lines) == 3 and "3 done" in done.stderr
    for pump in made:
        pump.applied.clear()
    done = limpet(*names)
    assert done.returncode == 0 and done.stdout.count("done") == 3, done
    assert not any(pump.applied.is_set() for pump in made)


def test_a_device_that_goes_back_stops_it_and_it_stays_stopped(limpet, pumps):
    made = pumps(BACK, None, None)
    names = [pump.name for pump in made]
    for _ in range(2):
        done = limpet(*names, "--waves", "33,100", "--at-once", "1")
        assert done.returncode == 1 and "no-health: lacks a connection" in done.stdout, done
        assert "stopped" in done.stderr and "2 waiting" in done.stderr
    assert not made[1].applied.is_set() and not made[2].applied.is_set()


def test_a_refusal_and_a_device_without_updates_are_told(limpet, pumps):
    made = pumps(Refuse("denied", "not with this key"), None)
    made[1].script["update.status"] = lambda *_: _raise(Refuse("unavailable", "no `update`"))
    done = limpet(*[pump.name for pump in made])
    assert done.returncode == 1 and "denied: not with this key" in done.stdout, done
    assert "skipped" in done.stdout and "no `update`" in done.stdout


def _raise(error):
    raise error


def test_one_that_is_away_is_left_out_and_told(limpet, pumps):
    made = pumps(None, None)
    done = limpet(made[0].name, made[1].name, "pump-of-nobody", "--waves", "100")
    assert done.returncode == 3 and "pump-of-nobody  away" in done.stdout, done
    assert "2 done, 1 away" in done.stderr


def test_another_machine_takes_over_what_was_left_in_the_middle(broker, pumps):
    made = pumps(None, None, None)
    made[0].hold = True
    names = [pump.name for pump in made]

    def begin(fleet, told):
        plan = Plan(names, 7, (33, 100))
        return rollout.Rollout(
            fleet, RELEASE, plan, poll=0.05, changed=lambda *words: told.append(words)
        )

    with Fleet(broker.url) as fleet, begin(fleet, []) as first:
        while not made[0].applied.is_set():
            first.step()
    made[0].applied.clear()
    told = []
    with Fleet(broker.url) as fleet, begin(fleet, told) as second:
        second.plan.is_paused = True
        while second.plan.views[names[0]].state != UNDER_WAY:
            second.step()
        made[0].hold = False
        made[0].settle()
        while second.plan.views[names[0]].state != DONE:
            second.step()
        assert not made[1].applied.is_set()
        second.plan.is_paused = False
        assert rollout.run(second, 0.01)
        # Its owner goes back from it: seen in what it is about.
        made[1].words = BACK
        made[1].say("about", {"slot": {"slot": "b", "sequence": 6, "trial": False}})
        while not second.plan.is_stopped:
            second.step()
    assert not made[0].applied.is_set() and (names[1], View(FAILED, BACK["reason"])) in told


def test_one_that_does_not_take_it_and_one_that_is_stuck_have_failed(broker, pumps):
    made = pumps(status(last=[7, "ignore", "needs mpy 5"]), status(6, "fetching", "fetching", 7))
    names = [pump.name for pump in made]
    plan = Plan(names, 7, (100,), most_failures=2)
    with Fleet(broker.url) as fleet:
        running = rollout.Rollout(fleet, RELEASE, plan, poll=0.05, within=3)
        with running:
            assert not rollout.run(running, 0.01)
    assert plan.views[names[0]].text == "does not take it: needs mpy 5"
    assert plan.views[names[1]].text == "nothing came of it within 3 s (fetching)"


def test_p_pauses_at_a_terminal_and_goes_on(broker, pumps, tmp_path):
    made = pumps(None, None)
    made[0].hold = True
    file = tmp_path / "7.release"
    file.write_bytes(RELEASE)
    ours, theirs = pty.openpty()
    words = [*LIMPET, "rollout", str(file), *[pump.name for pump in made], "--waves", "50,100"]
    process = subprocess.Popen(
        words, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=surroundings({"LIMPET_BROKER": broker.url}),
    )  # fmt: skip
    assert made[0].applied.wait(TIMEOUT_S)
    os.write(ours, b"p\n")
    while "paused" not in (line := process.stderr.readline()) or "pauses" in line:
        assert line
    made[0].settle()
    assert not made[1].applied.is_set()
    os.write(ours, b"p\n")
    assert made[1].applied.wait(TIMEOUT_S)
    _, err = process.communicate(timeout=TIMEOUT_S)
    os.close(ours), os.close(theirs)
    assert process.returncode == 0 and "2 done" in err


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (["rollout", "x"], "DEVICE"),
        (["rollout", "x", "all", "--waves", "50,20"], "rising"),
        (["rollout", "x", "all", "--at-once", "0"], "at least 1"),
        (["rollout", "x", "group/"], "device name"),
    ),
)
def test_a_wrong_line_says_what(words, said, capsys):
    from fleet.cli.arguments import parse

    with pytest.raises(SystemExit) as caught:
        parse(words)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1) and said in err, err


def test_a_file_that_is_no_release_is_refused(broker, tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"limpet-keyring 1\nnumber 7\n")
    done = run_limpet(["rollout", str(file), "all"], "", LIMPET_BROKER=broker.url)
    assert done.returncode == 1 and "not a signed release" in done.stderr
