"""Which version and which mirror are taken, and what is said when Debian does not help."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from provision import Unavailable, debian, system

ALLOWED = [">= 1.26", "<< 1.27"]
LISTING = """\
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' a_InRelease 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' b_InRelease 0
'http://mirror.example/debian/dists/bookworm/InRelease' c_InRelease 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' d_Packages 0
"""

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not here")
needs_debian = pytest.mark.skipif(not system.is_debian(), reason="this system is not Debian")


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """A mirror on a port of loopback that nobody listens on, and an empty cache."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        monkeypatch.setenv("LIMPET_CACHE", str(tmp_path))
        monkeypatch.setenv("no_proxy", "*")
        (tmp_path / "once").write_text('Acquire::Retries "0";\n')
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "once"))
        monkeypatch.setattr(debian, "mirror", lambda: "http://127.0.0.1:%d/debian" % port)
        yield port


def test_the_recorded_version_is_taken_while_it_is_there():
    assert debian.choose_version(["1.26.3-1", "1.26.1-1"], ALLOWED, "1.26.1-1") == "1.26.1-1"


@needs_dpkg
def test_without_the_recorded_version_the_newest_allowed_is_taken():
    met = ["1.25.0-1", "1.26.2-1", "1.26.10-1", "1.27.0-1"]
    assert debian.choose_version(met, ALLOWED, "1.26.1-1") == "1.26.10-1"


@needs_dpkg
def test_without_an_allowed_version_none_is_taken():
    assert debian.choose_version(["1.25.0-1", "1.27.0-1"], ALLOWED, "1.26.1-1") is None
    assert debian.choose_version([], ALLOWED, "1.26.1-1") is None


def archive_that_offers(versions, tmp_path, monkeypatch):
    listing = "".join(" micropython | %s | somewhere\n" % version for version in versions)
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path))
    monkeypatch.setattr(debian.Archive, "_prepare", lambda self: None)
    monkeypatch.setattr(debian.Archive, "_apt", lambda self, *command: listing)
    return debian.Archive("forky")


@needs_dpkg
def test_a_version_other_than_the_recorded_one_is_said_aloud(tmp_path, monkeypatch, capfd):
    archive = archive_that_offers(["1.26.2-1"], tmp_path, monkeypatch)
    assert archive.version("micropython", ALLOWED, "1.26.1-1") == "1.26.2-1"
    said = capfd.readouterr().err
    assert "Debian forky has moved: micropython is 1.26.2-1, recorded is 1.26.1-1" in said


@needs_dpkg
def test_a_version_outside_the_range_is_refused_with_what_was_met(tmp_path, monkeypatch):
    archive = archive_that_offers(["1.30.0-1"], tmp_path, monkeypatch)
    with pytest.raises(Unavailable) as caught:
        archive.version("micropython", ALLOWED, "1.26.1-1")
    assert str(caught.value) == (
        "Debian forky offers version 1.30.0-1 of micropython; wanted is >= 1.26 and << 1.27"
    )


def test_the_mirror_is_that_of_the_systems_own_suite_not_of_its_updates():
    assert debian.choose_mirror(LISTING, ["bookworm"]) == "http://mirror.example/debian"
    assert debian.choose_mirror(LISTING, ["forky"]) is None


def test_a_system_without_a_mirror_of_its_suite_is_told_so(monkeypatch):
    monkeypatch.setattr(debian, "_ask", lambda *command: "")
    monkeypatch.setattr(debian, "release", lambda: {"VERSION_CODENAME": "bookworm"})
    with pytest.raises(Unavailable, match="configuration names no mirror of bookworm"):
        debian.mirror()


def test_another_distribution_is_told_that_this_needs_debian(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path))
    monkeypatch.setattr(debian, "is_debian", lambda: False)
    monkeypatch.setattr(debian.shutil, "which", lambda name: name)
    with pytest.raises(Unavailable, match="this system is not Debian"):
        debian.Archive("forky").version("micropython", ALLOWED, "1.26.1-1")
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="for apt-get, and this system has none"):
        debian.Archive().unpack(["mosquitto"], str(tmp_path))


def test_after_a_failure_the_package_lists_are_read_again(tmp_path, monkeypatch):
    archive = archive_that_offers([], tmp_path, monkeypatch)
    monkeypatch.undo()
    os.makedirs(archive._home)
    Path(archive._stamp).touch()
    with pytest.raises(Unavailable, match="of Debian forky: cannot run /no/such"):
        archive._apt("/no/such", "install")
    assert not os.path.exists(archive._stamp)


@needs_debian
def test_without_a_network_the_suite_and_apts_own_reason_are_told(unreachable):
    with pytest.raises(Unavailable) as caught:
        debian.Archive("forky").version("micropython", ALLOWED, "1.26.1-1")
    text = str(caught.value)
    assert text.startswith("apt-get update of Debian forky: ")
    assert "Connection refused" in text and str(unreachable) in text


def settings_of(archive, monkeypatch):
    """What apt itself takes from the configuration that an archive writes."""
    program = ["apt-config", "shell", "S", "Dir::State/d", "C", "Dir::Cache/d",
               "D", "Dir::State::status/f", "L", "Dir::Etc::sourcelist/f",
               "P", "Dir::Etc::sourceparts/d", "A", "APT::Architecture"]  # fmt: skip
    monkeypatch.setattr(debian, "mirror", lambda: "http://mirror.example/debian")
    monkeypatch.setattr(debian.Archive, "_apt", lambda self, *command: "")
    archive._prepare()
    environment = dict(os.environ, APT_CONFIG=archive._home + "/apt.conf")
    done = subprocess.run(program, env=environment, capture_output=True, text=True)
    pairs = [line.split("=", 1) for line in done.stdout.splitlines()]
    return {name: value.strip("'") for name, value in pairs}


@needs_debian
def test_a_suite_is_read_apart_from_the_systems_apt(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path))
    settings = settings_of(debian.Archive("forky", "armhf"), monkeypatch)
    assert settings.pop("A") == "armhf"
    assert sorted(settings) == ["C", "D", "L", "P", "S"]
    assert [path for path in settings.values() if not path.startswith(str(tmp_path))] == []
    assert Path(settings["L"]).read_text().endswith("http://mirror.example/debian forky main\n")
    assert Path(settings["D"]).read_text() == ""


@needs_debian
def test_the_systems_own_sources_are_read_with_a_copy_of_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_CACHE", str(tmp_path))
    settings = settings_of(debian.Archive(), monkeypatch)
    # apt locks the folder of this file: the system's needs root.
    assert settings["D"].startswith(str(tmp_path))
    assert "Package: dpkg\n" in Path(settings["D"]).read_text()
    assert settings["S"].startswith(str(tmp_path)) and settings["C"].startswith(str(tmp_path))
    assert settings["L"] == "/etc/apt/sources.list"
    assert settings["P"].rstrip("/") == "/etc/apt/sources.list.d"
