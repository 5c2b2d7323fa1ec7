"""fleet.keys, fleet.seal and `limpet key`: what a caller seals, and what it takes for sealed."""

import hashlib
import hmac
import json
import os

import pytest
import sealing
from fleet import BadReply, KeyFileError, keys
from fleet.cli.main import main
from fleet.roster import Roster
from fleet.seal import Sealer, is_seal_word, split

TOPIC = "limpet/pump/call"
REPLY = "limpet/reply/x/pump"
BODY = b'{"id":"0123456789ab"}'


@pytest.fixture
def key():
    return keys.new("ann")


@pytest.fixture
def sealer(key):
    return Sealer(key)


def answer(key, body=BODY, topic=REPLY, head="L1 ann live n0 7", direction="up", device="pump"):
    secret = key.secret_for("pump")
    return sealing.line(secret, head, body, topic, device, "", direction)


def test_a_live_request_is_sealed_with_the_nonce(key, sealer):
    payload = sealer.request("pump", TOPIC, BODY, "n0")
    head, body = payload.split(b"\n", 1)
    words = head.split(b" ")
    assert words[:4] == [b"L1", b"ann", b"live", b"n0"] and body == BODY
    assert sealing.line(key.secret_for("pump"), b" ".join(words[:5]), BODY, TOPIC) == payload


def test_a_request_for_a_device_that_is_away_is_left(sealer):
    head = sealer.request("pump", TOPIC, BODY).split(b"\n")[0].split(b" ")
    assert head[2] == b"left" and head[4] == b"0"


def test_numbers_rise_and_skip(sealer):
    def number():
        return int(sealer.request("pump", TOPIC, BODY, "n0").split(b" ")[4])

    numbers = [number() for _ in range(1000)]
    assert numbers == sorted(set(numbers)) and len(str(numbers[0])) == 16
    sealer.skip_to(numbers[-1] + 10**13)
    assert number() == numbers[-1] + 10**13 + 1


def test_each_device_has_a_secret_of_its_own(key):
    assert key.secret_for("pump") != key.secret_for("pum")
    assert keys.new("ann").secret_for("pump") != key.secret_for("pump")
    assert len(key.secret_for("pump")) == 32


def test_a_right_answer_is_opened(key, sealer):
    assert sealer.open("pump", REPLY, answer(key)) == BODY
    assert sealer.open_numbered("pump", REPLY, answer(key)) == (BODY, "n0", 7)
    other = b"L1 bob live n0 6 " + b"0" * 32 + b"\n"
    assert sealer.open("pump", REPLY, other + answer(key)) == BODY


def test_no_other_answer_is_taken(key, sealer):
    right = answer(key)
    for wrong in (
        b"",
        BODY,
        right[:-1],
        right + b" ",
        right.replace(b"n0", b"n1"),
        answer(keys.new("ann")),
        answer(key, direction="down"),
        answer(key, device="pum"),
        answer(key, topic="limpet/reply/y/pump"),
        answer(key, head="L1 bob live n0 7"),
        answer(key, head="L1 ann left 7 0"),
        b"L1 ann\n" + BODY,
    ):
        with pytest.raises(BadReply):
            sealer.open("pump", REPLY, wrong)


def test_no_changed_bit_passes(key, sealer):
    right = answer(key)
    for index in range(8 * len(right)):
        wrong = bytearray(right)
        wrong[index // 8] ^= 1 << index % 8
        with pytest.raises(BadReply):
            sealer.open("pump", REPLY, bytes(wrong))


def test_what_carries_seals_can_be_read_without_a_key(key):
    assert split(answer(key))[1] == BODY and split(BODY) == ([], BODY)
    assert split(b"L1 " * 3) == ([], b"L1 " * 3)
    assert len(split(b"L1 x\n" * 100_000)[0]) <= 64


def test_a_device_cannot_choose_a_nonce_that_breaks_the_line():
    assert is_seal_word("n0-_Z")
    for word in ("", "a b", "a\n", "a\nb", "ä", "x" * 33):
        assert not is_seal_word(word)


def test_a_group_call_is_signed_over_its_topic(key, sealer):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    topic = "limpet/all/call"
    head, body = sealer.group_call("all", topic, BODY).split(b"\n", 1)
    words = head.split(b" ")
    assert words[1:3] == [b"ann", b"many"] and body == BODY
    text = f"L1\0down\0all\0{topic}\0\0".encode() + b" ".join(words[:5]) + b"\n" + BODY
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public()))
    signature = bytes.fromhex(words[5].decode())
    public.verify(signature, b"L1 many\0" + hashlib.sha256(text).digest())
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"L1 many\0" + hashlib.sha256(text + b" ").digest())


def test_our_verification_agrees_with_cryptographys():
    import random

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from agent import ed25519

    dice = random.Random(20261120)
    for size in [*range(0, 300, 17), 5000]:
        private = Ed25519PrivateKey.from_private_bytes(dice.randbytes(32))
        public = private.public_key().public_bytes_raw()
        text = dice.randbytes(size)
        signature = private.sign(text)
        assert ed25519.run(ed25519.verify(public, text, signature))
        wrong = bytearray(signature)
        wrong[dice.randrange(64)] ^= 1 << dice.randrange(8)
        assert not ed25519.run(ed25519.verify(public, text, bytes(wrong)))
        assert not ed25519.run(ed25519.verify(public, text + b"x", signature))


def test_a_wrapped_secret_is_unwrapped_by_the_device(key, sealer):
    from agent.hmac_sha256 import prepare
    from agent.keys import unwrap

    wrapped = sealer.wrap("pump", "bob", sealing.BOB)
    assert unwrap(prepare(key.secret_for("pump")), "pump", "bob", wrapped) == sealing.BOB
    assert sealer.wrap("pump", "bob", sealing.BOB) != wrapped


def test_a_key_file_is_its_owners_alone(tmp_path, key):
    path = tmp_path / "ann.key"
    keys.save(key, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.load(path).secret_for("pump") == key.secret_for("pump")
    with pytest.raises(KeyFileError, match="exists"):
        keys.save(key, path)
    os.chmod(path, 0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        keys.load(path)


def test_a_wrong_key_file_is_refused_and_not_repeated(tmp_path):
    path = tmp_path / "x.key"
    for text in (
        "",
        "secret",
        "[]",
        "{}",
        '{"limpet_key":1,"name":"a b","seed":"%s"}' % ("0" * 64),
    ):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(KeyFileError, match="is no key") as caught:
            keys.load(path)
        assert "secret" not in str(caught.value)
    with pytest.raises(KeyFileError, match="No such file"):
        keys.load(tmp_path / "none")
    for name in ("", "a b", "x" * 33):
        with pytest.raises(KeyFileError, match="no name for a key"):
            keys.new(name)


def test_no_text_of_a_key_holds_its_secrets(key):
    assert repr(key) == "<Key ann>" and str(key) == "<Key ann>"


def test_the_fingerprint_is_the_devices_own(key):
    whole = hmac.new(key.secret_for("pump"), b"L1 fingerprint\0", "sha256").hexdigest()
    assert key.fingerprint_for("pump") == whole[:8]


def status(state="online", boot=1, **more):
    return json.dumps({"state": state, "boot": boot, **more}).encode()


def test_a_status_is_marked_by_its_seal():
    roster = Roster()
    for seal, sealed in ((None, None), (False, False), (3, True)):
        roster.update("pump", "status", status(), True, 0.0, seal)
        assert roster.get("pump").sealed is sealed
    roster.update("pump", "about", b"{}", True, 0.0, False)
    assert roster.get("pump").sealed is True


def test_an_old_status_does_not_come_back():
    roster = Roster()
    roster.update("pump", "status", status(boot=5), False, 0.0, 10)
    for old, number in ((status(boot=4), 99), (status(boot=5, clock="unset"), 9)):
        roster.update("pump", "status", old, False, 0.0, number)
    assert roster.get("pump").status == {"state": "online", "boot": 5}
    assert roster.refused == {"a status older than one seen": 2}
    roster.update("pump", "status", status("offline", 5), False, 0.0, 1)  # the will
    assert roster.get("pump").state == "offline"
    roster.update("pump", "status", status(boot=6), False, 0.0, 1)
    assert roster.get("pump").status["boot"] == 6


def test_the_command_line_makes_and_shows_keys(tmp_path, capsys):
    path = str(tmp_path / "ann.key")
    assert main(["key", "new", path]) == 0
    assert main(["key", "show", path]) == 0
    assert capsys.readouterr().out.endswith("ann\n")
    assert main(["key", "show", path, "pump", "--permissions", "read,act"]) == 0
    told = capsys.readouterr()
    (entry,) = json.loads(told.out)["keys"]
    assert entry["name"] == "ann" and entry["permissions"] == ["read", "act"]
    assert entry["secret"] == keys.load(path).secret_for("pump").hex()
    assert "secret" in told.err
    assert main(["key", "new", path]) == 2
    assert "File exists" in capsys.readouterr().err
    assert main(["key", "show", path + "x"]) == 2


def test_a_wrong_permission_is_a_wrong_command_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["key", "show", "x.key", "pump", "--permissions", "root"])
    assert ended.value.code == 2 and "'root' is none of read" in capsys.readouterr().err
