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


def trusted(data, folder):
    """(Keyring that counts, how many of its keys have signed `data`) by the depot in `folder`.

    For a release that is the keyring that it names; for a keyring the one before it, which devices
    have, and itself where it is the first. None for the keyring if the depot has none.
    """
    body = depots.body_of(data)
    if kind_of(body) == release.KEYRING:
        ring = release.parse_keyring(body)
        product, number, role = ring.product, max(1, ring.number - 1), "root"
    else:
        description = release.parse_description(body)
        is_app = description.product.startswith("app-")
        product, number = "apps" if is_app else description.product, description.keyring
        role = "release"
    try:
        data_of_ring = depots.Depot(folder).read("keyrings", product, number)
    except OSError:
        return None, 0, role
    ring = release.parse_keyring(depots.body_of(data_of_ring))
    known = {key[: release.KEY_ID] for key in getattr(ring, role).keys}
    signers = {one.key for one in release.split_signed(data).signatures}
    return ring, len(known & signers), role


def verify(data, keyring):
    """The Description in `data`, signed as the Keyring demands. Raises BadRelease."""
    signed = release.split_signed(data)
    description = release.parse_description(signed.body)
    is_app = keyring.product == "apps" and description.product.startswith("app-")
    if description.product != keyring.product and not is_app:
        raise release.BadRelease("of another product: %s" % description.product)
    run(release.verify_signed(release.RELEASE, signed, keyring.release))
    return description
