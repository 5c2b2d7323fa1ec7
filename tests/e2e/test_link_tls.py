"""The agent over TLS: mosquitto with certificates made for the test, on every runtime."""

import subprocess
import time

import pytest
from conftest import PATIENCE_S
from provision import Unavailable, peers
from provision import broker as brokers

# From, to: within them now, or long before.
VALID = ("20200101000000Z", "20991231235959Z")
EC_P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
EXPIRED = ("20200101000000Z", "20210101000000Z")


class Authority:
    """A certificate authority and what it has signed, as files in `folder`.

    `key` is what openssl makes its keys of, and theirs.
    """

    def __init__(self, folder, name="ca", key=EC_P256):
        self.folder = folder
        self._new_key = lambda path: ["-newkey", *key, "-nodes", "-keyout", path]
        self.path = folder / (name + ".pem")
        self._key = folder / (name + ".key")
        self._config = folder / (name + ".cnf")
        (folder / (name + ".txt")).touch()
        (folder / (name + ".srl")).write_text("01\n")
        self._config.write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nserial=%s\nnew_certs_dir=%s\ndefault_md=sha256\n"
            "policy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n"
            % (folder / (name + ".txt"), folder / (name + ".srl"), folder)
        )
        words = ["req", "-x509", "-days", "3650", "-subj", "/CN=" + name]
        _openssl(*words, *self._new_key(self._key), "-out", self.path)

    def sign(self, name, validity=VALID):
        """Paths of a certificate for `name` and its key."""
        key, request, made = [self.folder / (name + end) for end in (".key", ".csr", ".pem")]
        extension = "subjectAltName=DNS:" + name
        words = ["req", "-subj", "/CN=" + name, "-addext", extension]
        _openssl(*words, *self._new_key(key), "-out", request)
        words = ["ca", "-batch", "-notext", "-config", self._config, "-cert", self.path]
        words += ["-keyfile", self._key, "-startdate", validity[0], "-enddate", validity[1]]
        _openssl(*words, "-in", request, "-out", made)
        return made, key


def _openssl(*words):
    done = subprocess.run([peers.openssl(), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    try:
        peers.openssl()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return Authority(tmp_path_factory.mktemp("tls"))


def served(authority, name="localhost", validity=VALID, client=False, more=()):
    """mosquitto with TLS on its port and a plain listener beside it, for the caller."""
    certificate, key = authority.sign(name, validity)
    lines = ["certfile %s" % certificate, "keyfile %s" % key, "cafile %s" % authority.path]
    if client:
        lines.append("require_certificate true")
    return brokers.start(
        True, (*lines, *more, "listener 0 %s" % (authority.folder / "plain.sock"))
    )


def options(authority, **changes):
    return {"tls": dict({"ca": str(authority.path), "name": "localhost"}, **changes)}


def await_log(device, *parts):
    """Wait until the device's log holds one of `parts`; returns the log."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and device.process.poll() is None:
        log = device.log.read_text(errors="replace")
        if any(part in log for part in parts):
            return log
        time.sleep(0.02)
    raise AssertionError("none of %r in the log" % (parts,))


def test_the_agent_answers_over_tls(start_device, runtime, authority):
    with served(authority) as broker:
        device = start_device(runtime, on=broker, mqtt=options(authority))
        assert "connected to" in await_log(device, "connected to")


def test_a_client_certificate_opens_the_door(start_device, runtime, authority):
    certificate, key = authority.sign("device")
    own = {"certificate": str(certificate), "key": str(key)}
    with served(authority, client=True) as broker:
        device = start_device(runtime, on=broker, mqtt=options(authority, **own))
        await_log(device, "connected to")
        stranger = start_device(runtime, on=broker, mqtt=options(authority))
        assert "connected to" not in await_log(stranger, "no connection")


@pytest.mark.parametrize("case", ("authority", "name", "time"))
def test_a_certificate_that_is_wrong_is_refused_and_named(
    start_device, runtime, authority, tmp_path, case
):
    changes = {}
    name, validity = "localhost", VALID
    if case == "authority":
        changes["ca"] = str(Authority(tmp_path, "stranger").path)
    elif case == "name":
        changes["name"] = "elsewhere.example"
    else:
        validity = EXPIRED
    with served(authority, name, validity) as broker:
        device = start_device(runtime, on=broker, mqtt=options(authority, **changes))
        log = await_log(device, "no connection", "connected to")
        assert "connected to" not in log
        assert "certificate" in log.lower()
        assert ("this device's clock says" in log) == (case == "time")


def test_what_is_missing_is_named(start_device, runtime, authority, tmp_path):
    with served(authority) as broker:
        absent = str(tmp_path / "absent.pem")
        device = start_device(runtime, on=broker, mqtt=options(authority, ca=absent))
        assert absent + ": cannot be read" in await_log(device, "no connection")


def test_verification_can_be_switched_off(start_device, runtime, authority):
    with served(authority, "whoever", EXPIRED) as broker:
        device = start_device(runtime, on=broker, mqtt={"tls": {"verify": False}})
        await_log(device, "connected to")
