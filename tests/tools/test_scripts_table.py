"""The table of others' scripted tests, tests/SCRIPTS.md, is made from the list that they keep to.

python3 tests/tools/test_scripts_table.py
"""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS / "SCRIPTS.md"
sys.path.append(str(TESTS / "scripted"))

import listed  # noqa: E402 - found through the path set above


def make_table():
    """The text of tests/SCRIPTS.md."""
    lines = [
        "# What other clients' scripted tests ask of ours",
        "",
        "Made from `corpus/mqtt_scripts.txt` by `tools/test_scripts_table.py`; run by",
        "`scripted/`.",
    ]
    for name, (passing, never, differing, count) in listed.read().items():
        lines += ["", "## %s" % name, ""]
        if count:
            others = sum(one.count for one in differing)
            lines.append("%d of %d end as their script wants." % (count - others, count))
            lines += ["", "| sequence | how many | ours | why |", "| --- | --- | --- | --- |"]
            words = [
                "`%s` | %d | %s | %s" % (d.name, d.count, d.does, d.reason) for d in differing
            ]
            lines += ["| %s |" % word for word in words]
            continue
        lines.append("%d pass, %d not applicable." % (len(passing), len(never)))
        lines += ["", "| script | | why not |", "| --- | --- | --- |"]
        lines += ["| `%s` | %s | %s |" % row for row in rows(passing, never)]
    return "\n".join(lines) + "\n"


def rows(passing, never):
    """Each script with what comes of it, in the order of their names."""
    found = [(name, "pass", "") for name in passing]
    return sorted(found + [(name, "not applicable", why) for name, why in never.items()])


def test_the_table_is_the_one_that_the_list_makes():
    assert TABLE.read_text() == make_table()


def test_no_script_is_listed_twice():
    for passing, never, _, _ in listed.read().values():
        assert len({*passing, *never}) == len(passing) + len(never)


def test_what_is_not_as_theirs_says_why():
    for _, never, differing, _ in listed.read().values():
        reasons = [*never.values(), *(one.reason for one in differing)]
        assert all(len(reason) > 15 for reason in reasons)


if __name__ == "__main__":
    TABLE.write_text(make_table())
