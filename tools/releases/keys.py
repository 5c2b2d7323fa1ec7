"""Keys that sign releases: made, kept encrypted, read with a passphrase.

The one rule: a private key leaves here in no form but encrypted, and a passphrase comes from a
prompt, a file or a descriptor, never from a command line.
"""

import getpass
import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LEAST_PASSPHRASE = 8


class KeyProblem(Exception):
    """A key that cannot be made or read; the message says why."""


def passphrase(options, again=False):
    """The passphrase, from where the options say; `again` asks twice at a prompt."""
    if options.passphrase_file:
        with open(options.passphrase_file, encoding="utf-8") as file:
            return _checked(file.readline().rstrip("\n"))
    if options.passphrase_fd is not None:
        with os.fdopen(os.dup(options.passphrase_fd), encoding="utf-8") as file:
            return _checked(file.readline().rstrip("\n"))
    words = getpass.getpass("passphrase: ")
    if again and getpass.getpass("again: ") != words:
        raise KeyProblem("the two passphrases differ")
    return _checked(words)


def _checked(words):
    if len(words) < LEAST_PASSPHRASE:
        raise KeyProblem("a passphrase has at least %d characters" % LEAST_PASSPHRASE)
    return words.encode()


def make(path, secret):
    """Make a key in a new file, encrypted under `secret`; its public half in hex."""
    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyProblem("%s: %s" % (path, error.strerror)) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return public_hex(key)


def load(path, secret):
    """The private key in a file. Raises KeyProblem."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        key = serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError) as error:
        raise KeyProblem("%s: not a key, or a wrong passphrase" % path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem("%s: not an Ed25519 key" % path)
    return key


def public_hex(key):
    """The public half of a private key, in hex."""
    form = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return key.public_key().public_bytes(*form).hex()
