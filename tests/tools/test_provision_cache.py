"""What is fetched or built gets into the cache whole, once, and past an interruption."""

import os
import subprocess
import sys

import pytest
from provision import Unavailable, cache

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(cache.__file__)))

# A command of its own that makes the thing `it`: says so in a file, waits to be told, ends.
_MAKER = (
    """\
import sys
sys.path.insert(0, %r)
from provision import cache

def make(target):
    open(target + "/part", "w").close()
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    print("making", flush=True)
    sys.stdin.readline()
    open(target + "/rest", "w").close()

print(cache.made("things/it", make), flush=True)
"""
    % TOOLS
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path / "cache"))
    return tmp_path


def start_maker(home):
    command = [sys.executable, "-c", _MAKER, str(home / "log")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


def contents(home):
    return sorted(os.listdir(home / "cache/things/it"))


def test_the_folder_is_limpet_cache_else_xdg_else_the_home(monkeypatch, home):
    assert cache.folder() == str(home / "cache")
    monkeypatch.delenv("LIMPET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache.folder() == "/x/limpet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert cache.folder() == "/h/.cache/limpet"


def test_a_thing_is_made_once_and_then_only_found(home):
    times = []
    first = cache.made("a/b", times.append)
    second = cache.made("a/b", times.append)
    assert first == second == str(home / "cache/a/b")
    assert len(times) == 1


def test_two_commands_that_want_the_same_thing_make_it_once(home):
    first = start_maker(home)
    assert first.stdout.readline() == "making\n"
    second = start_maker(home)
    # The second has met the lock when it says that it waits.
    assert "waiting for another command that is getting things/it" in second.stderr.readline()
    first.communicate("go on\n", timeout=30)
    out, _ = second.communicate("go on\n", timeout=30)
    assert out.strip() == str(home / "cache/things/it")
    assert (home / "log").read_text() == "made\n"
    assert contents(home) == ["part", "rest"]


def test_a_command_that_was_killed_leaves_no_half_made_thing_and_no_lock(home):
    first = start_maker(home)
    assert first.stdout.readline() == "making\n"
    first.kill()
    first.communicate(timeout=30)
    assert not (home / "cache/things/it").exists()
    second = start_maker(home)
    out, errors = second.communicate("go on\n", timeout=30)
    assert out.endswith("things/it\n"), errors
    assert contents(home) == ["part", "rest"]
    assert os.listdir(home / "cache/things") == ["it"]


def test_a_maker_that_fails_leaves_nothing_and_may_be_tried_again(home):
    def fail(target):
        open(os.path.join(target, "part"), "w").close()
        raise Unavailable("no luck")

    with pytest.raises(Unavailable, match="no luck"):
        cache.made("x", fail)
    assert [name for name in os.listdir(home / "cache") if "x" in name] == []
    assert cache.made("x", lambda target: None) == str(home / "cache/x")


def test_a_cache_that_cannot_be_written_is_said_with_the_way_out(monkeypatch, home):
    (home / "file").write_text("")
    monkeypatch.setenv("LIMPET_CACHE", str(home / "file"))
    with pytest.raises(Unavailable, match="cannot write to the cache .*set LIMPET_CACHE"):
        cache.made("x", lambda target: None)
