"""`mip`, as every MicroPython has it, installs the agent from package.json, over loopback."""

import functools
import http.server
import os
import subprocess
import sys
import threading

import pytest
from conftest import ROOT
from flashing import package
from provision import Unavailable, runtimes
from pty_board import PtyBoard

LISTED = ROOT / "package.json"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *words):
        """Not on the terminal."""


@pytest.fixture
def url():
    """Where this tree is served."""
    handler = functools.partial(Quiet, directory=str(ROOT))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "http://127.0.0.1:%d" % server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_list_names_every_module_that_a_board_can_run():
    text = package.text(str(ROOT))
    assert LISTED.read_text() == text, "python3 tools/flashing/package.py > package.json"


def test_mip_installs_the_agent_and_it_starts(url, tmp_path):
    try:
        interpreter = runtimes.get("micropython").path
    except Unavailable as reason:
        pytest.skip(str(reason))
    target = tmp_path / "lib"
    words = [interpreter, "-m", "mip", "install", "--target", str(target), url + "/package.json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "Done" in done.stdout, done.stdout + done.stderr
    lib = {"MICROPYPATH": ".frozen:" + str(target), "PATH": os.environ["PATH"]}
    code = "import agent.__main__ as m, limpet_start; print(m.main(['--version']))"
    words = [interpreter, "-c", code]
    done = subprocess.run(words, env=lib, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0.1.0", "0"], done.stdout + done.stderr


@pytest.mark.skipif(os.environ.get("LIMPET_SIZE") != "full", reason="at full size only")
def test_mpremote_installs_it_on_a_board_too(tmp_path):
    board = PtyBoard(runtimes.get("micropython").path, tmp_path, blocks=1000)
    board.power_on()
    code = "import sys; sys.path.append('/lib'); import agent.__main__; print('it is there')"
    mpremote = [sys.executable, "-m", "mpremote", "connect", board.device, "resume"]
    try:
        words = [*mpremote, "mip", "install", "--target", "/lib", str(LISTED), "+", "exec", code]
        done = subprocess.run(words, capture_output=True, text=True, timeout=500)
    finally:
        board.close()
    assert done.returncode == 0 and "it is there" in done.stdout, done.stdout[-500:] + done.stderr
