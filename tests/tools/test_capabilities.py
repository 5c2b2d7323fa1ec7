"""`agent/devices/CAPABILITIES.md` is what the runtimes say today."""

import subprocess
import sys

from checks import capabilities
from provision import runtimes


def test_the_table_of_capabilities_is_current():
    found, lacking = capabilities.answers()
    assert set(found) | set(lacking) == {*runtimes.NAMES, "limpetd", "board"}
    with open(capabilities.PATH, encoding="utf-8") as file:
        text = file.read()
    written = columns(text.replace(capabilities.shown(), ""))
    told = columns(capabilities.table(found).replace(capabilities.shown(), ""))
    for name in told:
        assert written[name] == told[name], "run: python -m checks.capabilities --write"


def test_the_table_of_what_was_run_where_is_that_of_the_tests():
    with open(capabilities.PATH, encoding="utf-8") as file:
        assert file.read().endswith(capabilities.shown()), (
            "run: python -m checks.capabilities --write"
        )
    for name in ("gpio", "spi", "adc", "pwm", "led", "onewire"):
        row = [
            line for line in capabilities.shown().splitlines() if line.startswith("| %s " % name)
        ]
        assert "M C" in row[0], row  # over MQTT, and held to its contract, on a real driver


def columns(text):
    """{heading: cells} of the table in a text."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row[0].startswith("---")]
    # A last cell that is empty leaves no trace of its own.
    width = len(rows[0])
    rows = [row + [""] * (width - len(row)) for row in rows]
    return {rows[0][i]: [row[i].strip(" |") for row in rows[1:]] for i in range(width)}


def test_a_runtime_says_what_it_lacks():
    done = subprocess.run(
        [sys.executable, capabilities.SCRIPT], capture_output=True, text=True, check=True
    )
    assert '"attribute machine Pin": "' in done.stdout
