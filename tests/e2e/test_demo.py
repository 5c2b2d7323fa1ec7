"""`tools/demo` as a person runs it, from its first line to the last process that it leaves not."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fleet import Fleet
from provision import broker as brokers

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(ROOT / "tools" / "demo")]
WITHIN_S = 120


class Demo:
    """A demo under way; `text` is what it has printed so far. Its temporary files go to `folder`,
    so that what it leaves there shows."""

    def __init__(self, folder, *arguments, **environment):
        self.folder = folder
        self.text = ""
        self.process = subprocess.Popen(
            [*DEMO, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(folder), **environment},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=WITHIN_S)

    def read_until(self, pattern):
        """Read on until a line matches; returns the match."""
        for line in self.process.stdout:
            self.text += line
            match = re.search(pattern, line)
            if match:
                return match
        raise AssertionError(f"no {pattern!r} in\n{self.text}")

    def end(self):
        """Its status; `text` is complete then."""
        self.text += self.process.communicate(timeout=WITHIN_S)[0]
        return self.process.returncode

    def find(self, pattern):
        return re.search(pattern, self.text).group(1)

    def assert_nothing_is_left(self):
        assert list(self.folder.iterdir()) == []
        with pytest.raises(ProcessLookupError):
            os.kill(int(self.find(r"process (\d+)")), 0)
        port = int(self.find(r"mqtt://(?:\w+@)?127.0.0.1:(\d+)"))
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 5).close()


@pytest.fixture
def demo(tmp_path):
    """Starts demos and ends them."""
    started = []

    def start(*arguments, **environment):
        started.append(Demo(tmp_path, *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        one.__exit__()


def test_the_demo_gives_its_tour_once_and_leaves_nothing(demo):
    one = demo("--once")
    assert one.end() == 0, one.text
    assert re.search(r"runtime +MicroPython \d", one.text)
    commands = re.findall(r"^\$ (.*)", one.text, re.MULTILINE)
    assert commands[0] == "tools/limpet ls"
    assert "tools/limpet describe demo" in commands
    assert "tools/limpet call demo system.info" in commands
    assert "demo    online  1" in one.text
    assert "unknown-method: system.pong" in one.text
    assert "there is no device called nobody" in one.text
    assert re.findall(r"^\(status (\d)\)", one.text, re.MULTILINE) == ["1", "1", "3"]
    one.assert_nothing_is_left()


def test_the_demo_stays_up_its_commands_can_be_repeated_and_ctrl_c_ends_it(demo):
    one = demo("--runtime", "cpython")
    one.read_until("The tour is over")
    assert re.search(r"runtime +CPython 3", one.text)
    one.read_until("is shown here")
    variable = shlex.split(one.find(r"export (LIMPET_BROKER=\S+)"))
    command = shlex.split(one.find(r"\$ (.* 'text=hello there')"))
    done = subprocess.run(
        ["env", *variable, *command], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S
    )
    assert (done.returncode, done.stdout) == (0, '{\n  "text": "hello there"\n}\n'), done.stderr
    one.process.send_signal(signal.SIGINT)
    assert one.end() == 0
    one.assert_nothing_is_left()


def test_what_happens_at_the_device_is_shown(demo):
    one = demo("--runtime", "cpython")
    one.read_until("is shown here")
    with Fleet(one.find(r"export LIMPET_BROKER=(\S+)")) as fleet:
        fleet.call("demo", "system.ping")
    one.read_until(r"-> demo  system.ping \{\}$")
    one.read_until(r"<- demo  \{\}$")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_demo_that_is_interrupted_in_its_tour_leaves_nothing(demo, number):
    one = demo("--runtime", "cpython")
    one.read_until("tools/limpet ls")
    one.process.send_signal(number)
    assert one.end() == 130
    assert "Traceback" not in one.text
    one.assert_nothing_is_left()


def test_an_agent_that_is_lost_ends_the_demo_with_its_log(demo):
    one = demo("--runtime", "cpython")
    one.read_until("is shown here")
    os.kill(int(one.find(r"process (\d+)")), signal.SIGKILL)
    assert one.end() == 1
    assert "demo: the agent ended (status -9); its log says\n" in one.text
    assert "connected to 127.0.0.1" in one.text.split("its log says")[1]
    one.assert_nothing_is_left()


def test_an_interpreter_that_cannot_run_the_agent_is_told_with_its_words(demo, tmp_path_factory):
    script = tmp_path_factory.mktemp("bin") / "micropython"
    script.write_text(
        "#!/bin/sh\n"
        'case "$1" in -c) echo "micropython 1.0.0 gil";;\n'
        '*) echo "no room for the agent" >&2; exit 7;; esac\n'
    )
    script.chmod(0o755)
    one = demo("--once", "--runtime", "micropython", MICROPYTHON=str(script))
    assert one.end() == 1
    assert "demo: the agent ended (status 7); its log says\n    no room for the agent" in one.text
    one.assert_nothing_is_left()


def test_a_broker_of_the_users_own_is_used_and_left_as_it_was(demo):
    with brokers.start() as broker:
        url = broker.url.replace("mqtt://", "mqtt://ann:s3cret@")
        one = demo("--once", "--runtime", "cpython", "--broker", url)
        assert one.end() == 0, one.text
        assert "yours, mqtt://ann@127.0.0.1" in one.text
        assert "s3cret" not in one.text
        with Fleet(broker.url) as fleet:
            assert fleet.devices() == {}
    one.assert_nothing_is_left()


def test_a_broker_that_cannot_be_reached_is_told(demo):
    with brokers.start() as broker:
        url = broker.url
    one = demo("--once", "--runtime", "cpython", "--broker", url)
    assert one.end() == 1
    assert "nothing listens on that port" in one.text
    one.assert_nothing_is_left()


@pytest.mark.parametrize(
    "words", [["--runtime", "none"], ["--broker", "mqtts://h"], ["--broker", "h"], ["--twice"]]
)
def test_a_wrong_command_line_is_status_2(demo, words):
    one = demo(*words)
    assert one.end() == 2
    assert "tools/demo: error: " in one.text
