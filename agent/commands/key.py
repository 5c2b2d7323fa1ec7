"""`key.*`: who may command this device.

The one rule: a secret comes in wrapped under a key that the device has, and none goes out. All of
them are for `admin`, and the last key with that permission stays.
"""

from agent import schema
from agent.commands.registry import INLINE, PERMISSIONS, Command
from agent.commands.seal import MAX_KEY_NAME
from agent.keys import PERMISSION, SALT_BYTES, SECRET_BYTES, BadKey, read_hex, unwrap

_WRAPPED = 2 * (SALT_BYTES + SECRET_BYTES)
_NAME = schema.text("name", low=1, high=MAX_KEY_NAME, about="of the key: A-Z a-z 0-9 _ -")
_SIGNER = schema.text(
    "signer", None, low=64, high=64, about="Ed25519 public key in hex, for calls to groups"
)
_UNDER = "key of this device that the secret is wrapped under"
_SALT_AND = "salt and secret XOR HMAC-SHA256(that key, 'L1 wrap' 0 device 0 name 0 salt), in hex"
_MOST = len(PERMISSIONS)

_ADD = (
    _NAME,
    schema.sequence("permissions", PERMISSION, high=_MOST),
    schema.text("under", low=1, high=MAX_KEY_NAME, about=_UNDER),
    schema.secret("wrapped", low=_WRAPPED, high=_WRAPPED, about=_SALT_AND),
    _SIGNER,
)
_REPLACE = (
    _NAME,
    schema.sequence("permissions", PERMISSION, None, high=_MOST, about="null: as before"),
    schema.text("under", None, low=1, high=MAX_KEY_NAME, about=_UNDER),
    schema.secret("wrapped", None, low=_WRAPPED, high=_WRAPPED, about=_SALT_AND),
    _SIGNER,
)


def commands(keyring, device, changed):
    """The family's commands; `changed()` is called after each change that was stored."""

    def secret_of(params):
        key = keyring.get(params["under"])
        return unwrap(key.prepared, device, params["name"], params["wrapped"])

    def signer_of(params):
        return None if params["signer"] is None else read_hex(params["signer"], "signer")

    def list_keys(params):
        return [key.summary() for key in keyring.all()]

    def add(params):
        keyring.add(params["name"], params["permissions"], secret_of(params), signer_of(params))
        return tell(params["name"])

    def replace(params):
        if (params["under"] is None) != (params["wrapped"] is None):
            raise BadKey("under, wrapped: a new secret needs both")
        secret = None if params["wrapped"] is None else secret_of(params)
        keyring.replace(params["name"], params["permissions"], secret, signer_of(params))
        return tell(params["name"])

    def withdraw(params):
        keyring.withdraw(params["name"])
        changed()
        return {}

    def tell(name):
        changed()
        return keyring.get(name).summary()

    def command(name, call, params, repeat, about):
        return Command(name, call, params, "admin", repeat, INLINE, about)

    return (
        command("key.list", list_keys, (), "repeat", "Every key, without its secret."),
        command("key.add", add, _ADD, "once", "A new key. Its summary, as in key.list."),
        command(
            "key.replace",
            replace,
            _REPLACE,
            "once",
            "Other permissions or another signer at once; another secret from its first use on. "
            "Its summary, as in key.list.",
        ),
        command("key.withdraw", withdraw, (_NAME,), "once", "A key is worth nothing any more. {}"),
    )
