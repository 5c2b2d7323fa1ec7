"""Programs that set-up runs are watched, and their failure is told with its reason."""

import os
import re
import sys

import pytest
from provision import Unavailable, steps


def test_the_output_of_a_program_comes_back():
    assert steps.run([sys.executable, "-c", "print('hello')"], "greeting") == "hello\n"


def test_a_failing_program_is_reported_with_purpose_status_and_last_lines():
    program = "import sys\nfor n in range(100): print('line', n)\nsys.exit(7)"
    with pytest.raises(Unavailable) as caught:
        steps.run([sys.executable, "-c", program], "counting")
    text = str(caught.value)
    assert text.startswith("counting: ") and "ended with status 7" in text
    assert text.endswith("line 99") and "line 80" not in text


def test_a_missing_program_is_reported_with_the_purpose():
    with pytest.raises(Unavailable, match="knitting: cannot run /no/such/program: No such file"):
        steps.run(["/no/such/program"], "knitting")


def test_a_long_step_shows_seconds_and_the_last_line(monkeypatch, tmp_path):
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    shown = []

    class Watcher:
        """A stderr that lets the program end once it has been reported on."""

        def write(self, text):
            if not shown:
                open(fifo, "w").close()
            shown.append(text)

        def flush(self):
            pass

        def isatty(self):
            return False

    monkeypatch.setattr(steps, "_REPORT_S", 0.01)
    monkeypatch.setattr(sys, "stderr", Watcher())
    program = "import sys\nprint('half way', flush=True)\nopen(sys.argv[1]).read()"
    steps.run([sys.executable, "-c", program, fifo], "walking")
    assert re.fullmatch(r"  +0 s  (half way)?\n", shown[0])


def test_nothing_is_written_to_stdout(capfd):
    with steps.step("resting"):
        steps.run([sys.executable, "-c", "print('noise')"], "resting")
    out, errors = capfd.readouterr()
    assert out == ""
    assert errors.startswith("limpet: resting ...\nlimpet: resting: ")
