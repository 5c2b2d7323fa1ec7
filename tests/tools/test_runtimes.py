"""The interpreters by name: what is here, what is missing and why, and the command that tells."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from provision import Unavailable, build, environment, runtimes

COMMAND = os.path.join(environment.TOOLS, "runtimes")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MICROPYTHON", raising=False)
    return tmp_path / "cache"


def write_interpreter(path, says="micropython 1.99.0 gil", status=0):
    """A stand-in that answers the question what it is with a line of our choice."""
    path.write_text("#!/bin/sh\necho %s\nexit %d\n" % (says, status))
    path.chmod(0o755)
    return path


def use_sources(monkeypatch, *recipes):
    """Let `micropython` come from these recipes, tried in order."""
    kinds = {"%s%d" % (recipe, number): recipe for number, recipe in enumerate(recipes)}
    entries = [{"kind": kind} for kind in kinds]
    monkeypatch.setitem(runtimes._SOURCES, "micropython", entries)
    monkeypatch.setattr(runtimes, "_UNPACKERS", kinds)


def give(source, target, final):
    write_interpreter(Path(target) / "micropython")
    return "a gift"


def refuse(reason):
    def recipe(source, target, final):
        raise Unavailable(reason)

    return recipe


def test_the_names_are_those_that_the_tests_run_on():
    assert runtimes.NAMES == (
        "cpython",
        "micropython",
        "micropython-gil",
        "micropython-oldest",
        "micropython-armhf",
    )


def test_the_running_cpython_is_always_there():
    found = runtimes.get("cpython")
    assert found.path == sys.executable
    assert found.version.startswith("%d.%d." % sys.version_info[:2])
    assert found.threads == "gil"


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(Unavailable, match="no runtime is called 'snake'; there are cpython, "):
        runtimes.path("snake")


def test_what_is_missing_is_made_once_and_stays(monkeypatch):
    times = []
    use_sources(monkeypatch, lambda *asked: times.append(asked) or give(*asked))
    first = runtimes.get("micropython")
    assert (first.version, first.threads, first.origin) == ("1.99.0", "gil", "a gift")
    assert runtimes.path("micropython") == first.path
    assert len(times) == 1


def test_the_next_source_is_tried_and_all_reasons_are_told(monkeypatch):
    use_sources(monkeypatch, refuse("too far"), give)
    assert runtimes.get("micropython").origin == "a gift"
    use_sources(monkeypatch, refuse("too far"), refuse("too late"), refuse("too dear"))
    with pytest.raises(Unavailable) as caught:
        runtimes.get("micropython")
    assert str(caught.value) == "micropython cannot be had: too far; too late; too dear"


def test_an_interpreter_that_does_not_run_here_is_not_kept(monkeypatch, cache_folder):
    def give_broken(source, target, final):
        write_interpreter(Path(target) / "micropython", "no such library", 127)
        return "a gift"

    use_sources(monkeypatch, give_broken)
    with pytest.raises(Unavailable, match="does not run here: no such library"):
        runtimes.get("micropython")
    assert os.listdir(cache_folder / "runtimes") == []


def test_looking_gets_nothing_and_says_how_to(monkeypatch):
    use_sources(monkeypatch, refuse("never asked"))
    found = runtimes.look("micropython")
    assert found.path is None
    assert found.reason == "not here yet: tools/runtimes get micropython"


def test_looking_tells_at_once_what_this_system_cannot_have(monkeypatch):
    monkeypatch.setattr(runtimes.debian, "is_debian", lambda: False)
    monkeypatch.setattr(runtimes.debian.shutil, "which", lambda name: name)
    found = runtimes.look("micropython-oldest")
    assert found.path is None
    assert found.reason == (
        "cannot be had: comes from Debian packages, and this system is not Debian"
    )
    assert runtimes.look("micropython").reason.startswith("not here yet")


def test_the_environment_names_another_micropython(monkeypatch, tmp_path):
    monkeypatch.setenv("MICROPYTHON", str(write_interpreter(tmp_path / "mine")))
    found = runtimes.get("micropython")
    assert (found.path, found.origin) == (str(tmp_path / "mine"), "$MICROPYTHON")


def test_a_wrong_name_in_the_environment_is_said_and_nothing_else_tried(monkeypatch):
    monkeypatch.setenv("MICROPYTHON", "/no/such")
    use_sources(monkeypatch, give)
    with pytest.raises(Unavailable, match=r"\$MICROPYTHON is /no/such, which is no program"):
        runtimes.get("micropython")
    assert "which is no program" in runtimes.look("micropython").reason


def test_where_nothing_can_be_fetched_a_micropython_on_the_path_will_do(monkeypatch, tmp_path):
    write_interpreter(tmp_path / "micropython")
    monkeypatch.setenv("PATH", "%s:%s" % (tmp_path, os.environ["PATH"]))
    use_sources(monkeypatch, refuse("this system is not Debian"))
    runtimes._SOURCES["micropython"].append({"kind": "found"})
    found = runtimes.get("micropython")
    assert (found.path, found.origin) == (str(tmp_path / "micropython"), "found on the PATH")


def test_a_changed_patch_makes_another_build(monkeypatch, tmp_path):
    (source,) = runtimes._SOURCES["micropython-gil"]
    before = runtimes._folder("micropython-gil", source)
    assert runtimes._folder("micropython-gil", source) == before
    patch = tmp_path / "one.patch"
    patch.write_text("another")
    monkeypatch.setattr(build, "PATCHES", str(tmp_path))
    assert runtimes._folder("micropython-gil", source) != before
    changed = dict(source, options=[*source["options"], "MORE=1"])
    assert runtimes._folder("micropython-gil", changed) != before


def test_every_source_is_of_a_known_kind_pinned_and_names_no_server():
    text = Path(runtimes.SOURCES).read_text()
    assert "://" not in text
    for entries in json.loads(text).values():
        for entry in entries:
            assert entry["kind"] in (*runtimes._UNPACKERS, "found")
            for digest in entry.get("sha256", ()):
                assert re.fullmatch("[0-9a-f]{64}", digest)
            for pinned in (entry, entry.get("micropython"), entry.get("mbedtls")):
                if pinned and "allowed" in pinned:
                    assert pinned["recorded"] and len(pinned["allowed"]) == 2


def run_command(*arguments, **changes):
    """As a person would, on the environment that is there."""
    variables = dict(os.environ, **changes)
    del variables["LIMPET_CACHE"]
    return subprocess.run(
        [sys.executable, COMMAND, *arguments], capture_output=True, text=True, env=variables
    )


def test_the_command_tells_an_unknown_name_on_stderr_with_status_one():
    done = run_command("path", "snake")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("limpet: no runtime is called 'snake'; there are cpython,")


def test_the_command_prints_one_path_and_nothing_else(tmp_path):
    mine = str(write_interpreter(tmp_path / "mine"))
    done = run_command("path", "micropython", MICROPYTHON=mine)
    assert (done.returncode, done.stdout) == (0, mine + "\n")


def test_the_list_has_every_name_and_its_reason_or_path(tmp_path):
    done = run_command(MICROPYTHON="/no/such")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert tuple(names) == runtimes.NAMES
    assert "$MICROPYTHON is /no/such, which is no program" in done.stdout


def test_the_help_explains_every_name():
    done = run_command("--help")
    assert done.returncode == 0
    for name in (*runtimes.NAMES, "$MICROPYTHON", "LIMPET_CACHE", "unsafe"):
        assert name in done.stdout
