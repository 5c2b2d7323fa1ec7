"""agent/apps: an app comes up, is replaced and fails, and the agent outlives it."""

import json
import os
import sys

from faulty.disk import Disk
from schedule_device import Device as Schedules
from support import START, raises, temporary_folder

from agent.apps import App, Hands, board, integer
from agent.apps.host import (
    FAILED,
    MOST_APPS,
    MOST_FAILURES,
    STOPPED,
    UP,
    WAITING,
    AppFailed,
    Host,
    places_in,
)
from agent.apps.manifest import parse_manifest
from agent.apps.trust import MOST_CRASHES, PAUSE_MS, SETTLE_MS
from agent.commands.registry import Registry
from agent.errors import BadConfig, BadParams, LimpetError
from agent.store import Store

GOOD = """
from agent.apps import App
app = App()
ANSWER = %d

@app.command("answer", permission="read", repeat="repeat")
def answer(params):
    return {"answer": ANSWER}
"""

HANDS = """
@app.on_start
def begin(hands):
    hands.save({"starts": hands.load().get("starts", 0) + 1})

@app.on_stop
def end():
    app.hands.save({"ended": True})
"""


class Board:
    """What a Host is joined to, kept for a test to look at."""

    def __init__(self):
        self.apps = {}
        self.told = []
        self.refusal = None
        self.saved = {}

    def add(self, name, app):
        if self.refusal:
            raise self.refusal
        self.apps[name] = app

    def remove(self, name):
        self.apps.pop(name, None)

    def hands(self, name):
        return Hands(None, None, None, lambda: self.saved, self.saved.update, None)

    def report(self, name, words):
        self.told.append(words)


def write_app(folder, name, source, **members):
    """Lay an app down as an update would: app.json and one module."""
    words = {"name": name, "version": "1"}
    words.update(members)
    place = "%s/%s" % (folder, name)
    if name not in os.listdir(folder):
        os.mkdir(place)
    for path, text in (("app.json", json.dumps(words)), (name + ".py", source)):
        with open("%s/%s" % (place, path), "w") as file:
            file.write(text)


class Device:
    """A host over a disk that outlives it."""

    def __init__(self, folder, disk=None):
        self.folder = folder
        self.disk = disk or Disk()
        self.boot()

    def boot(self):
        for name, module in list(sys.modules.items()):
            if "/limpet-test-" in (getattr(module, "__file__", None) or ""):  # of an earlier life
                del sys.modules[name]
        self.board = Board()
        store = Store("data", self.disk)
        self.host = Host(store, lambda: places_in(self.folder), self.board)
        self.host.begin(START)

    def call(self, name, verb):
        (command,) = [c for c in self.board.apps[name].commands if c.name == verb]
        return command.call({})

    def state(self, name):
        return self.host.find(name).state

    def words(self):
        return [entry.words() for entry in self.host.all()]


def test_an_app_comes_up_with_its_commands():
    with temporary_folder() as folder:
        write_app(folder, "thirty", GOOD % 30, about="Says thirty.")
        device = Device(folder)
        assert device.call("thirty", "answer") == {"answer": 30}
        (words,) = device.words()
        assert words["state"] == UP and words["version"] == "1" and "reason" not in words
        assert device.board.told == []


def test_what_lies_there_now_runs_after_a_replacement():
    with temporary_folder() as folder:
        write_app(folder, "app_a", GOOD % 1)
        device = Device(folder)
        # Same length, same second: by size and time a compiled left-over would still fit.
        write_app(folder, "app_a", GOOD % 2)
        device.host.replace("app_a")
        assert device.call("app_a", "answer") == {"answer": 2}
        assert sorted(os.listdir(folder + "/app_a")) == ["app.json", "app_a.py"]


def test_a_package_may_import_its_own_modules():
    with temporary_folder() as folder:
        write_app(folder, "pack", "")
        os.remove(folder + "/pack/pack.py")
        os.mkdir(folder + "/pack/pack")
        with open(folder + "/pack/pack/__init__.py", "w") as file:
            file.write("from .inner import VALUE\nfrom agent.apps import App\napp = App()\n")
        with open(folder + "/pack/pack/inner.py", "w") as file:
            file.write("VALUE = 7\n")
        device = Device(folder)
        assert device.state("pack") == UP and sys.modules["pack"].VALUE == 7
        device.host.stop("pack")
        assert "pack" not in sys.modules and "pack.inner" not in sys.modules
        assert folder + "/pack" not in sys.path


def test_an_app_that_cannot_be_loaded_says_why_and_harms_no_other():
    with temporary_folder() as folder:
        write_app(folder, "bad", "x = 1\nraise ValueError('no valve')\n")
        write_app(folder, "fine", GOOD % 1)
        write_app(folder, "unfinished", "def f(:\n")
        write_app(folder, "empty", "x = 1\n")
        device = Device(folder)
        assert device.state("fine") == UP
        told = {words["name"]: words for words in device.board.told}
        assert "ValueError: no valve" in told["bad"]["reason"]
        assert "line 2" in told["bad"]["traceback"]
        assert "SyntaxError" in told["unfinished"]["reason"]
        assert told["empty"]["reason"] == "empty has no `app = App()`"
        assert "bad" not in sys.modules and "empty" not in sys.modules
        error = raises(AppFailed, device.host.start, "bad")
        assert "no valve" in error.message and "line 2" in error.data["traceback"]


def test_an_app_that_raises_to_end_the_process_ends_nothing():
    with temporary_folder() as folder:
        write_app(folder, "quits", "import sys\nsys.exit(3)\n")
        device = Device(folder)
        assert device.state("quits") == FAILED


def test_a_module_that_runs_already_is_not_taken_for_an_app():
    with temporary_folder() as folder:
        write_app(folder, "json", GOOD % 1)
        device = Device(folder)
        assert device.state("json") == FAILED
        assert "others here go by" in device.board.told[0]["reason"]
        assert __import__("json") is json


def test_an_app_whose_commands_are_refused_is_not_up():
    with temporary_folder() as folder:
        write_app(folder, "late", GOOD % 1)
        device = Device(folder)
        device.host.stop("late")
        device.board.refusal = LimpetError("late.answer is declared twice")
        error = raises(AppFailed, device.host.start, "late")
        assert "declared twice" in error.message and "late" not in sys.modules


def test_a_manifest_says_what_is_wrong_with_it():
    for text, words in (
        ('{"name": "a"}', "version: missing"),
        ('{"name": "a", "version": "1", "moon": 1}', "moon: unknown"),
        ('{"name": "a-b", "version": "1"}', "made of a-z 0-9 _"),
        ('{"name": "1a", "version": "1"}', "begins with a-z"),
        ('{"name": "a", "version": 1}', "version: expected a string"),
        ("[1]", "expected an object"),
        ('{"name": "a"', "not JSON"),
        (" " * 3000, "at most 2048"),
    ):
        assert words in raises(BadConfig, parse_manifest, text.encode()).message


def test_a_manifest_of_another_app_is_refused():
    with temporary_folder() as folder:
        write_app(folder, "one", GOOD % 1)
        with open(folder + "/one/app.json", "w") as file:
            file.write('{"name": "two", "version": "1"}')
        device = Device(folder)
        assert device.board.told[0]["reason"] == "one/app.json: it names two"


def test_what_a_caller_stopped_stays_stopped():
    with temporary_folder() as folder:
        write_app(folder, "app_a", GOOD % 1)
        device = Device(folder)
        device.host.stop("app_a")
        assert device.board.apps == {}
        device.boot()
        assert device.state("app_a") == STOPPED and device.host.ail() == []
        device.host.start("app_a")
        device.boot()
        assert device.state("app_a") == UP
        assert "no app is called b" in raises(BadParams, device.host.stop, "b").message


def test_hands_are_there_while_it_runs():
    source = GOOD % 1 + HANDS
    with temporary_folder() as folder:
        write_app(folder, "app_a", source)
        device = Device(folder)
        app = device.board.apps["app_a"]
        assert device.board.saved == {"starts": 1} and app.hands is not None
        device.host.stop("app_a")
        assert device.board.saved == {"starts": 1, "ended": True} and app.hands is None


def test_an_app_that_fails_to_stop_is_stopped():
    source = GOOD % 1 + "\n@app.on_stop\ndef end():\n    raise OSError('stuck')\n"
    with temporary_folder() as folder:
        write_app(folder, "app_a", source)
        device = Device(folder)
        device.host.stop("app_a")
        assert device.state("app_a") == STOPPED and "stuck" in device.words()[0]["reason"]


def test_runs_that_fail_in_a_row_stop_the_app_and_say_so():
    with temporary_folder() as folder:
        write_app(folder, "app_a", GOOD % 1)
        device = Device(folder)
        error = LimpetError("KeyError: x", {"traceback": "line 9"})
        for _ in range(MOST_FAILURES - 1):
            device.host.ended("app_a", error)
        device.host.ended("app_a", None)  # one that went well
        for _ in range(MOST_FAILURES - 1):
            device.host.ended("app_a", error)
        assert device.state("app_a") == UP and device.board.told == []
        device.host.ended("app_a", error)
        assert device.state("app_a") == FAILED
        (words,) = device.board.told
        assert "5 runs in a row failed" in words["reason"] and words["traceback"] == "line 9"
        device.host.ended("app_a", error)  # one that was still under way
        assert len(device.board.told) == 1


def test_an_app_that_kills_the_process_is_left_out_and_the_others_run():
    deadly = "import sys\nif sys.modules['kills'].KILLS:\n    raise sys.modules['kills'].Killed\n"
    with temporary_folder() as folder:
        write_app(folder, "app_a", GOOD % 1)
        write_app(folder, "deadly", deadly)
        write_app(folder, "zebra", GOOD % 2)
        sys.modules["kills"] = Kills
        Kills.KILLS = True
        disk, deaths, now, device = Disk(), 0, START, None
        while device is None and deaths < 10:
            try:
                device = Device(folder, disk)
                now = live(device, START + PAUSE_MS // 2)
            except Kills.Killed:
                deaths, device = deaths + 1, None
        assert deaths == 1 + MOST_CRASHES
        assert device.state("app_a") == UP and device.state("zebra") == UP
        assert device.state("deadly") == WAITING
        (words,) = device.board.told
        assert words["name"] == "deadly" and "again and again" in words["reason"]
        # An hour later it gets another chance, and has it for good once it holds.
        Kills.KILLS = False
        write_app(folder, "deadly", GOOD % 3)
        device.host.step(PAUSE_MS + now + 1)
        assert device.state("deadly") == UP
        device.host.step(device.host.due)
        device.boot()
        assert device.state("deadly") == UP
        del sys.modules["kills"]


class Kills:
    """Stands for what ends the process at once: nothing of the agent may catch it."""

    KILLS = True

    class Killed(BaseException):
        """The process died."""


def live(device, until):
    """Call the host whenever it wants to be, up to an uptime; returns the last of them."""
    now = START
    while device.host.due is not None and device.host.due < until:
        now = device.host.due
        device.host.step(now)
    return now


def test_a_start_that_holds_costs_two_writes_and_a_quiet_one_no_wake_up():
    with temporary_folder() as folder:
        for index in range(3):
            write_app(folder, "app_%d" % index, GOOD % index)
        device = Device(folder)
        assert (
            device.disk.syncs == 2 and device.host.due == START + SETTLE_MS
        )  # record, name in folder
        before = device.disk.syncs
        device.host.step(START + SETTLE_MS)
        assert device.disk.syncs <= before + 2 and device.host.due is None


def test_no_app_starts_where_nothing_can_be_noted():
    with temporary_folder() as folder:
        write_app(folder, "app_a", GOOD % 1)
        disk = Disk()
        disk.full = True
        device = Device(folder, disk)
        assert device.state("app_a") == FAILED
        assert "it cannot be noted" in device.board.told[0]["reason"]


def test_there_is_a_most_number_of_apps_and_it_is_told():
    with temporary_folder() as folder:
        for index in range(MOST_APPS + 2):
            write_app(folder, "app_%02d" % index, "from agent.apps import App\napp = App()\n")
        device = Device(folder)
        assert len(device.words()) == MOST_APPS
        assert device.host.surplus == ["app_16", "app_17"]


def test_a_device_is_not_well_while_a_required_app_is_not():
    with temporary_folder() as folder:
        write_app(folder, "app_a", "raise ValueError\n", required=True)
        write_app(folder, "app_b", "raise ValueError\n")
        source = GOOD % 1 + "\n@app.health\ndef check():\n    return app.ill\napp.ill = None\n"
        write_app(folder, "app_c", source)
        device = Device(folder)
        assert device.host.ail() == ["app_a: ValueError: "]
        device.board.apps["app_c"].ill = "no water"
        assert device.host.ail()[1] == "app_c: no water"


def test_declarations_stand_in_their_order_and_a_schedule_needs_its_command():
    app = App()

    @app.schedule(every=60)
    @app.command("read", (integer("depth", 1),), permission="read", repeat="repeat")
    def read(params):
        return {}

    assert app.timed[0].verb == "read" and app.timed[0].timing == {"every": 60}
    error = raises(ValueError, app.schedule(every=1), lambda params: None)
    assert "no command of this app" in str(error)


class Agent:
    """What a board joins apps to: commands, and a log that a test can read."""

    def __init__(self):
        self.registry = Registry()
        self.presence = self.log = self
        self.warned = []

    def change(self):
        pass

    def warning(self, text, *values):
        self.warned.append(text % values)


def test_who_takes_the_name_of_an_apps_schedule_does_not_keep_it_from_starting():
    app = App()

    @app.schedule(every=60)
    @app.command("read", (), permission="read", repeat="repeat")
    def read(params):
        return {}

    agent, schedules = Agent(), Schedules(0)
    schedules.add("pump-read", "mallory", every=3600)
    schedules.add("pump-other", "mallory", every=3600)
    real = board.Board(agent, lambda: schedules.runner, lambda: True, None)
    real.add("pump", app)
    spec, maker = schedules.runner.record("pump-read")
    assert (maker, spec["method"], spec["every"]) == ("app:pump", "pump.read", 60)
    assert schedules.runner.record("pump-other")[1] == "mallory"
    assert agent.warned == ["the schedule pump-read of mallory gives way to the app pump"]
