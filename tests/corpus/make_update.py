"""Makes update.json: a keyring and the next one, releases signed by them, packed files.

    python tests/corpus/make_update.py     in the tools' environment, from the project's folder

The keys are made of fixed bytes, so that the file comes out the same; they sign nothing else.
"""

import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests")]
sys.path += [os.path.join(ROOT, "compat"), os.path.join(ROOT, "firmware")]

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from releases import keys, packing, signing  # noqa: E402
from update_life import Memory  # noqa: E402

from agent.update import release  # noqa: E402

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 7)]
FAR = 2**31 - 1


def _role(threshold, *numbers):
    public = [keys.public_hex(KEYS[number]) for number in numbers]
    return release.Role(threshold, tuple(sorted(public, key=lambda key: key[:16])))


def _ring(number, root, role, *signers, expires=FAR):
    body = release.encode_keyring(release.Keyring("agent", number, expires, root, role))
    return _signed(body, *signers)


def _signed(body, *signers):
    for signer in signers:
        body = signing.sign(body, KEYS[signer])
    return body.decode()


# An app: tests/test_installer.py has the same.
APP = {
    "app.json": b'{"name": "garden", "version": "7"}',
    "garden.py": b"from agent.apps import App\napp = App()\n",
}


def main():
    """Write the file."""
    body = Memory().build(7, {"main.py": b"print(7)\n"})[1].split(b"sign ")[0]
    app = Memory().build(7, APP, product="app-garden")[1].split(b"sign ")[0]
    old = b"".join(b"line %d of a file\n" % n for n in range(300))
    new = old.replace(b"line 17 ", b"another line ") + b"and an end\n"
    words = {
        # Two of the keys 0, 1, 2 are the root, and key 3 releases; in ring 2 it is key 4.
        "ring1": _ring(1, _role(2, 0, 1, 2), _role(1, 3), 0, 1),
        "ring2": _ring(2, _role(2, 1, 2, 5), _role(1, 4), 1, 2),
        "ring1_expired": _ring(1, _role(2, 0, 1, 2), _role(1, 3), 0, 1, expires=1_700_000_000),
        "ring2_one_root": _ring(2, _role(2, 1, 2, 5), _role(1, 4), 1),
        "ring2_new_only": _ring(2, _role(2, 1, 4, 5), _role(1, 4), 4, 5),
        "ring3": _ring(3, _role(2, 1, 2, 5), _role(2, 3, 4), 1, 5),
        "release": _signed(body, 3),
        "release_of_ring2": _signed(body.replace(b"keyring 1", b"keyring 2"), 4),
        "app_release": _signed(app, 3),
        "app_release_by_root": _signed(app, 0),
        "release_expired": _signed(body.replace(b"expires %d" % FAR, b"expires 1700000000"), 3),
        "release_by_root": _signed(body, 0),
        "release_by_next": _signed(body, 4),
        "release_by_both": _signed(body, 3, 4),
        "old": old.decode(),
        "new": new.decode(),
        "delta": packing.make_delta(old, new).hex(),
        "packed": packing.deflate(new).hex(),
        "zeros": packing.deflate(bytes(2_000_000)).hex(),
    }
    with open(os.path.join(ROOT, "tests", "corpus", "update.json"), "w") as file:
        json.dump(words, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
