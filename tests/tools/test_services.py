"""The files that start limpetd as a service, as the systems' own tools read them."""

import shutil
import subprocess
from pathlib import Path

import pytest

SERVICES = Path(__file__).resolve().parents[2] / "firmware" / "linux" / "services"


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "limpetd.service"
    unit.write_text((SERVICES / unit.name).read_text().replace("/usr/sbin/limpetd", "/bin/true"))
    done = run("systemd-analyze", "verify", str(unit))
    said = [line for line in done.stderr.splitlines() if "limpetd.service" in line]
    assert done.returncode == 0 and said == [], done.stderr
    assert "Type=notify" in unit.read_text() and "WatchdogSec=" in unit.read_text()


@pytest.mark.parametrize("name", ["limpetd.sh", "limpetd.openrc"])
def test_a_shell_reads_the_script(name):
    assert run("sh", "-n", str(SERVICES / name)).returncode == 0


def test_shellcheck_finds_nothing_wrong_with_the_script():
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here")
    done = run("shellcheck", str(SERVICES / "limpetd.sh"))
    assert done.returncode == 0, done.stdout


def test_a_word_that_is_no_verb_is_refused():
    done = run("sh", str(SERVICES / "limpetd.sh"), "dance")
    assert done.returncode == 2 and done.stderr.startswith("usage: ")
