"""A caller's key: one secret file, from which every other secret is derived.

Rule: the seed stays in its file. A device gets a secret made of the seed and its own name, so that
one device cannot command another in its owner's name; and the public half of the key that signs
calls to groups. One key, one sender: two people, or two programs that run for long, have two.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat

from .errors import KeyFileError

VARIABLE = "LIMPET_KEY"
SEED_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_FORMAT = 1


class Key:
    """`name` is what devices know it by. `repr` shows nothing else."""

    def __init__(self, name, seed):
        self.name = name
        self._seed = seed

    def __repr__(self):
        return f"<Key {self.name}>"

    def secret_for(self, device) -> bytes:
        """The 32 bytes that this key and `device` share."""
        return self._derive(f"limpet device {device}")

    def fingerprint_for(self, device) -> str:
        """What `key.list` of that device shows of it."""
        whole = hmac.digest(self.secret_for(device), b"L1 fingerprint\0", "sha256")
        return whole[:4].hex()

    def public(self) -> str:
        """The Ed25519 public key for group calls, in hex. Raises KeyFileError."""
        return self._private().public_key().public_bytes_raw().hex()

    def sign(self, text: bytes) -> bytes:
        """The Ed25519 signature over `text`. Raises KeyFileError."""
        return self._private().sign(text)

    def provision_for(self, device, permissions) -> dict:
        """What stands in `keys.json` in the data directory of `device`: it holds a secret."""
        return {
            "name": self.name,
            "secret": self.secret_for(device).hex(),
            "signer": self.public(),
            "permissions": list(permissions),
        }

    def as_file(self) -> str:
        return json.dumps({"limpet_key": _FORMAT, "name": self.name, "seed": self._seed.hex()})

    def _derive(self, label):
        return hmac.digest(self._seed, label.encode() + b"\0", hashlib.sha256)

    def _private(self):
        try:
            from cryptography.hazmat.primitives.asymmetric import ed25519
        except ImportError:
            raise KeyFileError(
                "calls to groups are signed with the package `cryptography`: pip install it"
            ) from None
        return ed25519.Ed25519PrivateKey.from_private_bytes(self._derive("limpet signer"))


def new(name) -> Key:
    """A key of 256 random bits. Raises KeyFileError for a name that a device would refuse."""
    if not _NAME.match(name):
        raise KeyFileError(f"{name!r} is no name for a key: 1 to 32 of A-Z a-z 0-9 _ -")
    return Key(name, secrets.token_bytes(SEED_BYTES))


def save(key, path):
    """Write a new file that only its owner can read. Raises KeyFileError, also if it exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(key.as_file() + "\n")
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None


def load(path) -> Key:
    """The key in a file. Raises KeyFileError, which repeats nothing of the content."""
    try:
        with open(path, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise KeyFileError(f"the key {path} cannot be read: {reason}") from None
    if mode & 0o077:
        raise KeyFileError(f"others can read the key {path}: chmod 600 {path}")
    try:
        words = json.loads(text)
        seed = bytes.fromhex(words["seed"])
        if words["limpet_key"] != _FORMAT or len(seed) != SEED_BYTES:
            raise ValueError
        if not _NAME.match(words["name"]):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise KeyFileError(f"{path} is no key: limpet key new makes one") from None
    return Key(words["name"], seed)


def find(key) -> Key | None:
    """`key` itself, the one in the file of that name, else the one in $LIMPET_KEY, else None."""
    if isinstance(key, Key):
        return key
    path = key or os.environ.get(VARIABLE)
    return load(path) if path else None
