"""The TLS in limpetd, as it is shipped for armhf: with keys and ciphers of each kind it has."""

import pytest
from conftest import Device
from firmwares import linux, targets
from provision import Unavailable, package
from test_link_tls import EC_P256, Authority, await_log, options, served

ARMHF = targets.TARGETS["armhf"]
EC_P384 = ("ec", "-pkeyopt", "ec_paramgen_curve:secp384r1")
RSA = ("rsa:2048",)


@pytest.mark.parametrize(
    ("key", "cipher"),
    [
        (EC_P256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (EC_P384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (RSA, "ECDHE-RSA-CHACHA20-POLY1305"),
    ],
    ids=["p256", "p384", "rsa"],
)
def test_both_sides_are_known_by_their_certificates(tmp_path, key, cipher):
    try:
        words = [*package.emulator("qemu-user-static", ARMHF.emulator), linux.program("armhf")]
    except Unavailable as reason:
        pytest.skip(str(reason))
    authority = Authority(tmp_path, key=key)
    certificate, own_key = authority.sign("device")
    own = {"certificate": str(certificate), "key": str(own_key)}
    more = ("tls_version tlsv1.2", "ciphers " + cipher)
    with served(authority, client=True, more=more) as broker:
        runtime = type("Limpetd", (), {"name": "limpetd", "path": words[0]})
        mqtt = options(authority, **own)
        device = Device(runtime, broker, tmp_path, entry=words[1:], mqtt=mqtt)
        device.start()
        try:
            assert "connected to" in await_log(device, "connected to")
        finally:
            device.kill()
