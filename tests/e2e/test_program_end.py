"""A program ends when its last thread that is no daemon does, on every runtime."""

import os
import subprocess

import pytest
from conftest import ROOT

# Each thread starts the next one as its last act, so that none but the first was there when the
# main program ended.
_CHAIN = """\
import threading, time

def work(left):
    time.sleep(0.05)
    print(left)
    if left:
        threading.Thread(target=work, args=(left - 1,)).start()

threading.Thread(target=work, args=(3,)).start()
print("end")
"""
_DAEMON = """\
import threading, time

threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("end")
"""


def run(runtime, program, folder):
    path = folder / "program.py"
    path.write_text(program)
    environment = dict(os.environ, MICROPYPATH=str(ROOT / "compat"))
    command = [runtime.path, str(path)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, cwd=folder
    )


def test_threads_that_others_start_at_the_end_are_waited_for(runtime, tmp_path):
    done = run(runtime, _CHAIN, tmp_path)
    assert (done.stdout, done.stderr) == ("end\n3\n2\n1\n0\n", "")


def test_a_daemon_is_not_waited_for(runtime, tmp_path):
    if runtime.threads == "unsafe":
        pytest.skip("a thread that is still there ends the process as it may")
    done = run(runtime, _DAEMON, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("end\n", "", 0)
