"""Updates on an emulated RP2040: the agent is in the firmware, a release lies on top of it.

The depot answers on the board's wire. A release that is broken shadows the network's module.
"""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from peer import Broker
from releases import building, installing, keys, publishing, signing
from releases.depot import Depot

from agent.update import release

FULL = os.environ.get("LIMPET_SIZE") == "full"
PRODUCT, CHANNEL, FAR = "limpet-agent", "stable", 2**31 - 1
UPDATE = {"keyring": "/keyring", "healthy_s": 0, "within_s": 20, "tries": 1}


class Yard:
    """A depot with keys of its own, which answers on a broker."""

    def __init__(self, folder, broker):
        self.depot = Depot(str(folder / "depot"))
        self.key, root_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        roles = [release.Role(1, (keys.public_hex(key),)) for key in (root_key, self.key)]
        ring = release.Keyring(PRODUCT, 1, FAR, *roles)
        self.keyring = signing.sign(release.encode_keyring(ring), root_key)
        self._broker = broker
        broker.answers_topic = self._give

    def build(self, sequence, files):
        """A signed release of {path: bytes}."""
        words = {
            "product": PRODUCT,
            "channel": CHANNEL,
            "version": "0.%d.0" % sequence,
            "sequence": sequence,
            "floor": 0,
            "expires": FAR,
            "keyring": 1,
            "needs": (("start", "1"),),
        }
        found = {path: (data, "644") for path, data in files.items()}
        path = building.build(self.depot, found, words)
        with open(path, "rb") as file:
            data = signing.sign(file.read(), self.key)
        self.depot.write(data, "releases", PRODUCT, CHANNEL, sequence)
        return data

    def offer(self, data):
        """Tell the device."""
        self._broker.publish("limpet/release/" + CHANNEL, data, 1, 1)

    def _give(self, topic, payload):
        if topic.startswith("limpet/blob/ask/"):
            name, offset, count = payload.decode().split(" ")
            data = publishing.read(self.depot, name)
            offset, stop = int(offset), min(int(offset) + int(count), len(data))
            for at in range(offset, stop, publishing.SLICE):
                piece = data[at : min(at + publishing.SLICE, stop)]
                given = ("%s %d\n" % (name, at)).encode() + piece
                self._broker.publish("limpet/blob/give/pico", given, 0)


@pytest.fixture
def pico(board, tmp_path):
    """(Board, Broker, Yard): release 1 is in slot a, and the agent is online."""
    broker = Broker()
    yard = Yard(tmp_path, broker)
    yard.build(1, {"recipe.py": b"SPEED = 1\n"})
    root = tmp_path / "limpet"
    root.mkdir()
    installing.install(yard.depot, PRODUCT, CHANNEL, 1, str(root))
    (root / "limpet_start.py").unlink()  # it is in the firmware
    files = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }
    files["keyring"] = yard.keyring
    started = board.with_agent({"update": UPDATE}, files)
    broker.attach(started)
    broker.wait_online()
    return started, broker, yard


def states(broker):
    """The states that the device has told of."""
    return [words["state"] for words in broker.messages("event/update")]


def test_a_release_is_fetched_tried_and_confirmed(board, pico, capsys):
    started, broker, yard = pico
    assert broker.call("update.status", identity="before")["state"] == "idle"
    yard.offer(yard.build(2, {"recipe.py": b"SPEED = 2\n", "more/hints.txt": b"slow " * 800}))
    began = started.now_ms
    started.run(lambda: "confirmed" in states(broker), 300)
    took = started.now_ms - began
    assert states(broker) == ["fetching", "staged", "trial", "trial", "confirmed"]
    status = broker.call("update.status", identity="after")
    assert (status["sequence"], status["slot"], status["state"]) == (2, "b", "idle")
    assert status["other"] == {"kind": "previous", "sequence": 1, "tries": 0}
    assert board.files(started)["/limpet/b/recipe.py"] == b"SPEED = 2\n"
    with capsys.disabled():
        print("\nrp2040: from the offer to the confirmation %d ms" % took)
    assert started.resets == 1
    with pytest.raises(Exception, match="after"):  # what watched the trial leaves it alone now
        started.run(lambda: started.resets > 1, 30)
    broker.call("system.ping", identity="alive")
    if FULL:  # 60 s more on an idle machine
        check_that_a_broken_one_goes_back(started, broker, yard)


def check_that_a_broken_one_goes_back(started, broker, yard):
    broken = b"raise OSError('broken on purpose')\n"
    yard.offer(yard.build(3, {"recipe.py": b"SPEED = 3\n", "socket.py": broken}))
    started.run(lambda: "rolled-back" in states(broker), 300)
    words = broker.messages("event/update")[-1]
    assert words["failed"] == 3 and words["slot"] == "b"
    assert "broken on purpose" in words["reason"]
