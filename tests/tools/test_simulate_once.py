"""tools/simulate once: it finds each planted bug, and nothing without one."""

import os
import subprocess
import sys

import journal_device
import pytest
from simulations import once as simulation

from agent.commands.jobs import Jobs
from agent.commands.journal import ANSWER, INTENT, RESUMABLE, decode_record
from agent.commands.once import Once
from agent.records import Records

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIMULATE = [sys.executable, os.path.join(ROOT, "tools", "simulate")]
MOST_SEEDS = 1000  # within which a planted bug must be found


class JournalAfterEffect(Once):
    """Intents go to the medium with the answer only."""

    def write(self):
        ended = {note.key for note in self._notes if note.kind not in (INTENT, RESUMABLE)}
        late = [note for note in self._notes if note.key not in ended]
        self._notes = [note for note in self._notes if note.key in ended]
        failure = super().write()
        self._notes = late
        return failure


class ReplyBeforeResult(Once):
    """An answer is written with the turn after it was sent."""

    late = ()

    def write(self):
        notes, self._notes = self._notes, list(self.late)
        self._notes += [note for note in notes if note.kind != ANSWER]
        self.late = [note for note in notes if note.kind == ANSWER]
        return super().write()

    def look_up(self, ticket):
        for note in self.late:
            if note.key == ticket.key:
                return decode_record(note.data).words
        return super().look_up(ticket)


class BelievesWhatIsNotDurable(Once):
    """What a killed run left in the system's cache is not synced before it is told."""

    def recover(self, boot_number):
        real, Records.recover = Records.recover, _recover_without_sync
        try:
            return super().recover(boot_number)
        finally:
            Records.recover = real


def _recover_without_sync(records, take):
    for number in sorted(records._numbers()):
        records._recover_segment(number, take)


class RunsTheInterruptedAgain(Once):
    """A request that was cut off is taken for a new one."""

    def look_up(self, ticket):
        words = super().look_up(ticket)
        if isinstance(words, dict) and words.get("error", {}).get("code") == "interrupted":
            return None
        return words


def _found_at(make_once):
    """The first seed that tells the bug, and how."""
    for seed in range(MOST_SEEDS):
        if simulation.fills_its_disk(seed):
            continue  # these bugs are not written with that in mind
        try:
            simulation.run(seed, make_once)
        except simulation.Lie as lie:
            return seed, str(lie)
    return None


@pytest.mark.parametrize(
    "bug",
    (
        JournalAfterEffect,
        ReplyBeforeResult,
        BelievesWhatIsNotDurable,
        RunsTheInterruptedAgain,
    ),
)
def test_a_planted_bug_is_found(bug):
    found = _found_at(bug)
    print(bug.__name__, found)
    assert found is not None


class EndsUnstored(Jobs):
    """A job's end is told, and not written before that."""

    def _settle(self, row, words, state):
        slot, row.slot = row.slot, None
        super()._settle(row, words, state)
        row.slot = slot


class ToldBeforeStored(Jobs):
    """A job is named to its caller and not on the medium."""

    def _save(self, row):
        if not row.is_live:
            super()._save(row)


class GoesOnWithWhatMayNot(Jobs):
    """What takes effect once is resumed after a restart as if it might run again."""

    def _save(self, row):
        if row.job is None:
            super()._save(row)
            return
        task = row.job.task
        row.job.task = task._replace(command=task.command._replace(repeat="resume"))
        super()._save(row)
        row.job.task = task


@pytest.mark.parametrize("bug", (EndsUnstored, ToldBeforeStored, GoesOnWithWhatMayNot))
def test_a_bug_planted_in_jobs_is_found(bug, monkeypatch):
    monkeypatch.setattr(journal_device, "Jobs", bug)
    found = _found_at(Once)
    print(bug.__name__, found)
    assert found is not None


def test_a_seed_lives_the_same_life_again():
    assert simulation.run(17) == simulation.run(17)
    with pytest.raises(simulation.Lie) as first:
        simulation.run(_found_at(RunsTheInterruptedAgain)[0], RunsTheInterruptedAgain)
    with pytest.raises(simulation.Lie) as again:
        simulation.run(_found_at(RunsTheInterruptedAgain)[0], RunsTheInterruptedAgain)
    assert str(first.value) == str(again.value)


def test_the_command_counts_its_seeds_and_refuses_what_it_does_not_know():
    done = subprocess.run([*SIMULATE, "once", "--seeds", "5"], capture_output=True, text=True)
    assert done.returncode == 0 and "5 seeds from 0: the invariant held" in done.stdout, done
    done = subprocess.run([*SIMULATE, "once", "--seed", "7"], capture_output=True, text=True)
    assert done.returncode == 0 and "1 seeds from 7" in done.stdout
    for wrong in (["twice"], ["once", "--seeds", "0"], []):
        done = subprocess.run([*SIMULATE, *wrong], capture_output=True, text=True)
        assert done.returncode == 2 and "usage: tools/simulate" in done.stderr


def test_a_lie_ends_the_command_with_status_1_and_its_seed():
    code = (
        "import sys; sys.argv = ['simulate', 'once', '--seed', '%d']\n"
        "sys.path += %r\n"
        "import runpy\n"
        "from agent.commands.once import Once\n"
        "from test_simulate_once import RunsTheInterruptedAgain\n"
        "import simulations.once\n"
        "real = simulations.once.run\n"
        "simulations.once.run = lambda seed: real(seed, RunsTheInterruptedAgain)\n"
        "runpy.run_path(%r, run_name='__main__')\n"
    )
    paths = [ROOT] + [os.path.join(ROOT, name) for name in ("tools", "tests", "compat")]
    seed = _found_at(RunsTheInterruptedAgain)[0]
    words = (seed, [os.path.dirname(__file__), *paths], SIMULATE[1])
    command = [sys.executable, "-c", code % words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "again: tools/simulate once --seed" in done.stdout, done


def test_seeds_shared_by_processes_live_the_same_lives():
    told = []
    for processes in ("1", "2"):
        command = [*SIMULATE, "once", "--seeds", "120", "--processes", processes]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        told.append(done.stdout.rsplit(";", 1)[0])
    assert told[0] == told[1] and "120 seeds from 0" in told[0]
