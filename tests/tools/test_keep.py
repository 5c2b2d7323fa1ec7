"""`tools/keep` and `tools/broker`: the first steps of a newcomer, and how they end."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
PATIENCE_S = 60


def keep(script, *words):
    """What `tools/keep` does with a shell script; {0} in it is a file of its own."""
    command = [str(TOOLS / "keep"), "sh", "-c", script, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_any_other_status_ends_it(status):
    done = keep("echo once; exit %d" % status)
    assert (done.stdout, done.returncode) == ("once\n", status)


def test_a_restart_and_a_crash_start_the_agent_again(tmp_path):
    count = tmp_path / "count"
    script = "echo x >> '%s'; case $(wc -l < '%s') in 1) exit 75;; 2) exit 70;; 3) exit 3;; esac"
    done = keep(script % (count, count))
    assert count.read_text() == "x\n" * 3 and done.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_what_it_keeps(number):
    script = "echo $$; exec sleep 600"
    process = subprocess.Popen(
        [str(TOOLS / "keep"), "sh", "-c", script], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert int(process.stdout.readline()) > 1
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout.read() == ""  # its end has come too: nobody holds the pipe


def test_without_a_command_it_says_what_it_is_for():
    done = subprocess.run([str(TOOLS / "keep")], capture_output=True, text=True)
    assert done.returncode == 2 and "tools/keep python3 -m agent" in done.stdout


def broker(*words):
    command = [sys.executable, str(TOOLS / "broker"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_broker_runs_until_it_is_asked_to_end():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with broker("--port", str(port)) as second:
            _, said = second.communicate(timeout=PATIENCE_S)
            assert second.returncode == 1 and "in use" in said
    with broker("--port", str(port)) as process:
        assert "mqtt://127.0.0.1:%d" % port in process.stdout.readline()
        socket.create_connection(("127.0.0.1", port)).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_out_of_range_is_told():
    with broker("--port", "70000") as process:
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2 and "from 1 to 65535, not 70000" in said
