"""Signatures put under a description or a keyring, and checked with a keyring."""

from agent.ed25519 import run
from agent.update import release

from . import depot as depots
from . import keys


def kind_of(data):
    """release.RELEASE or release.KEYRING."""
    return release.KEYRING if data.startswith(b"limpet-keyring ") else release.RELEASE


def sign(data, key):
    """`data` with the signature of a private key behind it; once only for each key."""
    body = depots.body_of(data)
    public = keys.public_hex(key)
    line = release.sign_line("ed25519", public, key.sign(release.signed_text(kind_of(body), body)))
    lines = [one + b"\n" for one in data[len(body) :].split(b"\n") if one]
    lines = [one for one in lines if one.split(b" ")[2] != public[: release.KEY_ID].encode()]
    return body + b"".join([*lines, line])


def verify(data, keyring):
    """The Description in `data`, signed as the Keyring demands. Raises BadRelease."""
    signed = release.split_signed(data)
    description = release.parse_description(signed.body)
    if description.product != keyring.product:
        raise release.BadRelease("of another product: %s" % description.product)
    run(release.verify_signed(release.RELEASE, signed, keyring.release))
    return description
