"""tools/fleet/cli/explain.py: the remedy fits the error."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from fleet.cli import explain
from fleet.errors import CallError

QUOTE = "quote twice"


class Fleet:
    """A fleet whose devices have two commands."""

    def commands(self, _device):
        return [{"name": "system.ping"}, {"name": "schedule.add"}]


def told(method, code, message):
    error = CallError(code, message, None, "pump", method)
    return " ".join(explain.explain(error, Fleet()))


@pytest.mark.parametrize(
    ("message", "is_hinted"),
    [
        ("text: expected a string, got 5", True),
        ("text: expected a string of at most 9 characters, got true", True),
        ("text: missing; expected a string", False),
        ('text: expected a string of at most 3 characters, got "hello"', False),
        ("degrees: expected a number, got null", False),
    ],
)
def test_the_hint_on_quoting_comes_where_quoting_helps(message, is_hinted):
    assert (QUOTE in told("system.echo", "bad-params", message)) == is_hinted


def test_the_near_name_is_of_the_command_that_is_missing_and_not_of_its_carrier():
    message = "system.pin: this device has no such command; rpc.list names all"
    for method in ("system.pin", "schedule.add"):
        text = told(method, "unknown-method", message)
        assert "did you mean system.ping?" in text, text
