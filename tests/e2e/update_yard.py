"""Where releases for tests are built, signed and served, and a device that starts from a slot."""

import json
import subprocess
import threading

from conftest import ROOT, Device
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from releases import building, installing, keys, publishing, signing
from releases.depot import Depot

from agent import VERSION
from agent.__main__ import BAD_USAGE
from agent.update import release

PRODUCT, FAR = "limpet-agent", 2**31 - 1


def new_version(number):
    """A one-line change of the agent: what it says of its version."""
    text = (ROOT / "agent/__init__.py").read_text()
    changed = text.replace('VERSION = "%s"' % VERSION, 'VERSION = "0.%d.0"' % number)
    assert changed != text
    return {"agent/__init__.py": changed.encode()}


class Yard:
    """A depot with keys of its own, whose releases go to the devices of one broker."""

    def __init__(self, folder, broker, channel):
        self.depot = Depot(str(folder))
        self.channel = channel
        self.root_key, self.key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        roles = [release.Role(1, (keys.public_hex(key),)) for key in (self.root_key, self.key)]
        ring = release.Keyring(PRODUCT, 1, FAR, *roles)
        data = signing.sign(release.encode_keyring(ring), self.root_key)
        self.keyring = self.depot.write(data, "keyrings", PRODUCT, 1)
        self.server = publishing.Server(self.depot, broker.host, broker.port).start()

    def build(self, sequence, compiled, changes=None, since=(), floor=0, names=building.AGENT):
        """A signed release of this tree, with files changed: its bytes."""
        files = building.collect(str(ROOT), names, compiled)
        for path, data in (changes or {}).items():
            files.pop(path[:-3] + ".mpy", None)
            files[path] = (data, "644")
        return self.release(sequence, files, since, floor)

    def release(self, sequence, files, since=(), floor=0):
        """A signed release of {path: (bytes, mode)}: its bytes."""
        words = {
            "product": PRODUCT,
            "channel": self.channel,
            "version": "0.%d.0" % sequence,
            "sequence": sequence,
            "floor": floor,
            "expires": FAR,
            "keyring": 1,
            "needs": (("start", "1"),),
        }
        path = building.build(self.depot, files, words, since)
        with open(path, "rb") as file:
            data = signing.sign(file.read(), self.key)
        self.depot.write(data, "releases", PRODUCT, self.channel, sequence)
        return data

    def publish(self, data):
        """Tell every device."""
        self.server.publish(self.channel, data)

    def install(self, sequence, root):
        """The first release of a device."""
        installing.install(self.depot, PRODUCT, self.channel, sequence, str(root))

    def close(self):
        """Stop serving, and take the release back from the broker."""
        self.server.publish(self.channel, b"")
        self.server.close()


class Slotted(Device):
    """A device that starts from a slot, and is started again as a service manager would."""

    def __init__(self, runtime, broker, folder, yard, **changes):
        self.root = folder / "root"
        self.root.mkdir()
        update = {"keyring": yard.keyring, "channel": yard.channel}
        update.update({"healthy_s": 0, "within_s": 5})
        update.update(changes.pop("update", {}))
        entry = [str(self.root / "limpet_start.py"), str(self.root)]
        super().__init__(runtime, broker, folder, entry=entry, update=update, **changes)
        self.starts = 0
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self):
        """Start it, and again whenever it ends, until `stop`."""
        self._keeper.start()

    def _keep(self):
        while not self._stop.is_set():
            super().start()
            self.starts += 1
            try:
                status = self.process.wait()
            except (AttributeError, subprocess.SubprocessError):
                return
            if status in (0, BAD_USAGE):
                return

    def stop(self):
        """End it for good."""
        self._stop.set()
        if self.process is not None:
            self.process.kill()
        self._keeper.join(20)


def wait_for_update(caller, device, holds, seen=None):
    """Wait for an update event for which `holds(words)`; returns it."""
    while True:
        message = caller.messages.get(timeout=150)  # a sync of each file, on a busy disk
        if message.topic == "limpet/%s/event/update" % device.name:
            words = json.loads(message.payload)
            if seen is not None:
                seen.append(words)
            if holds(words):
                return words
