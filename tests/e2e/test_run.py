"""Programs and Python on a device, over a real broker: whatever ends them, nothing stays."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from conftest import PATIENCE_S, ROOT
from fleet import CallError, Fleet, Run, keys
from provision import runtimes

LIMPET = [sys.executable, str(ROOT / "tools" / "limpet")]
WITHOUT = ("micropython",)  # those that can start no program: no `ffi`, no `_linux`


@pytest.fixture
def fleet(broker):
    with Fleet(broker.url, timeout=PATIENCE_S) as opened:
        yield opened


@pytest.fixture
def device(start_device, runtime, fleet):
    if runtime.name in WITHOUT:
        pytest.skip("starts no programs: no ffi there")
    started = start_device(runtime)
    allow(fleet, started)
    return started


def allow(fleet, device):
    """Wait until the device is there, and let it run code."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            fleet.call(device.name, "policy.set", {"code": True})
            return
        except Exception:
            if time.monotonic() > until:
                raise


def matching(word):
    """The processes that have `word` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


def sh(line, **params):
    return {"arguments": [line], "shell": True, **params}


def unique():
    """A number of seconds that only this test sleeps for."""
    return f"{100000 + time.monotonic_ns() % 10**9}"


def test_a_cancelled_program_is_gone_within_a_second_and_its_end_is_told(device, fleet):
    word = unique()
    # Deaf, and with grandchildren: only the end of the whole group ends them.
    line = f"trap '' TERM INT; echo up; for i in 1 2 3 4 5; do (sleep {word} & wait) & done; wait"
    with Run(fleet, device.name, "shell.run", sh(line)) as run:
        assert next(run.pieces()) == (1, b"up\n")
        wait_for(lambda: len(matching(word)) >= 5)
        begun = time.monotonic()
        told = fleet.call(device.name, "job.cancel", {"job": run.id})
        took = time.monotonic() - begun
        with pytest.raises(CallError) as caught:
            run.result()
    assert caught.value.code == "cancelled"
    assert caught.value.data["result"]["tail"] == "up\n"
    assert told["state"] == "cancelled"
    wait_for(lambda: not matching(word))
    print(f"cancelled in {took:.2f} s")
    assert took < 1 or device.runtime.name == "micropython-armhf" or took < 3 * load()


def load():
    return float(Path("/proc/loadavg").read_text().split()[0])


def test_nothing_outlives_an_agent_that_is_killed(device, fleet):
    word = unique()
    line = f"echo up; (sleep {word} & sleep {word}) & sleep {word}"
    with Run(fleet, device.name, "shell.run", sh(line)) as run:
        assert next(run.pieces()) == (1, b"up\n")
        wait_for(lambda: len(matching(word)) >= 3)
        device.kill()
        wait_for(lambda: not matching(word))
        device.start()
        with pytest.raises(CallError) as caught:
            run.result()
    assert caught.value.code == "interrupted"


def test_nothing_at_a_terminal_outlives_an_agent_that_is_killed(device, fleet):
    word = unique()
    line = f"set -m; trap '' HUP; nohup sleep {word} & echo up; sleep {word}"
    params = sh(line, terminal={"rows": 24, "columns": 80})
    with Run(fleet, device.name, "shell.run", params) as run:
        wait_for(lambda: len(matching(word)) >= 2)
        assert next(iter(run.pieces()))[0] == 1
        device.kill()
        wait_for(lambda: not matching(word))


def test_a_flood_of_output_stays_within_bounds_while_others_are_answered(device, fleet):
    fleet.call(device.name, "system.ping")
    before = device.status_kib("VmRSS")
    params = {"arguments": ["yes"], "output_bytes": 1 << 40}
    with Run(fleet, device.name, "shell.run", params) as run:
        size = 0
        for _, data in run.pieces():
            size += len(data)
            if size > 300_000:
                break
        for _ in range(10):
            fleet.call(device.name, "system.ping")
        fleet.call(device.name, "job.cancel", {"job": run.id})
        assert device.status_kib("VmRSS") < before + 4000
        with pytest.raises(CallError):
            run.result()


def test_output_and_input_of_megabytes_arrive_whole(device, fleet):
    data = bytes(range(256)) * 1024
    with Run(fleet, device.name, "shell.run", {"arguments": ["cat"], "input": True}) as run:
        assert run.send(data) and run.send(b"")
        assert b"".join(piece for _, piece in run.pieces()) == data
        assert run.result()["output_bytes"] == len(data) and run.lost == 0


def test_python_keeps_its_variables_and_a_loop_is_ended_by_its_time(device, fleet):
    def python(code, **params):
        with Run(fleet, device.name, "python.run", dict(params, code=code, session="s")) as run:
            output = b"".join(piece for _, piece in run.pieces())
            return run.result(), output

    assert python("x = 41")[0]["new"]
    assert python("print('out')\nx += 1")[1] == b"out\n"
    assert python("x")[0]["value"] == "42"
    with pytest.raises(CallError) as caught:
        python("while True: pass", timeout_s=0.3)
    assert caught.value.code == "timeout"
    assert python("x")[0]["value"] == "42"


def test_what_outlasts_the_wait_for_an_answer_is_followed_as_a_job(start_device, fleet):
    device = start_device(runtimes.get("cpython"))
    allow(fleet, device)
    params = sh("echo a; sleep 0.5; echo b; exit 4")
    with Run(fleet, device.name, "shell.run", params, 60, 0.1) as run:
        assert b"".join(data for _, data in run.pieces()) == b"a\nb\n"
        assert run.result()["status"] == 4
    with Run(fleet, device.name, "shell.run", sh("sleep 0.5"), 60, 0.1) as run:
        assert list(run.pieces()) == [] and run.result()["status"] == 0


def test_code_is_off_until_the_policy_allows_it(start_device, fleet):
    device = start_device(runtimes.get("cpython"))
    allow(fleet, device)
    fleet.call(device.name, "policy.set", {"code": False})
    for method, params in (("shell.run", sh("true")), ("python.run", {"code": "1"})):
        with pytest.raises(CallError) as caught:
            fleet.call(device.name, method, params)
        assert caught.value.code == "denied"


@pytest.mark.parametrize("name", ("cpython", "micropython-gil"))
def test_with_a_key_output_and_input_are_sealed(start_device, broker, name):
    ann = keys.new("ann")
    device = start_device(runtimes.get(name))
    device.kill()
    data = device.config.parent / "data"
    data.mkdir(exist_ok=True)
    permissions = ("read", "act", "files", "code", "update", "admin")
    entry = ann.provision_for(device.name, permissions)
    (data / "keys.json").write_text(json.dumps({"keys": [entry]}))
    device.start()
    stranger = keys.new("ann")  # of that name, and not her
    with Fleet(broker.url, timeout=PATIENCE_S, key=ann) as fleet:
        allow(fleet, device)
        with Run(fleet, device.name, "shell.run", {"arguments": ["cat"], "input": True}) as run:
            with Fleet(broker.url, key=stranger) as other:
                other.send(device.name, f"stream/{run.id}/in", b'{"n": 0}\nforged')
            with Fleet(broker.url, key=None) as other:
                other.send(device.name, f"stream/{run.id}/in", b'{"n": 0}\nbare')
            run.send(b"true")
            run.send(b"")
            assert b"".join(piece for _, piece in run.pieces()) == b"true"
            assert run.result()["status"] == 0


@pytest.fixture
def limpet(broker, start_device, fleet):
    """Runs limpet against a device called by its name: `limpet("run", ..., stdin=b"")`."""
    device = start_device(runtimes.get("cpython"))
    allow(fleet, device)

    def run(command, *words, stdin=b""):
        return subprocess.run(
            [*LIMPET, "--broker", broker.url, command, *words[:-1], device.name, *words[-1]],
            input=stdin, capture_output=True, timeout=60,
        )  # fmt: skip

    run.device = device
    return run


def test_limpet_run_is_as_if_the_program_ran_here(limpet):
    done = limpet("run", "--sh", ["echo o; echo e >&2; exit 7"])
    assert (done.returncode, done.stdout, done.stderr) == (7, b"o\n", b"e\n")
    done = limpet("run", "-i", ["--", "tr", "a-z", "A-Z"], stdin=b"abc" * 100000)
    assert (done.returncode, done.stdout) == (0, b"ABC" * 100000)
    assert limpet("run", ["printf", "%s|", "a b", "*"]).stdout == b"a b|*|"
    assert limpet("run", ["--", "sh", "-c", "kill -9 $$"]).returncode == 128 + 9
    assert limpet("run", ["no-such-program"]).returncode == 127
    assert limpet("run", "--limit", "0.2", ["sleep", "9"]).returncode == 124


def test_ctrl_c_in_limpet_run_ends_the_program_there(limpet, broker):
    word = unique()
    words = [*LIMPET, "--broker", broker.url, "run", limpet.device.name, "--sh"]
    here = subprocess.Popen([*words, f"echo up; sleep {word}"], stdout=subprocess.PIPE)
    assert here.stdout.readline() == b"up\n"
    wait_for(lambda: any(Path(f"/proc/{p}/comm").read_text() == "sleep\n" for p in matching(word)))
    here.send_signal(signal.SIGINT)
    assert here.wait(PATIENCE_S) == 130
    here.stdout.close()
    wait_for(lambda: not matching(word))


def test_limpet_shell_reads_blocks_from_a_pipe(limpet):
    text = b"x = 5\nfor i in range(2):\n    print(i)\n\nx + 1\n"
    done = limpet("shell", [], stdin=text)
    assert (done.returncode, done.stdout) == (0, b"0\n1\n6\n"), done.stderr
    done = limpet("shell", [], stdin=b"1 // 0\nprint('not reached')\n")
    assert (done.returncode, done.stdout) == (1, b"") and b"ZeroDivisionError" in done.stderr
    done = limpet("shell", "--sh", [], stdin=b"cd /tmp\npwd\nfalse\n")
    assert (done.returncode, done.stdout) == (1, b"/tmp\n"), done.stderr


class Person:
    """Somebody at a terminal, before a `limpet` command: sees, and types."""

    def __init__(self, broker, folder, *words):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 99, 0, 0))
        self.process = subprocess.Popen(
            [*LIMPET, "--broker", broker.url, *words],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=dict(os.environ, XDG_STATE_HOME=str(folder), TERM="xterm"),
        )  # fmt: skip
        os.close(slave)
        self._seen = b""

    def sees(self, text):
        while text not in self._seen:
            assert select.select([self.master], [], [], PATIENCE_S)[0], (text, self._seen)
            self._seen += os.read(self.master, 4096)
            if b"\x1b[6n" in self._seen:  # where is the cursor?
                self._seen = self._seen.replace(b"\x1b[6n", b"")
                os.write(self.master, b"\x1b[1;1R")
        self._seen = self._seen.partition(text)[2]

    def types(self, text, after=b">>>"):
        self.sees(after)
        os.write(self.master, text)

    def resizes(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def leaves(self):
        """The status that the command ends with."""
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:  # who does not read keeps it from ending
            assert time.monotonic() < end
            if select.select([self.master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self._seen += os.read(self.master, 4096)
        os.close(self.master)
        return self.process.returncode


def test_a_prompt_runs_on_the_device_and_ctrl_c_reaches_it(limpet, broker, tmp_path):
    """As a person does: a terminal, keys, and what then stands there."""
    person = Person(broker, tmp_path, "shell", limpet.device.name)
    person.types(b"6 * 7\r")
    person.sees(b"42")
    person.types(b"import time; print('u' + 'p'); time.sleep(1000)\r")
    person.sees(b"up")
    os.write(person.master, b"\x03")
    person.sees(b"KeyboardInterrupt")
    person.types(b"'a' * 3\r")
    person.sees(b"'aaa'")
    person.types(b"input()\r")
    person.sees(b"nobody to ask")
    person.types(b"\x04")
    assert person.leaves() == 0
    assert b"6 * 7" in (tmp_path / "limpet" / "history-python").read_bytes()


def test_exit_leaves_the_prompt_as_a_person_expects(limpet, broker, tmp_path):
    for text, status in ((b"exit()\r", 0), (b"import sys; sys.exit(3)\r", 3)):
        person = Person(broker, tmp_path, "shell", limpet.device.name)
        person.types(text)
        assert person.leaves() == status


def test_the_devices_shell_stands_at_a_terminal(limpet, broker, tmp_path):
    word = unique()
    person = Person(broker, tmp_path, "shell", "--sh", limpet.device.name)
    person.sees(b"leave it")
    os.write(person.master, b"PS1=re''ady:; stty size\r")
    person.sees(b"30 99")
    person.types(b"cat - /no/%s; sleep %s\r" % (word.encode(), word.encode()), b"ready:")
    wait_for(lambda: matching("/no/" + word))
    os.write(person.master, b"\x04")  # the end of cat's input, and no more
    wait_for(lambda: matching(word))
    os.write(person.master, b"\x03")
    wait_for(lambda: not matching(word))
    person.resizes(50, 132)
    person.types(b"while :; do stty size; sleep 0.1; done\r", b"ready:")
    person.sees(b"50 132")
    os.write(person.master, b"\x03")
    person.types(b"sleep %s & exit 7\r" % word.encode(), b"ready:")
    assert person.leaves() == 7
    wait_for(lambda: not matching(word))


def test_the_way_out_of_a_terminal_ends_what_runs_there(limpet, broker, tmp_path):
    word = unique()
    words = ("run", "-t", limpet.device.name, "sh", "-c", f"echo up; trap '' INT; sleep {word}")
    person = Person(broker, tmp_path, *words)
    person.sees(b"up")
    os.write(person.master, b"\x1d.")
    assert person.leaves() == 130
    wait_for(lambda: not matching(word))


def test_where_no_other_interpreter_can_be_started_inside_is_offered(
    start_device, broker, fleet, tmp_path
):
    device = start_device(runtimes.get("micropython"))
    allow(fleet, device)
    person = Person(broker, tmp_path, "shell", device.name)
    person.sees(b"stops the device")
    person.types(b"n\r", b"[y/N]")
    assert person.leaves() == 1
    person = Person(broker, tmp_path, "shell", device.name)
    person.types(b"y\r", b"[y/N]")
    person.types(b"6 * 7\r")
    person.sees(b"42")
    person.types(b"\x04")
    assert person.leaves() == 0
