"""The frame of tools/bench: what a bench yields is what is printed, written and judged."""

import json
import types

import pytest
from benches import frame, records, report
from benches.records import Missing, Note, Row, Subject, Target


def row(case, subject, metric, value):
    return Row("toy", case, subject, metric, value, "us")


ROWS = (
    row("one", "ours", "p50_us", 150.0),
    row("one", "peer", "p50_us", 100.0),
    row("two", "ours", "p50_us", 30.0),
)


def make_bench(items, **members):
    """A bench module made by hand."""
    module = types.ModuleType("benches.toy", "A toy.\n\nMore of it.")
    module.NAME = "toy"
    module.run = lambda options: iter(items)
    for name, value in members.items():
        setattr(module, name, value)
    return module


@pytest.fixture
def run_main(monkeypatch, capsys):
    """Run the command with one toy bench: (status, stdout, stderr)."""

    def run(module, *arguments):
        monkeypatch.setattr(frame, "find_benches", lambda: {"toy": module})
        status = frame.main(list(arguments))
        return (status, *capsys.readouterr())

    return run


def test_every_bench_of_the_package_has_a_name_a_line_and_a_run():
    found = frame.find_benches()
    assert {"rpc", "idle", "start"} <= set(found)
    for name, module in found.items():
        assert name == module.NAME
        assert frame.summarise(module).endswith(".")
        assert callable(module.run)


def test_the_command_alone_lists_the_benches(run_main):
    status, out, _ = run_main(make_bench(()))
    assert status == 0
    assert "  toy  A toy.\n" in out


def test_the_written_rows_have_exactly_the_six_members(run_main, tmp_path):
    path = tmp_path / "rows.json"
    status, _, _ = run_main(make_bench(ROWS), "toy", "--json", str(path))
    written = json.loads(path.read_text())
    assert status == 0
    assert written == [item._asdict() for item in ROWS]
    assert list(written[0]) == ["bench", "case", "subject", "metric", "value", "unit"]


def test_a_file_that_cannot_be_written_is_refused_before_the_run(run_main, tmp_path):
    def run(options):
        raise AssertionError("the bench ran")
        yield

    path = str(tmp_path / "absent" / "rows.json")
    status, out, error = run_main(make_bench((), run=run), "toy", "--json", path)
    assert status == 1
    assert "cannot write " + path in error
    assert out == ""


def test_a_bench_that_cannot_run_says_why(run_main):
    def run(options):
        raise records.BenchError("no broker here")
        yield

    status, _, error = run_main(make_bench((), run=run), "toy")
    assert (status, error) == (1, "tools/bench toy: no broker here\n")


def test_a_bench_without_one_figure_fails(run_main):
    status, out, _ = run_main(make_bench([Missing("peer", "not packaged")]), "toy")
    assert status == 1
    assert "peer: not packaged" in out


def test_the_report_names_machine_subjects_figures_ratios_and_what_is_missing(run_main):
    items = (
        *ROWS,
        Subject("ours", "version 9"),
        Missing("other", "no compiler", "two"),
        Note("Measured in a test."),
    )
    _, out, _ = run_main(make_bench(items, PEERS=("peer",)), "toy")
    assert "machine: " in out
    assert "ours: version 9" in out
    assert "other (two): no compiler" in out
    assert "Measured in a test." in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "one p50_us" in lines
    assert "ours 150.0" in lines
    assert "one p50_us ours 1.5" in lines


def test_a_figure_that_one_subject_lacks_leaves_its_columns_alone():
    lines = report.format_case("one", [*ROWS, row("one", "peer", "p99_us", 7.0)]).splitlines()
    assert [line.split() for line in lines] == [
        ["one", "p50_us", "p99_us"],
        ["ours", "150.0", "-"],
        ["peer", "100.0", "7"],
    ]


def test_a_target_is_judged_by_the_ratio_when_it_names_a_peer():
    cases = (
        (Target("one", "ours", "p50_us", "<=", 2.0, "peer"), 1.5, True),
        (Target("one", "ours", "p50_us", "<=", 1.4, "peer"), 1.5, False),
        (Target("one", "ours", "p50_us", ">=", 1.5, "peer"), 1.5, True),
        (Target("two", "ours", "p50_us", "<=", 30), 30.0, True),
        (Target("two", "ours", "p50_us", ">=", 31), 30.0, False),
        (Target("two", "ours", "p50_us", "<=", 2.0, "peer"), None, None),
    )
    for target, measured, met in cases:
        assert records.judge(target, ROWS) == (target, measured, met)


def test_a_missed_target_is_printed_and_fails_nothing(run_main):
    target = Target("one", "ours", "p50_us", "<=", 1.0, "peer")
    status, out, _ = run_main(make_bench(ROWS, TARGETS=(target,)), "toy")
    assert status == 0
    assert "one p50_us: ours / peer <= 1" in out
    assert "not met" in out


def test_a_divisor_of_zero_gives_no_ratio():
    rows = [row("one", "ours", "p50_us", 5.0), row("one", "peer", "p50_us", 0.0)]
    assert records.divide(rows, "one", "p50_us", "ours", "peer") is None
