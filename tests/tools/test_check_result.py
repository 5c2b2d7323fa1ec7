"""tools/checks/result.py: counts are read from what the runs printed."""

import sys

from checks import result

RUNNER = (
    "skipped a.py::x - no _linux\nskipped a.py::y - no _linux\n7 passed, 1 failed, 2 skipped\n"
)
PYTEST = (
    "SKIPPED [3] tests/a.py:5: too old\n==== 2 failed, 9 passed, 3 skipped, 1 error in 4.2s ====\n"
)


def test_the_runner_line_is_read():
    assert result.count(RUNNER) == (7, 1, 2)
    assert result.skip_reasons(RUNNER) == ["2 skipped: no _linux"]


def test_the_last_line_of_pytest_is_read_and_errors_are_failures():
    assert result.count(PYTEST) == (9, 3, 3)
    assert result.skip_reasons(PYTEST) == ["3 skipped: too old"]


def test_output_without_counts_counts_nothing():
    assert result.count("all fine\n") == (0, 0, 0)


def run(tmp_path, monkeypatch, text, status):
    monkeypatch.setattr(result, "log_path", lambda name: str(tmp_path / name))
    code = "print(%r); raise SystemExit(%d)" % (text, status)
    return result.run_tests("x", [sys.executable, "-c", code], 20)


def test_a_run_without_a_test_has_failed(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, "0 passed, 0 failed, 0 skipped", 0).failed == 1


def test_a_line_that_says_figure_becomes_a_note(tmp_path, monkeypatch):
    text = "\nfigure: 7 bytes\n.\nno figure: 8\n3 passed in 1.00s"
    done = run(tmp_path, monkeypatch, text, 0)
    assert (done.passed, done.notes) == (3, ["7 bytes"])


def test_a_status_other_than_0_is_a_failure_whatever_was_counted(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, "3 passed, 0 failed, 0 skipped", 1).failed == 1
    assert run(tmp_path, monkeypatch, "3 passed, 0 failed, 0 skipped", 0).failed == 0


def test_a_run_that_takes_too_long_is_ended_and_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(result, "log_path", lambda name: str(tmp_path / name))
    endless = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert result.run_tests("x", endless, 0.2).failed == 1
    assert "its limit" in (tmp_path / "x").read_text()
