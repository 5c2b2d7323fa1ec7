"""agent/commands/paths.py: what may name a file, by table."""

from support import raises

from agent.commands.paths import MOST_NAME, parse
from agent.errors import BadParams

GOOD = (
    ("files", ("files", ())),
    ("files/", ("files", ())),
    ("files/a", ("files", ("a",))),
    ("files/a b/ü.txt", ("files", ("a b", "ü.txt"))),
    ("files/..a/...", ("files", ("..a", "..."))),
    ("files/" + "n" * MOST_NAME, ("files", ("n" * MOST_NAME,))),
    ("files/-rf/$(x)/*", ("files", ("-rf", "$(x)", "*"))),
)
HOSTILE = (
    "",
    "/",
    "/etc/passwd",
    "//files/a",
    "files//a",
    "files/a//",
    "..",
    "../etc",
    "files/..",
    "files/../..",
    "files/a/../../../etc/passwd",
    "./files",
    "files/.",
    "files/./a",
    "files/a\0b",
    "files/a\0/../../etc",
    "files/a\nb",
    "files/\x1b[2J",
    "files/a\x7f",
    "files/" + "n" * (MOST_NAME + 1),
    "files/" + "ü" * 128,
    "files/" + "a/" * 300,
)


def test_a_plain_path_is_a_root_and_names():
    for path, expected in GOOD:
        assert parse(path) == expected, path


def test_what_is_not_plain_is_refused_and_shown_without_control_characters():
    for path in HOSTILE:
        error = raises(BadParams, parse, path, "to")
        assert error.message.startswith("to: "), path
        assert all([ord(c) >= 32 for c in error.message]), path
        assert len(error.message) < 200
