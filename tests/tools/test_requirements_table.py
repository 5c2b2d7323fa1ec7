"""Every numbered statement of MQTT 5.0 and 3.1.1 is shown by a test that exists, or is not ours.

The table for people, tests/REQUIREMENTS.md, is made from the same file:

    python3 tests/tools/test_requirements_table.py
"""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
DATA = TESTS / "corpus" / "mqtt_requirements.txt"
TABLE = TESTS / "REQUIREMENTS.md"

# How many numbers each section has: the summaries of the two standards (appendix B).
SECTIONS = {
    "MQTT 5.0": {
        "1.5.4": 3, "1.5.5": 1, "1.5.7": 1, "2.1.3": 1, "2.2.1": range(2, 7), "2.2.2": 1,
        "3.1.0": 2, "3.1.2": 30, "3.1.3": 12, "3.1.4": 6, "3.2.0": 2, "3.2.2": 22, "3.3.1": 13,
        "3.3.2": 20, "3.3.4": 10, "3.4.2": 3, "3.5.2": 3, "3.6.1": 1, "3.6.2": 3, "3.7.2": 3,
        "3.8.1": 1, "3.8.3": 5, "3.8.4": 8, "3.9.2": 2, "3.9.3": 2, "3.10.1": 1, "3.10.3": 2,
        "3.10.4": 6, "3.11.2": 2, "3.11.3": 2, "3.12.4": 1, "3.14.0": 1, "3.14.1": 1, "3.14.2": 4,
        "3.14.4": 3, "3.15.1": 1, "3.15.2": 3, "4.1.0": 2, "4.2.0": 1, "4.3.1": 1, "4.3.2": 5,
        "4.3.3": 13, "4.4.0": 2, "4.5.0": 2, "4.6.0": 6, "4.7.0": 1, "4.7.1": 2, "4.7.2": 1,
        "4.7.3": 4, "4.8.2": 6, "4.9.0": 3, "4.12.0": 7, "4.12.1": 2, "4.13.1": 1, "4.13.2": 1,
        "6.0.0": 4,
    },
    "MQTT 3.1.1": {
        "1.5.3": 3, "2.2.2": 2, "2.3.1": 7, "3.1.0": 2, "3.1.2": 24, "3.1.3": 11, "3.1.4": 5,
        "3.2.0": 1, "3.2.2": 6, "3.3.1": 12, "3.3.2": 3, "3.3.4": 1, "3.3.5": 2, "3.6.1": 1,
        "3.8.1": 1, "3.8.3": 4, "3.8.4": 6, "3.9.3": 2, "3.10.1": 1, "3.10.3": 2, "3.10.4": 6,
        "3.12.4": 1, "3.14.1": 1, "3.14.4": 3, "4.1.0": 2, "4.3.1": 1, "4.3.2": 2, "4.3.3": 2,
        "4.4.0": 1, "4.5.0": 2, "4.6.0": 6, "4.7.1": 3, "4.7.2": 1, "4.7.3": 4, "4.8.0": 2,
        "6.0.0": 4,
    },
}  # fmt: skip


def numbers(standard):
    """Every number of a standard, in its order."""
    for section, count in SECTIONS[standard].items():
        for number in count if isinstance(count, range) else range(1, count + 1):
            yield "%s-%d" % (section, number)


def read():
    """{standard: {number: [what shows it]}}."""
    found = {}
    for line in DATA.read_text().splitlines():
        if line.startswith("["):
            answers = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            what, listed = line.rsplit(": ", 1)
            for number in listed.split():
                answers.setdefault(number, []).append(what)
    return found


def make_table():
    """The text of tests/REQUIREMENTS.md."""
    lines = [
        "# What MQTT asks of a client, by number, and what shows it",
        "",
        "Made from `corpus/mqtt_requirements.txt` by `tools/test_requirements_table.py`; numbers",
        "are those of the OASIS standards, as `[MQTT-3.1.0-1]` there.",
    ]
    for standard, answers in read().items():
        kinds = [words(answers[number][0])[0] for number in numbers(standard)]
        lines += ["", "## %s" % standard, ""]
        lines.append(", ".join("%d %s" % (kinds.count(k), k) for k in sorted(set(kinds))) + ".")
        lines += ["", "| number | | shown by, or why not |", "| --- | --- | --- |"]
        for number in numbers(standard):
            told = [words(one) for one in answers[number]]
            reasons = "<br>".join(reason for _, reason in told)
            lines.append("| %s | %s | %s |" % (number, told[0][0], reasons))
    return "\n".join(lines) + "\n"


def words(what):
    """(pass or not applicable, the test or the reason)."""
    if what == "broker":
        return "not applicable", "a broker's duty"
    if what.startswith("never "):
        return "not applicable", what[len("never ") :]
    return "pass", "`%s`" % what.replace("::", "` `")


def test_every_number_has_an_answer_and_no_other_has():
    for standard, answers in read().items():
        assert sorted(answers) == sorted(numbers(standard)), (
            standard,
            sorted(set(answers) ^ set(numbers(standard))),
        )


def test_every_test_that_is_named_exists():
    known = {}
    for answers in read().values():
        for what in {one for told in answers.values() for one in told}:
            if "::" not in what:
                continue
            file, name = what.split("::")
            if file not in known:
                tree = ast.parse((TESTS / file).read_text())
                known[file] = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
            assert name in known[file], what


def test_the_table_is_the_one_that_the_file_makes():
    assert TABLE.read_text() == make_table()


def test_numbers_have_their_form():
    for answers in read().values():
        assert all(re.fullmatch(r"\d\.\d+\.\d-\d+", number) for number in answers)


if __name__ == "__main__":
    TABLE.write_text(make_table())
