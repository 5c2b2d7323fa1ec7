"""The plan that brings a board to what is wanted: carried out on a model, and cut off anywhere."""

import os

import limpet_start as starting
import pytest
from flashing import plan
from flashing.plan import Plan, PlanProblem, Present, Step, Wanted, digest_of
from support import temporary_folder

BLOCK = 4096


def release(sequence, **files):
    """The files of a slot, with a manifest."""
    lines = ["limpet-manifest 1 %d" % sequence]
    found = {path.replace("_", "/", 1) + ".mpy": data for path, data in files.items()}
    found[".limpet/release"] = b"release %d" % sequence
    lines += ["%s %s" % (digest_of(data), path) for path, data in sorted(found.items())]
    found[starting.MANIFEST] = ("\n".join(lines) + "\n").encode()
    return found


def wanted(sequence, settings=b"{}", **files):
    outside = {
        "/limpet/limpet_start.py": b"start 1",
        "/boot.py": b"/limpet",
        "/agent.json": settings,
    }
    outside["/main.py"] = b"/limpet main"
    return Wanted(release(sequence, **files), outside, sequence)


OLD = wanted(1, agent_app=b"app 1", agent_keys=b"keys", agent_gone=b"gone", compat_queue=b"queue")
NEW = wanted(
    2, b'{"a": 1}', agent_app=b"app 2", agent_keys=b"keys", compat_queue=b"queue", more_x=b""
)


class Model:
    """A board's medium: what a step does to it, whole or cut off in its middle."""

    def __init__(self, files=None, folders=("/",), free=1000):
        self.files = dict(files or {})
        self.folders = set(folders)
        self.free = free
        self.writes = 0

    def copy(self):
        return Model(self.files, self.folders, self.free)

    def look(self):
        files = {path: (len(data), digest_of(data)) for path, data in self.files.items()}
        contents = {path: self.files[path] for path in plan.READ if path in self.files}
        return Present(files, set(self.folders), contents, BLOCK, self.free)

    def do(self, step):
        self.writes += 1
        if step.verb == "folder":
            assert step.path.rpartition("/")[0] in self.folders | {""}
            assert step.path not in self.folders
            self.folders.add(step.path)
        elif step.verb == "remove-folder":
            assert not [
                one for one in [*self.files, *self.folders] if one.startswith(step.path + "/")
            ]
            self.folders.remove(step.path)
        elif step.verb == "remove":
            del self.files[step.path]
        elif step.verb == "rename":
            self.files[step.path] = self.files.pop(step.source)
        else:
            assert step.path.rpartition("/")[0] in self.folders | {""}
            self.files[step.path] = self.files[step.source] if step.verb == "copy" else step.data
        if step.digest is not None:
            assert digest_of(self.files[step.path]) == step.digest

    def do_half(self, step):
        """The power goes while it writes."""
        if step.verb in ("write", "copy"):
            data = self.files[step.source] if step.verb == "copy" else step.data
            self.files[step.path] = data[: len(data) // 2]

    def started(self):
        """Which sequence the real start file starts from this medium, None for none."""
        with temporary_folder() as folder:
            for path in sorted(self.folders - {"/"}):
                os.mkdir(folder + path)
            for path, data in self.files.items():
                with open(folder + path, "wb") as file:
                    file.write(data)
            if not os.path.exists(folder + plan.ROOT):
                return None
            slot, state = starting.prepare(starting.Files(), folder + plan.ROOT)
            if slot is None:
                return None
            return state.sequence if slot == state.good else state.other


def bring(model, target, **options):
    for step in plan.make(model.look(), target, **options).steps:
        model.do(step)
    return model


def holds(model, target):
    """Whether all that is wanted is there, and will be started."""
    return plan.make(model.look(), target).steps == [] and model.started() == target.sequence


def test_an_empty_board_gets_all_of_it_and_a_second_run_changes_nothing():
    model = bring(Model(), OLD)
    assert holds(model, OLD)
    before = model.writes
    bring(model, OLD)
    assert model.writes == before


def test_only_what_differs_is_sent_and_the_rest_is_copied_there():
    model = bring(Model(), OLD)
    steps = plan.make(model.look(), NEW).steps
    sent = [step.path for step in steps if step.verb == "write"]
    assert sent == [
        "/limpet/b/.limpet/release",
        "/limpet/b/agent/app.mpy",
        "/limpet/b/more/x.mpy",
        "/limpet/b/.limpet/manifest",
        "/agent.json.new",
        "/limpet/state.0",
    ]
    assert len([step for step in steps if step.verb == "copy"]) == 2


def test_the_file_that_starts_the_agent_comes_last_and_the_record_just_before():
    verbs = [(step.verb, step.path) for step in plan.make(Model().look(), OLD).steps]
    assert verbs[-2:] == [("write", "/limpet/state.1"), ("rename", "/main.py")]


def test_the_agent_before_stays_in_reserve():
    model = bring(bring(Model(), OLD), NEW)
    state = plan.read_state(model.look())
    assert (state.good, state.sequence, state.kind, state.other) == ("b", 2, "previous", 1)
    model.files["/limpet/b/agent/app.mpy"] = b"damaged"
    assert model.started() == 1


@pytest.mark.parametrize("half", [False, True])
def test_cut_off_at_every_step_a_first_run_is_completed_by_the_next(half):
    for cut in range(len(plan.make(Model().look(), OLD).steps)):
        model, steps = Model(), plan.make(Model().look(), OLD).steps
        for step in steps[:cut]:
            model.do(step)
        if half:
            model.do_half(steps[cut])
        assert holds(bring(model, OLD), OLD), steps[cut]


@pytest.mark.parametrize("half", [False, True])
def test_cut_off_at_every_step_twice_the_old_agent_starts_or_the_new_one(half):
    first = bring(Model(), OLD)
    steps = plan.make(first.look(), NEW).steps
    for cut in range(len(steps)):
        model = first.copy()
        for step in steps[:cut]:
            model.do(step)
        if half:
            model.do_half(steps[cut])
        assert model.started() in (1, 2), steps[cut]
        again = plan.make(model.look(), NEW).steps
        for second in range(len(again)):
            other = model.copy()
            for step in again[:second]:
                other.do(step)
            if half:
                other.do_half(again[second])
            assert other.started() in (1, 2), (steps[cut], again[second])
            assert holds(bring(other, NEW), NEW), (steps[cut], again[second])


def test_in_place_the_agent_is_written_over_and_made_whole_by_the_next_run():
    first = bring(Model(), OLD)
    steps = plan.make(first.look(), NEW, in_place=True).steps
    assert all("/limpet/b" not in step.path for step in steps)
    for cut in range(len(steps)):
        model = first.copy()
        for step in steps[:cut]:
            model.do(step)
        model.do_half(steps[cut])
        assert holds(bring(model, NEW, in_place=True), NEW)


def test_a_release_on_trial_gives_way_and_the_good_one_stays():
    model = bring(bring(Model(), OLD), NEW)
    state = plan.read_state(model.look())
    trial = starting.change(state, turn=state.turn + 1, kind="trial", tries=3)
    model.files[plan.RECORDS[trial.turn % 2]] = starting.encode_state(trial)
    assert model.started() == 1
    assert holds(bring(model, NEW), NEW)


def test_a_damaged_slot_is_the_one_that_is_written():
    model = bring(bring(Model(), OLD), NEW)
    model.files["/limpet/b/agent/app.mpy"] = b"damaged"
    made = plan.make(model.look(), NEW)
    assert made.slot == "b"
    for step in made.steps:
        model.do(step)
        assert model.started() in (1, 2)
    assert holds(model, NEW)


def test_a_release_below_the_floor_is_refused():
    model = bring(Model(), NEW)
    state = plan.read_state(model.look())
    model.files["/limpet/state.0"] = starting.encode_state(
        starting.change(state, turn=state.turn + 1, floor=2)
    )
    with pytest.raises(PlanProblem, match="takes none before 2"):
        plan.make(model.look(), OLD)


def test_no_space_is_said_before_anything_is_written():
    with pytest.raises(PlanProblem, match="no space: 100 KiB more are needed, 20 KiB are free"):
        plan.make(Model(free=5).look(), OLD)


def test_a_file_of_the_boards_owner_gives_way_only_when_asked_and_is_kept():
    model = Model({"/main.py": b"import blink\n", "/boot.py": b"# nothing here\n"})
    with pytest.raises(PlanProblem, match="/main.py does something of its own"):
        plan.make(model.look(), OLD)
    bring(model, OLD, replaces=True)
    assert model.files["/main.py.before"] == b"import blink\n"
    assert "/boot.py.before" not in model.files
    assert holds(model, OLD)


def test_what_an_interrupted_run_left_beside_a_file_is_removed():
    model = bring(Model(), OLD)
    model.files["/agent.json.new"] = b"half"
    assert plan.make(model.look(), OLD) == Plan([Step("remove", "/agent.json.new")], None, 0)


def test_where_the_firmware_has_the_agent_no_slot_is_touched():
    model = bring(Model(), OLD._replace(slot=None))
    assert model.files["/agent.json"] == b"{}" and "/main.py" in model.files
    assert not [path for path in model.files if path.startswith(("/limpet/a", "/limpet/state"))]
    assert plan.make(model.look(), OLD._replace(slot=None)).steps == []
