"""A pinned wheel is taken by its hash or not at all, and pip's failures are told in a sentence."""

import hashlib
import os
import socket

import pytest
import tiny_wheel
from provision import Unavailable, pypi


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """A folder with one wheel in it, which is all that pip can see."""
    folder = tmp_path / "offered"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return tiny_wheel.make(folder)


def source(digest):
    return {"package": tiny_wheel.NAME, "version": "1.0", "sha256": ["0" * 64, digest]}


def test_a_wheel_with_a_recorded_hash_is_unpacked_with_a_launcher(offered, tmp_path):
    digest = hashlib.sha256(offered.read_bytes()).hexdigest()
    target = tmp_path / "target"
    target.mkdir()
    assert pypi.unpack(source(digest), str(target), "/final") == "PyPI tiny_wheel==1.0"
    assert "WHOLE" in (target / "tiny_wheel.py").read_text()
    assert "/final/main.py" in (target / "micropython").read_text()
    assert os.access(target / "micropython", os.X_OK)


def test_a_wheel_with_another_hash_is_not_used(offered, tmp_path):
    with pytest.raises(Unavailable, match="^tiny_wheel==1.0 as offered has another hash than"):
        pypi.unpack(source("1" * 64), str(tmp_path), "/final")
    assert not (tmp_path / "tiny_wheel.py").exists()


def test_a_package_without_a_fitting_wheel_names_this_python(offered, tmp_path):
    offered.unlink()
    with pytest.raises(Unavailable, match=r"offers no wheel for Python 3\.\d+ on "):
        pypi.unpack(source("1" * 64), str(tmp_path), "/final")


def test_without_a_network_the_index_is_said_to_be_out_of_reach(offered, tmp_path, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:%d/simple" % probe.getsockname()[1])
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("no_proxy", "*")
        with pytest.raises(Unavailable, match="pip cannot reach its (package )?index"):
            pypi.unpack(source("1" * 64), str(tmp_path), "/final")
