"""The keys of those who may command this device, and the policy, in the store.

Keys come in by `keys.json` in the data directory, read at a start, and from then on by commands of
an `admin`. The one rule: a secret goes in and never comes out, into no answer, log line or error.
It travels wrapped under a key that the device has already: XOR with a pad that HMAC makes of
device, name and a salt used once.

A counter that came with a request (forms `left` and `many`) must not come again after a power cut,
and must not cost a write each time. So a counter AHEAD of the one that came is stored, before the
request may run, and no other one up to it costs a write; after a restart all up to it count as
used. `settle` stores the exact one again when there was quiet.
Owner: the main thread.
"""

import json
from binascii import hexlify, unhexlify

from agent import schema
from agent.commands import policy as policies
from agent.commands.freshness import FRESH, Window
from agent.commands.registry import PERMISSIONS
from agent.commands.seal import MAX_KEY_NAME, NAME_CHARACTERS
from agent.errors import BadConfig, LimpetError
from agent.hmac_sha256 import mac, prepare
from agent.store import Files, StoreError
from agent.strict_json import parse_object

PROVISION = "keys.json"
SECRET_BYTES = 32
SALT_BYTES = 16
MAX_KEYS = 16  # the status carries a seal line for each
MAX_NAMES = 64  # whose counters are kept: those of withdrawn keys too, so that none starts again
AHEAD = 1_000_000  # of a counter: one second, for those who count in microseconds
_KEYS, _COUNTERS = "keys", "counters"
_MAX_FILE_BYTES = 16384

PERMISSION = schema.text("permission", choices=PERMISSIONS)
KEY_FIELDS = (
    schema.text("name", low=1, high=MAX_KEY_NAME, about="A-Z a-z 0-9 _ -"),
    schema.sequence("permissions", PERMISSION, high=len(PERMISSIONS)),
    schema.secret("secret", low=2 * SECRET_BYTES, high=2 * SECRET_BYTES),
    schema.text("signer", None, low=64, high=64, about="Ed25519 public key, for group calls"),
)
FILE_FIELDS = (
    schema.sequence("keys", schema.structure("key", KEY_FIELDS), high=MAX_KEYS),
    schema.structure("policy", policies.FIELDS, None),
)


class BadKey(LimpetError):
    """A key that cannot be added, replaced or withdrawn so; the message says why."""

    code = "bad-key"


class Key:
    """One sender. `spare` is a secret that takes the place of the first when it is first used."""

    def __init__(self, name, permissions, secret, signer, spare=None):
        self.name = name
        self.permissions = tuple(permissions)
        self.secret = secret
        self.prepared = prepare(secret)
        self.signer = signer
        self.spare = spare
        self.spare_prepared = None if spare is None else prepare(spare)
        self.live = Window()  # of this boot

    def words(self):
        """All of it, for the store alone."""
        return {
            "name": self.name,
            "permissions": self.permissions,
            "secret": hexlify(self.secret).decode(),
            "signer": None if self.signer is None else hexlify(self.signer).decode(),
            "spare": None if self.spare is None else hexlify(self.spare).decode(),
        }

    def summary(self):
        """What may be told of it."""
        return {
            "name": self.name,
            "permissions": list(self.permissions),
            "fingerprint": fingerprint(self.prepared),
            "signs": self.signer is not None,
            "replaced_by": self.spare and fingerprint(self.spare_prepared),
        }


def fingerprint(prepared):
    """Eight digits that tell one secret from another and say nothing of it."""
    return hexlify(mac(prepared, (b"L1 fingerprint\0",))[:4]).decode()


def unwrap(prepared, device, name, wrapped):
    """The secret in `wrapped`, hex of salt and masked secret. Raises BadKey."""
    try:
        data = unhexlify(wrapped)
    except ValueError:
        data = b""
    if len(data) != SALT_BYTES + SECRET_BYTES:
        raise BadKey("wrapped: expected %d bytes in hex" % (SALT_BYTES + SECRET_BYTES))
    salt, masked = data[:SALT_BYTES], data[SALT_BYTES:]
    pad = mac(prepared, (("L1 wrap\0%s\0%s\0" % (device, name)).encode(), salt))
    return bytes([left ^ right for left, right in zip(masked, pad)])  # noqa: B905 - as above


class Keyring:
    """The keys by name, the policy, and the counters. `files` is there for tests.

    `fault` says why the keys cannot be read, else None: then nobody has one, and no caller more
    than `anonymous` may do.
    """

    def __init__(self, store, folder, files=None):
        self._store = store
        self._path = folder.rstrip("/") + "/" + PROVISION
        self._files = files or Files()
        self._keys = {}
        self.policy = dict(policies.DEFAULT)
        self._provisioned = None  # the checksum of the file taken last
        self._stored = {}  # name: {form: counter}, as on the medium
        self._windows = {}  # (name, form): Window
        self.fault = None
        self.notice = None  # what the log should say about the provisioning

    @property
    def configured(self):
        """True once there is a key: then a caller without one is `anonymous`."""
        return bool(self._keys) or self.fault is not None

    def load(self):
        """Read the store, then the provisioning file, if there is one not taken yet."""
        try:
            self._load()
        except (LimpetError, ValueError, KeyError, TypeError, OSError) as error:
            self._keys = {}
            self.fault = "%s: %s" % (type(error).__name__, error)
            return
        try:
            self._provision()
        except (LimpetError, OSError) as error:
            self.notice = "%s was not taken: %s" % (self._path, error)

    def _load(self):
        value = self._store.read(_KEYS)
        if (
            value is None
            and self._store.is_damaged(_KEYS)
            and self._files.read(self._path, 1) is None
        ):
            # No keys would mean that whoever asks may do all. A first write that was cut off
            # leaves the provisioning file behind, from which it is made good.
            raise BadKey("the record of the keys is damaged; provision them again")
        if value is not None:
            words = json.loads(value)
            self.policy = policies.check_policy(words["policy"], BadKey)
            self._provisioned = words["provisioned"]
            for entry in words["keys"]:
                key = _make_key(entry, entry["spare"])
                self._keys[key.name] = key
        value = self._store.read(_COUNTERS)
        self._stored = {} if value is None else json.loads(value)

    def _provision(self):
        data = self._files.read(self._path, _MAX_FILE_BYTES + 1)
        if data is None:
            return
        if len(data) > _MAX_FILE_BYTES:
            raise BadConfig("more than %d bytes" % _MAX_FILE_BYTES)
        digest = hexlify(mac(prepare(b"L1 provision"), (data,))[:8]).decode()
        if digest == self._provisioned:
            self.notice = "%s was taken already: remove it, it holds secrets" % self._path
            return
        words = schema.check(FILE_FIELDS, parse_object(data), BadConfig)
        for index, entry in enumerate(words["keys"]):
            _check_name(entry["name"], "keys[%d].name" % index)
        changed = dict(self._keys)
        for entry in words["keys"]:
            changed[entry["name"]] = _make_key(entry, None)
        policy = words["policy"]
        if policy is not None:
            policy = policies.check_policy(policy, BadConfig)
        before, self._provisioned = self._provisioned, digest
        try:
            self._save(changed, policy or self.policy)
        except LimpetError:
            self._provisioned = before
            raise
        self.notice = "%d keys taken from %s: remove it now" % (len(words["keys"]), self._path)

    def find(self, name):
        """The Key called `name`, or None."""
        return self._keys.get(name)

    def all(self):
        """All keys, by name."""
        return [self._keys[name] for name in sorted(self._keys)]

    def add(self, name, permissions, secret, signer):
        """A new key. Raises BadKey or StoreError, and then nothing changed."""
        _check_name(name, "name")
        if name in self._keys:
            raise BadKey("name: there is a key %s; key.replace changes it" % name)
        if len(self._keys) >= MAX_KEYS:
            raise BadKey("there are %d keys already, as many as fit" % MAX_KEYS)
        names = set(self._keys)
        names.update(self._stored)
        names.add(name)
        if len(names) > MAX_NAMES:
            raise BadKey("name: %d names were used already; take one of those again" % MAX_NAMES)
        self._put(Key(name, permissions, secret, signer))

    def replace(self, name, permissions=None, secret=None, signer=None):
        """Other permissions or another signer at once; another secret when it is first used."""
        key = self.get(name)
        self._put(
            Key(
                name,
                key.permissions if permissions is None else permissions,
                key.secret,
                key.signer if signer is None else signer,
                key.spare if secret is None else secret,
            ),
            key.live,
        )

    def promote(self, key):
        """The spare secret of `key` was used: it is the secret from now on.

        Where that cannot be stored it holds in this run, and both count again after a restart: the
        holder of the new one is not shut out by a medium that takes nothing.
        """
        used = Key(key.name, key.permissions, key.spare, key.signer)
        try:
            self._put(used, key.live)
        except StoreError:
            self._keys = dict(self._keys)
            self._keys[key.name] = used
        return used

    def withdraw(self, name):
        """Forget a key; its counters are kept, in case it comes back."""
        self.get(name)
        changed = dict(self._keys)
        del changed[name]
        self._save(changed, self.policy)

    def get(self, name):
        """The Key called `name`. Raises BadKey."""
        key = self._keys.get(name)
        if key is None:
            raise BadKey("%s: this device has no key of that name; key.list names all" % name)
        return key

    def set_policy(self, policy):
        """Another policy, checked before. Raises StoreError."""
        self._save(self._keys, policy)

    def _put(self, key, live=None):
        key.live = live or key.live
        changed = dict(self._keys)
        changed[key.name] = key
        self._save(changed, self.policy)

    def _save(self, changed, policy):
        if self.fault is not None:
            raise BadKey("the keys cannot be read, so none is changed: %s" % self.fault)
        had_admin = any(["admin" in key.permissions for key in self._keys.values()])
        has_admin = any(["admin" in key.permissions for key in changed.values()])
        if had_admin and not has_admin:
            raise BadKey("no key with the permission admin would be left")
        words = {
            "keys": [key.words() for key in changed.values()],
            "policy": policy,
            "provisioned": self._provisioned,
        }
        self._store.write(_KEYS, json.dumps(words).encode())
        self._keys, self.policy = changed, policy

    def window(self, name, form):
        """The Window of the counters that a key sent in this form."""
        window = self._windows.get((name, form))
        if window is None:
            window = Window(self._stored.get(name, {}).get(form, 0))
            self._windows[name, form] = window
        return window

    def take_counter(self, name, form, number):
        """FRESH if `number` counts from now on, for ever; else SEEN or OLD. Raises StoreError."""
        window = self.window(name, form)
        found = window.judge(number)
        if found == FRESH:
            if number > self._stored.get(name, {}).get(form, 0):
                self._store_counter(name, form, number + AHEAD)
            window.take(number)
        return found

    def settle(self):
        """Store exact counters where more was reserved, so that a restart costs no number.

        Returns False if it could not; nothing is lost then.
        """
        for (name, form), window in self._windows.items():
            if self._stored.get(name, {}).get(form, 0) > window.highest:
                try:
                    self._store_counter(name, form, window.highest)
                except StoreError:
                    return False
        return True

    def _store_counter(self, name, form, number):
        changed = {inner: dict(self._stored[inner]) for inner in self._stored}
        changed.setdefault(name, {})[form] = number
        self._store.write(_COUNTERS, json.dumps(changed).encode())
        self._stored = changed


def _check_name(name, path):
    if not name or name.encode().strip(NAME_CHARACTERS):
        raise BadKey("%s: made of A-Z a-z 0-9 _ - only" % path)


def _make_key(entry, spare):
    signer = entry["signer"]
    return Key(
        entry["name"],
        entry["permissions"],
        read_hex(entry["secret"], "secret"),
        None if signer is None else read_hex(signer, "signer"),
        None if spare is None else read_hex(spare, "spare"),
    )


def read_hex(text, path):
    """The 32 bytes in `text`. Raises BadKey, which does not repeat it."""
    try:
        data = unhexlify(text)
    except ValueError:
        data = b""
    if len(data) != SECRET_BYTES:
        raise BadKey("%s: expected %d bytes in hex" % (path, SECRET_BYTES))
    return data
