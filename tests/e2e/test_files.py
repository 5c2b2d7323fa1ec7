"""Files over a real broker: what is interrupted goes on, what is hostile gets nowhere."""

import os
import random
import subprocess
import sys

import pytest
from conftest import ROOT
from fleet import CallError, FileError, Files, Fleet
from provision import runtimes

LIMPET = [sys.executable, str(ROOT / "tools" / "limpet")]
SIZE = 1_000_000
SEED = 4


@pytest.fixture
def content():
    print("seed", SEED)
    return random.Random(SEED).randbytes(SIZE)


@pytest.fixture
def fleet(broker):
    with Fleet(broker.url, timeout=2) as opened:
        yield opened


@pytest.fixture
def device(start_device, runtime):
    return start_device(runtime)


@pytest.fixture
def one_device(start_device):
    """For what is the caller's side: one runtime is as good as another."""
    return start_device(runtimes.get("cpython"))


def files_of(fleet, device):
    files = Files(fleet, device.name)
    files.roots()  # asked until the device is there
    return files


def root_of(device):
    return device.config.parent / "data" / "files"


class KilledInTheMiddle:
    """Told how far a copy is, it kills the device once and starts it again."""

    def __init__(self, device):
        self.device = device
        self.killed_at = None
        self.went_on_at = None

    def __call__(self, done, size):
        if self.killed_at is None and done > size // 3:
            self.killed_at = done
            self.device.kill()
            self.device.start()
        elif self.killed_at is not None and self.went_on_at is None:
            self.went_on_at = done


def test_a_copy_of_1_mb_goes_on_after_the_agent_was_killed(device, fleet, content, tmp_path):
    files = files_of(fleet, device)
    source = tmp_path / "source"
    source.write_bytes(content)
    killer = KilledInTheMiddle(device)
    files.upload(source, "files/big", killer)
    assert killer.went_on_at >= killer.killed_at > SIZE // 3
    assert (root_of(device) / "big").read_bytes() == content
    assert os.listdir(root_of(device)) == ["big"]
    killer = KilledInTheMiddle(device)
    files.download("files/big", tmp_path / "back", killer)
    assert killer.went_on_at >= killer.killed_at > SIZE // 3
    assert (tmp_path / "back").read_bytes() == content
    assert not files.upload(source, "files/big"), "it had that content already"


def test_a_copy_whose_caller_was_killed_goes_on_later(one_device, fleet, content, tmp_path):
    class Killed(Exception):
        pass

    def until_half(done, size):
        if done > size // 2:
            raise Killed

    files = files_of(fleet, one_device)
    source = tmp_path / "source"
    source.write_bytes(content)
    with pytest.raises(Killed):
        files.upload(source, "files/big", until_half)
    (root_of(one_device) / "other").write_bytes(content)
    with pytest.raises(Killed):
        files.download("files/other", tmp_path / "back", until_half)
    seen = []
    files.upload(source, "files/big", lambda done, size: seen.append(done))
    assert seen[0] > SIZE // 3
    seen = []
    files.download("files/other", tmp_path / "back", lambda done, size: seen.append(done))
    assert seen[0] > SIZE // 3
    assert (root_of(one_device) / "big").read_bytes() == content
    assert (tmp_path / "back").read_bytes() == content


def run(*arguments, broker, status=0):
    done = subprocess.run(
        [*LIMPET, "--broker", broker.url, *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_the_command_line_copies_lists_moves_and_removes(one_device, fleet, broker, tmp_path):
    files_of(fleet, one_device)
    name = one_device.name
    source = tmp_path / "site"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "a b").write_bytes(b"1")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("run.sh")
    assert "link: neither a file nor a folder" in run(
        "cp", "-r", source, f"{name}:files/", broker=broker
    )
    assert "site/deep/er/a b" in run("ls", "-r", f"{name}:files", broker=broker)
    run("cp", "-r", f"{name}:files/site", tmp_path / "back", broker=broker)
    assert (tmp_path / "back" / "deep" / "er" / "a b").read_bytes() == b"1"
    assert os.access(tmp_path / "back" / "run.sh", os.X_OK)
    run("mv", f"{name}:files/site/run.sh", "files/", broker=broker)
    assert run("cat", f"{name}:files/run.sh", broker=broker) == "#!/bin/sh\n"
    assert "-r" in run("rm", f"{name}:files/site", broker=broker, status=2)
    run("rm", "-r", f"{name}:files/site", broker=broker)
    assert run("ls", f"{name}:files", broker=broker).endswith(" run.sh\n")
    assert "no such file" in run("cat", f"{name}:files/x", broker=broker, status=1)
    assert "files" in run("cat", f"{name}:/etc/passwd", broker=broker, status=1)
    assert "may be written to" in run("ls", f"{name}:", broker=broker)
    assert "files/run.sh" in run("ls", "-r", f"{name}:", broker=broker)


def test_a_devices_keys_and_configuration_are_never_copied(device, fleet, tmp_path):
    files = files_of(fleet, device)
    for path in ("files/../keys.0", "/etc/passwd", "files/..", "agent.json", "files/\0"):
        with pytest.raises((CallError, FileError)):
            files.download(path, tmp_path / "got")
        with pytest.raises(CallError):
            files._call("write", path=path, text="x")
    assert not (tmp_path / "got").exists()


def test_a_name_that_leads_elsewhere_is_not_taken_from_a_device(fleet, monkeypatch):
    files = Files(fleet, "liar")
    for name in ("../../.bashrc", "/etc/passwd", "..", "", "a/b", "a\0b", None):
        entries = [{"name": name, "type": "file", "size": 1, "modified": 0}]
        monkeypatch.setattr(
            files, "_call", lambda *a, e=entries, **o: {"entries": e, "more": False}
        )
        with pytest.raises(FileError):
            list(files.list("files"))
