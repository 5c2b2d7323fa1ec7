"""Apps by releases of their own: tried while the agent runs, kept or undone, whatever comes."""

import sys

import limpet_start as starting
from faulty.disk import Disk
from support import raises, temporary_folder
from test_apps import Board
from update_corpus import vector
from update_life import Memory, Wrong

from agent.apps.host import UP, AppFailed, Host
from agent.apps.installer import LOOK_MS, Installer, name_of
from agent.errors import BadParams, Busy, Cancelled
from agent.store import Store
from agent.update.plan import NotTaken
from agent.update.release import BadRelease
from agent.update.sources import Outside

SOURCE = """from agent.apps import App
app = App()
"""
SAYS = """
@app.command("n", permission="read", repeat="repeat")
def n(params):
    return %d
"""
ILL = """
@app.health
def check():
    return "no pump"
"""
BUSY = """
busy = ["watering"]
@app.veto
def why():
    return busy[0] if busy else None
"""
OPTIONS = {
    "keyring": None, "healthy_s": 0, "within_s": 300, "window": None, "url": None, "tls": None,
    "rate": 0,
}  # fmt: skip


def app(number, more="", name="garden"):
    """Files of an app of that version."""
    words = '{"name": "%s", "version": "%d"}' % (name, number)
    source = SOURCE + SAYS % number + more
    return {"app.json": words.encode(), name + ".py": source.encode()}


class Clock:
    """Time as the test sets it."""

    time = 0
    wall_ms = 1_800_000_000_000

    def now(self):
        """As of the clock."""
        return self.time

    def wall(self):
        """As of the clock."""
        return self.wall_ms, "synced"


class Job:
    """As of job.py, what an install uses."""

    resume_from = None
    phase = None

    def checkpoint(self, value):
        """As of Job."""
        self.saved = value

    def progress(self, fraction, phase=None):
        """As of Job."""
        assert 0 <= fraction <= 1
        self.phase = phase


class World:
    """A device with apps, and a depot that answers it."""

    def __init__(self, folder, **options):
        starting.WATCHES = ()
        self.folder = folder + "/installed"
        self.options = dict(OPTIONS, **options)
        self.memory = Memory()
        self.disk = Disk()
        self.clock = Clock()
        self.is_up = True
        self.cut_after = None  # pieces that are given before the power goes
        self.told = []
        self.boot()

    def boot(self):
        """Start the agent anew."""
        for name, module in list(sys.modules.items()):
            if "/limpet-test-" in (getattr(module, "__file__", None) or ""):
                del sys.modules[name]
        self.takers, self.given = {}, []
        self.board = Board()
        self.store = Store("data", self.disk)
        hands = (self.publish, self.takers.__setitem__, None, self.told.append, None)
        outside = Outside(*hands + ("0.1.0", "pump", "limpet"))
        words = (self.store, self.clock, outside, lambda job: None, self.is_up)
        self.installer = Installer(self.options, self.folder, *words)
        self.host = self.installer.host = Host(self.store, self.installer.places, self.board)
        self.host.begin(0, self.installer.went_back)

    def publish(self, topic, payload, qos, retain):
        """What the device asks is answered."""
        name, at, count = payload.decode().split(" ")
        data = self.memory.blobs[name][int(at) : int(at) + int(count)]
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                return 0
        given = ("%s %s\n" % (name, at)).encode() + data
        self.given.append(given)
        return 0

    def begin(self, sequence, files, floor=0, downgrade=False, job=None, **more):
        """An install under way."""
        product = more.get("product", "app-garden")
        description, signed = self.memory.build(sequence, files, floor, None, product)
        body = signed.split(b"sign ")[0].decode()
        return self.installer.install(body, downgrade, False, job or Job())

    def install(self, *words, **more):
        """Install, turn by turn; what comes of it."""
        return self.drive(self.begin(*words, **more))

    def drive(self, steps, most=3000):
        """Turns of the loop, until the task ends."""
        try:
            for _ in range(most):
                next(steps)
                self.turn()
        except StopIteration as end:
            return end.value
        raise Wrong("it never ends")

    def go(self, steps, done=None):
        """Some turns of a task, until `done()`."""
        for _ in range(200):
            if done is not None and done():
                break
            next(steps)
            self.turn()

    def turn(self):
        """A turn of what is beside it."""
        self.clock.time += 100
        while self.given:
            self.takers["limpet/blob/give/pump"](Message(self.given.pop(0)))
        installer = self.installer
        if installer.due is not None and self.clock.time >= installer.due:
            installer.step(self.clock.time)

    def says(self, name="garden"):
        """What the app that runs answers, None if none does."""
        if name not in self.board.apps:
            return None
        return self.board.apps[name].commands[0].call({})

    def words(self, name="garden"):
        """What is told of it."""
        return self.installer.words(name)


class Message:
    """As of the session."""

    def __init__(self, payload):
        self.payload = payload


def test_an_app_comes_by_a_release_and_another_takes_its_place():
    with temporary_folder() as folder:
        world = World(folder)
        told = world.install(1, app(1))
        assert told["state"] == UP and told["sequence"] == 1 and not told["trial"]
        assert world.says() == 1
        assert world.install(2, app(2))["previous"] == 1 and world.says() == 2
        world.boot()
        assert world.says() == 2 and world.words()["sequence"] == 2
        assert world.install(2, app(2))["sequence"] == 2  # is there already


def test_what_does_not_start_gives_way_to_what_was_before_it():
    with temporary_folder() as folder:
        world = World(folder)
        error = raises(AppFailed, world.install, 1, app(1, "raise ValueError('no pump')\n"))
        assert "no pump" in error.message and world.says() is None
        world.install(2, app(2))
        raises(AppFailed, world.install, 3, app(3, "import nothing_of_that_name\n"))
        words = world.words()
        assert world.says() == 2 and (words["sequence"], words["failed"]) == (2, 3)
        assert "nothing_of_that_name" in words["reason"]
        assert world.told[-1]["state"] == "rolled-back"
        world.boot()
        assert world.says() == 2


def test_what_is_not_well_in_time_goes_back_and_says_why():
    with temporary_folder() as folder:
        world = World(folder, healthy_s=5, within_s=30)
        world.install(1, app(1))
        begun = world.clock.time
        error = raises(AppFailed, world.install, 2, app(2, ILL))
        assert world.clock.time - begun >= 30_000
        assert "no pump" in error.message and world.says() == 1


def test_an_app_that_takes_the_agent_down_on_trial_is_counted_out():
    with temporary_folder() as folder:
        world = World(folder, healthy_s=60)
        world.drive(world.begin(1, app(1)))
        steps = world.begin(2, app(2))
        world.go(steps, lambda: world.says() == 2)
        for _ in range(2):  # the agent dies with it: the job that goes on finds it on trial
            world.boot()
            assert world.says() == 2 and world.words()["trial"]
        world.boot()
        assert world.says() == 1 and world.words()["failed"] == 2
        job = Job()
        job.resume_from = 2
        raises(AppFailed, world.install, 2, app(2), job=job)
        assert world.says() == 1


def test_a_job_that_goes_on_after_a_restart_sees_the_trial_to_its_end():
    with temporary_folder() as folder:
        world = World(folder, healthy_s=60)
        steps = world.begin(1, app(1))
        world.go(steps, lambda: world.says() == 1)
        world.boot()
        job = Job()
        job.resume_from = 1
        assert world.install(1, app(1), job=job)["trial"] is False


def test_a_fetch_that_was_cut_off_goes_on_where_it_was():
    with temporary_folder() as folder:
        world = World(folder)
        files = dict(app(1), ballast=bytes(range(256)) * 200)
        world.cut_after = 4
        steps = world.begin(1, files)
        world.go(steps)
        steps.close()
        raises(BadParams, world.host.find, "garden")
        world.boot()
        world.cut_after = None
        world.memory.given_bytes = 0
        assert world.install(1, files)["state"] == UP


def test_a_cancelled_install_leaves_what_runs():
    with temporary_folder() as folder:
        world = World(folder)
        world.install(1, app(1))
        world.cut_after = 0
        steps = world.begin(2, app(2))
        world.go(steps)
        raises(Busy, world.install, 3, app(3))
        raises(Cancelled, steps.throw, Cancelled("it was cancelled"))
        world.cut_after = None
        assert world.says() == 1 and world.install(3, app(3))["sequence"] == 3


def test_an_older_release_is_refused_but_to_who_asks_for_it_and_never_below_the_floor():
    with temporary_folder() as folder:
        world = World(folder)
        world.install(5, app(5))
        assert raises(NotTaken, world.install, 4, app(4)).message == "not-newer"
        assert world.install(4, app(4), downgrade=True)["sequence"] == 4
        world.install(6, app(6), floor=6)
        assert raises(NotTaken, world.install, 5, app(5), downgrade=True).message == (
            "below-the-floor"
        )
        world.installer.remove("garden")
        raises(NotTaken, world.install, 5, app(5))  # nor after it was removed


def test_an_owner_goes_back_without_a_download_and_removes_it():
    with temporary_folder() as folder:
        world = World(folder)
        world.install(1, app(1))
        world.install(2, app(2))
        world.memory.blobs = {}
        world.installer.go_back("garden")
        for _ in range(2 * LOOK_MS // 100):
            world.turn()
        assert world.says() == 1 and world.words() == {
            "sequence": 1, "trial": False, "previous": 2, "failed": 2, "reason": None,
        }  # fmt: skip
        world.boot()
        assert world.says() == 1
        world.installer.remove("garden")
        assert world.says() is None
        raises(BadParams, world.installer.remove, "garden")
        raises(BadParams, world.installer.go_back, "garden")
        world.boot()
        assert world.says() is None


def test_what_an_app_has_against_it_puts_its_update_off():
    with temporary_folder() as folder:
        world = World(folder)
        world.install(1, app(1, BUSY))
        job = Job()
        steps = world.begin(2, app(2), job=job)
        world.go(steps)
        assert job.phase == "veto: app garden: watering" and world.says() == 1
        sys.modules["garden"].busy.clear()
        assert world.drive(steps)["sequence"] == 2


def test_the_owners_window_puts_an_update_off():
    with temporary_folder() as folder:
        world = World(folder, window={"first": 0, "last": 1})
        job = Job()
        steps = world.begin(1, app(1), job=job)
        world.go(steps)
        assert job.phase == "outside the window" and world.says() is None
        world.clock.wall_ms -= world.clock.wall_ms % 86_400_000
        assert world.drive(steps)["sequence"] == 1


def test_apps_have_keys_of_their_own():
    with temporary_folder() as folder:
        path = folder + "/ring"
        with open(path, "wb") as file:
            file.write(vector("ring1"))
        world = World(folder, keyring=path)
        world.memory.build(7, app_of_the_corpus(), 0, None, "app-garden")

        def install(text):
            return world.drive(world.installer.install(text, False, True, Job()))

        signed = vector("app_release").decode()
        assert install(signed)["sequence"] == 7
        raises(BadRelease, install, vector("app_release_by_root").decode())
        raises(BadRelease, install, signed.split("sign ")[0])
        raises(NotTaken, install, vector("release").decode())  # the agent's is no app's
        world.options["keyring"] = None
        world.installer.remove("garden")
        assert "apps.keyring" in raises(NotTaken, install, signed).message


def app_of_the_corpus():
    """As corpus/make_update.py has it."""
    return {"app.json": b'{"name": "garden", "version": "7"}', "garden.py": SOURCE.encode()}


def test_products_stand_for_apps():
    assert name_of("app-my-pump") == "my_pump"
    for product in ("app-", "app-9", "agent", "xapp-pump", "app--x", "limpet-agent"):
        raises(NotTaken, name_of, product)
