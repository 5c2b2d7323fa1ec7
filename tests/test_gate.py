"""agent/commands/gate.py with the service behind it: who is answered, and what never runs."""

import json
import os

from faulty.disk import Disk
from sealing import ANN, BOB, SIGNER, left, line, live, signed, text_of, wrap
from support import START

from agent.clock import Clock
from agent.commands import key
from agent.commands.audit import PERIOD_MS
from agent.commands.executor import Executor
from agent.commands.gate import Gate
from agent.commands.once import Once
from agent.commands.registry import INLINE, PERMISSIONS, Command, Registry
from agent.commands.service import Incoming, Service
from agent.keys import AHEAD, Keyring
from agent.records import Records
from agent.store import Store

CALL, ALL = "limpet/pump/call", "limpet/all/call"
REPLY = "limpet/reply/me/pump"
FULL = os.getenv("LIMPET_SIZE") == "full"


class StoppedClock(Clock):
    """A clock that the test moves."""

    def __init__(self):
        super().__init__()
        self.time = START

    def now(self):
        return self.time


class Device:
    """One boot of a device with keys; what runs is counted."""

    def __init__(self, disk=None, nonce="n0", keys=True, policy=None):
        self.disk = disk or Disk()
        self.clock = StoppedClock()
        self.sent, self.ran = [], []
        keyring = Keyring(Store("data", self.disk), "data", self.disk)
        if keys and disk is None:
            self.provision(policy)
        keyring.load()
        assert keyring.fault is None
        targets = {CALL: "pump", ALL: "all"}
        self.gate = Gate(keyring, targets, "pump", nonce, self.clock)
        once = Once(Records("data", "journal", self.disk), self.clock, 50, 65536, 0)
        registry = Registry()
        registry.add(self.commands())
        registry.add(key.commands(keyring, "pump", self.gate.refresh))
        self.service = Service(
            registry,
            Executor(0, 8, self.clock, None),
            self.clock,
            ("pump", nonce),
            "limpet/reply/",
            2000,
            lambda *sent: self.sent.append(sent),
            once,
            self.gate,
        )
        for told in once.recover(1):
            self.service.tell(*told)
        self.service.commit()

    def provision(self, policy):
        ann = {"name": "ann", "secret": text_of(ANN), "permissions": list(PERMISSIONS)}
        bob = {"name": "bob", "secret": text_of(BOB), "permissions": ["read"]}
        words = {"keys": [dict(ann, signer=SIGNER), bob], "policy": policy}
        self.disk.write("data/keys.json", json.dumps(words).encode())
        self.disk.sync_folder("data")

    def commands(self):
        def command(permission, repeat):
            name = "t.%s-%s" % (permission, repeat)
            return Command(name, self.run(name), (), permission, repeat, INLINE, "")

        return [command(p, repeat) for p in PERMISSIONS for repeat in ("once", "repeat")]

    def run(self, name):
        def call(params):
            self.ran.append(name)
            return len(self.ran)

        return call

    def give(self, payload, topic=CALL, reply=None):
        """Bring a payload to the device; the responses, as (key's seal line, body)."""
        start = len(self.sent)
        check = self.service.accept(Incoming(topic, payload, False, reply, None, None))
        if check is not None:
            for _ in check:
                pass
        self.service.commit()
        self.service.commit()
        self.service.send_late(self.clock.now() + 1000)  # a call to many is answered by chance
        return [self.read(sent) for sent in self.sent[start:]]

    def read(self, sent):
        topic, payload = sent[0], sent[1]
        if payload[:3] != b"L1 ":
            return None, json.loads(payload)
        head, body = payload.split(b"\n", 1)
        words = head.split(b" ")
        name = words[1].decode()
        own = {"ann": ANN, "bob": BOB}[name]
        assert line(own, b" ".join(words[:-1]), body, topic, "pump", "", "up") == payload
        return name, json.loads(body)

    def only(self, *given):
        answers = self.give(*given)
        assert len(answers) == 1, answers
        return answers[0]


def request(method="t.act-once", identity="0123456789ab", **members):
    document = {"id": identity, "method": method, "reply": REPLY}
    document.update(members)
    return json.dumps(document).encode()


def code(answer):
    return answer[1]["error"]["code"]


def counts(device):
    """What the audit counted as refused since it was asked last."""
    device.clock.time += PERIOD_MS
    told = {}
    for event in device.gate.step(device.clock.time):
        told.update(event.get("counts", {}))
    return told


def test_without_keys_everybody_may_command():
    device = Device(keys=False)
    sealed_by, answer = device.only(request())
    assert sealed_by is None and answer["result"] == 1
    assert code(device.only(request("t.code-once", "abcdefghijkl"))) == "denied"
    assert device.give(live(request(), 1)) == []  # no key that could have made it
    assert device.gate.seal_for_all("limpet/pump/status", b"{}") == b"{}"


def test_a_sealed_request_runs_and_its_answer_is_sealed():
    device = Device()
    sealed_by, answer = device.only(live(request(), 1))
    assert sealed_by == "ann" and answer["result"] == 1 and answer["id"] == "0123456789ab"


def test_with_keys_a_bare_request_may_read_at_most():
    device = Device()
    assert device.only(request("t.read-repeat"))[1]["result"] == 1
    for permission in PERMISSIONS[1:]:
        assert code(device.only(request("t.%s-once" % permission, "x" * 11))) == "denied"
    shut = Device(policy={"anonymous": "none"})
    assert code(shut.only(request("t.read-repeat"))) == "denied"
    assert shut.ran == [] and counts(shut) == {"denied": 1}


def test_a_key_may_do_what_its_permissions_say():
    device = Device()
    for number, permission in enumerate(PERMISSIONS):
        payload = live(request("t.%s-repeat" % permission), number + 1, key="bob", secret=BOB)
        sealed_by, answer = device.only(payload)
        assert sealed_by == "bob" and ("result" in answer) == (permission == "read")
    assert device.ran == ["t.read-repeat"]


def test_what_is_not_sealed_right_is_neither_answered_nor_parsed():
    device = Device()
    body = request()
    for payload, reason in (
        (live(body, 1, secret=BOB), "wrong-mac"),
        (live(body, 1, key="eve", secret=BOB), "unknown-key"),
        (live(body, 1)[:-1], "wrong-mac"),
        (live(body, 1, topic="limpet/pum/call"), "wrong-mac"),
        (live(b"{no json", 1, secret=BOB), "wrong-mac"),
        (b"L1 nonsense\n" + body, "malformed"),
        (live(body, 1).replace(b" live ", b" many "), "malformed"),
    ):
        assert device.give(payload) == []
        assert device.give(payload, CALL, REPLY) == []
        assert counts(device) == {reason: 2}, (payload, reason)
    assert device.ran == []


def test_the_reply_topic_of_the_properties_is_sealed_too():
    device = Device()
    body = request("t.act-repeat")
    assert device.give(live(body, 1), CALL, "limpet/reply/eve") == []
    answers = device.give(live(body, 1, reply="limpet/reply/x"), CALL, "limpet/reply/x")
    assert len(answers) == 1 and device.sent[-1][0] == "limpet/reply/x"


def test_a_copy_is_not_run_again_and_not_answered_again():
    device = Device()
    payload = live(request("t.act-repeat"), 1)
    assert device.only(payload)[1]["result"] == 1
    assert device.give(payload) == [] and device.ran == ["t.act-repeat"]
    assert counts(device) == {"repeated ann": 1}


def test_a_known_id_gets_its_stored_answer_however_old_the_seal():
    device = Device()
    payload = live(request(), 1)
    assert device.only(payload)[1]["result"] == 1
    assert device.only(payload) == device.only(live(request(), 2))
    again = Device(device.disk, "n1")
    assert again.only(payload)[1]["result"] == 1  # sealed for the boot before
    assert again.only(live(request(), 1, "n1"))[1]["result"] == 1
    assert again.ran == [] and device.ran == ["t.act-once"]


def test_an_id_belongs_to_its_key():
    device = Device()
    assert device.only(live(request("t.read-once"), 1))[1]["result"] == 1
    other = live(request("t.read-once"), 1, key="bob", secret=BOB)
    assert device.only(other)[1]["result"] == 2
    assert device.only(request("t.read-once"))[1]["result"] == 3


def test_a_live_request_of_another_boot_is_stale_and_learns_the_nonce():
    device = Device()
    for payload in (live(request(), 9, "n9"), live(request("t.act-repeat"), 9, "n9")):
        sealed_by, answer = device.only(payload)
        assert sealed_by == "ann" and answer["error"]["code"] == "stale"
        assert answer["error"]["data"] == {"nonce": "n0"}
    assert device.ran == []


def test_requests_may_overtake_each_other_but_not_by_too_much():
    device = Device()
    order = [5, 3, 4, 9, 1] + list(range(10, 60))
    for number in order:
        body = request("t.act-repeat", "id-%08d" % number)
        assert "result" in device.only(live(body, number))[1]
    answer = device.only(live(request("t.act-repeat"), 2))
    assert code(answer) == "stale" and answer[1]["error"]["data"] == {"nonce": "n0", "seq": 59}
    assert len(device.ran) == len(order)


def test_a_request_left_for_a_device_runs_after_its_reboot_once():
    device = Device()
    assert device.only(left(request("t.act-repeat"), 100))[1]["result"] == 1
    device.disk.cut()
    again = Device(device.disk, "n1")
    answer = again.only(left(request("t.act-repeat"), 100))
    assert code(answer) == "stale" and answer[1]["error"]["data"] == {"counter": 100 + AHEAD}
    assert again.only(left(request("t.act-repeat"), 101 + AHEAD))[1]["result"] == 1
    assert device.ran == again.ran == ["t.act-repeat"]


def test_after_quiet_no_counter_is_lost_to_a_reboot():
    device = Device()
    device.give(left(request("t.act-repeat"), 100))
    due = device.gate.due
    device.gate.step(device.clock.time)
    assert due == 0  # the audit of an `act` command
    device.clock.time = device.gate.due
    device.gate.step(device.clock.time)
    assert device.gate.due is None
    again = Device(device.disk, "n1")
    assert "result" in again.only(left(request("t.act-repeat"), 101))[1]


def test_a_replaced_secret_counts_from_its_first_use():
    device = Device()
    new = b"z" * 32
    params = {"name": "bob", "under": "ann", "wrapped": wrap(ANN, "pump", "bob", new)}
    answer = device.only(live(request("key.replace", params=params), 1))
    assert answer[1]["result"]["replaced_by"]
    read = request("t.read-repeat")
    assert device.only(live(read, 1, key="bob", secret=BOB))[0] == "bob"
    assert device.service.accept(
        Incoming(CALL, live(read, 2, key="bob", secret=new), False, None, None, None)
    ) is None  # fmt: skip
    assert device.ran == ["t.read-repeat"] * 2
    assert device.give(live(read, 3, key="bob", secret=BOB)) == []


def test_a_withdrawn_key_is_worth_nothing():
    device = Device()
    withdraw = request("key.withdraw", params={"name": "bob"})
    assert device.only(live(withdraw, 1))[1]["result"] == {}
    assert device.give(live(request("t.read-repeat"), 1, key="bob", secret=BOB)) == []


# Signed with the seed 0, 1 ... 31 by CPython's `cryptography`: over `L1 many`, a zero and the
# SHA-256 of direction, target, topic, reply topic, line and body, as seal.py has it.
GROUP_HEAD = "L1 ann many 500 0"
GROUP_BODY = b'{"id":"0123456789ab","method":"t.act-repeat","reply":"limpet/reply/me/pump"}'
GROUP_SIGNATURE = (
    "4c192dbbee37c79502a52213966a0173a688c5c640bfb516913f342af2e5dfd8"
    "4965a2ec953778856c2bdd6ab4b65e1daf06c870feaf4f2e50d3283fb2997a01"
)


def test_a_call_to_all_is_signed_and_runs_once():
    device = Device()
    payload = signed(GROUP_HEAD, GROUP_BODY, GROUP_SIGNATURE)
    sealed_by, answer = device.only(payload, ALL)
    assert sealed_by == "ann" and answer["result"] == 1
    assert device.give(payload, ALL) == []
    device.disk.cut()
    assert code(Device(device.disk, "n1").only(payload, ALL)) == "stale"
    assert device.ran == ["t.act-repeat"]


def test_a_signature_counts_for_its_topic_and_its_bytes_only():
    device = Device()
    payload = signed(GROUP_HEAD, GROUP_BODY, GROUP_SIGNATURE)
    assert device.give(payload) == [] and counts(device) == {"form": 1}
    for wrong in (
        signed("L1 ann many 501 0", GROUP_BODY, GROUP_SIGNATURE),
        signed(GROUP_HEAD, GROUP_BODY + b" ", GROUP_SIGNATURE),
        signed(GROUP_HEAD, GROUP_BODY, GROUP_SIGNATURE[:-2] + "00"),
    ):
        assert device.give(wrong, ALL) == [] and counts(device) == {"wrong-signature": 1}
    bob = signed("L1 bob many 500 0", GROUP_BODY, GROUP_SIGNATURE)
    assert device.give(bob, ALL) == [] and counts(device) == {"unknown-signer": 1}
    assert device.ran == []


def test_a_mac_is_no_seal_for_a_group():
    device = Device()
    head = "L1 ann left 5 0"
    assert device.give(line(ANN, head, request(), ALL, "all"), ALL) == []
    assert counts(device) == {"form": 1} and device.ran == []


def test_a_flood_of_wrong_signatures_is_not_computed():
    device = Device()
    wrong = signed(GROUP_HEAD, GROUP_BODY, GROUP_SIGNATURE[:-2] + "00")
    for _ in range(4):
        device.give(wrong, ALL)
    check = device.service.accept(Incoming(ALL, wrong, False, None, None, None))
    assert len(list(check)) == 0
    assert counts(device) == {"wrong-signature": 4, "flood": 1}
    right = signed(GROUP_HEAD, GROUP_BODY, GROUP_SIGNATURE)
    assert len(device.give(right, ALL)) == 1  # a minute later


def test_a_flood_of_wrong_seals_does_not_lock_out_who_is_right():
    device = Device()
    for _ in range(500):
        device.give(live(request(), 1, secret=BOB))
        device.give(live(request(), 1, "n9"))
    assert device.only(live(request("t.act-repeat", "y" * 11), 2))[1]["result"] == 1
    seen = counts(device)
    assert seen["wrong-mac"] == 500 and seen["flood"] > 400


def test_a_flood_without_seals_is_cut_off():
    device = Device()
    answered = sum([len(device.give(request("t.read-repeat"))) for _ in range(300)])
    assert answered == 100
    device.clock.time += 1000
    assert sum([len(device.give(request("t.read-repeat"))) for _ in range(300)]) == 50
    assert device.only(live(request("t.read-repeat"), 1))[0] == "ann"


def test_each_act_leaves_an_audit_event_and_reading_does_not():
    device = Device()
    device.give(live(request("t.read-repeat"), 1))
    device.give(live(request("t.admin-once"), 2))
    events = device.gate.step(device.clock.time)
    assert len(events) == 1 and events[0]["method"] == "t.admin-once"
    assert events[0]["key"] == "ann" and events[0]["id"] == "0123456789ab"


def test_a_status_carries_a_seal_for_each_key():
    device = Device()
    topic = "limpet/pump/status"
    payload = device.gate.seal_for_all(topic, b'{"state":"online"}')
    lines = payload.split(b"\n")
    assert [text.split(b" ")[1] for text in lines[:-1]] == [b"ann", b"bob"]
    for text, secret in ((lines[0], ANN), (lines[1], BOB)):
        head = text.rsplit(b" ", 1)[0]
        wanted = line(secret, head, lines[-1], topic, "pump", "", "up")
        assert text + b"\n" + lines[-1] == wanted


def test_a_declined_request_is_answered_to_whom_it_is_from():
    device = Device()

    def decline(payload, topic=CALL):
        device.service.decline(Incoming(topic, payload, False, None, None, None))

    decline(live(request(), 1))
    assert (
        device.read(device.sent[-1])[0] == "ann" and code(device.read(device.sent[-1])) == "busy"
    )
    decline(live(request(), 1, secret=BOB))
    decline(signed(GROUP_HEAD, GROUP_BODY, GROUP_SIGNATURE), ALL)
    assert len(device.sent) == 1
    assert "result" in device.only(live(request(), 1))[1]  # its number was not used up


class Dice:
    """Numbers that are the same on every runtime for a seed."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % limit


def mutate(payload, dice):
    """One to three changes of bytes: flips, cuts, insertions, doublings."""
    data = bytearray(payload)
    for _ in range(1 + dice.below(3)):
        at = dice.below(len(data)) if data else 0
        kind = dice.below(5)
        if kind == 0 and data:
            data[at] ^= 1 << dice.below(8)
        elif kind == 1:
            data = data[:at]
        elif kind == 2:
            data = data[:at] + bytes([dice.below(256)]) + data[at:]
        elif kind == 3:
            data = data[:at] + data[at + 1 :]
        else:
            data = data[:at] + data[at : at + 1 + dice.below(9)] + data[at:]
    return bytes(data)


def hostile(dice, old):
    """A payload that must not run: changed, replayed, of the wrong key, beyond all bounds."""
    body = request("t.act-repeat", "id-%09d" % dice.below(1000000000))
    kind = dice.below(8)
    if kind < 4:
        right = (live(body, 100000 + dice.below(1000)), left(body, AHEAD * 9))[dice.below(2)]
        changed = mutate(right, dice)
        return None if changed == right else changed
    if kind == 4:
        return old[dice.below(len(old))]
    if kind == 5:
        return live(
            body, 1 + dice.below(10**9), "n0", ("ann", "bob", "eve")[dice.below(3)], b"?" * 32
        )
    if kind == 6:
        head = "L1 ann %s %s %s" % (
            ("live", "left", "many")[dice.below(3)],
            ("n0", 10 ** (16 + dice.below(30)), -1, "1e9")[dice.below(4)],
            (10 ** (16 + dice.below(30)), -5, 0, "0x10", "")[dice.below(5)],
        )
        return line(ANN, head, body, CALL)
    return live(body, 1 + dice.below(1000), "n%d" % (1 + dice.below(9)))


def test_no_hostile_request_runs():
    count, seed = (100000 if FULL else 2000), 20261120
    dice = Dice(seed)
    device = Device()
    old = []
    for number in range(1, 41):
        body = request("t.act-repeat", "old-%08d" % number)
        old += [live(body, number), left(body, number)]
    for payload in old:
        assert len(device.give(payload)) == 1
    before = len(device.ran)
    for number in range(count):
        payload = hostile(dice, old)
        device.clock.time += 10
        if payload is None:
            continue
        for _, answer in device.give(payload):
            assert "error" in answer, (seed, number, payload)
        device.sent = []
        assert len(device.ran) == before, (seed, number, payload)
        device.gate.step(device.clock.time)
    assert device.gate.audit.refused > count // 2
    assert device.only(live(request("t.act-repeat", "z" * 11), 10**9))[1]["result"] == before + 1


def test_a_replaced_secret_counts_on_a_medium_that_takes_nothing():
    device = Device()
    device.gate.keyring.replace("ann", secret=BOB)
    device.disk.read_only = True
    body = request(method="t.read-repeat")
    payload = live(body, 7, secret=BOB, reply=REPLY)
    start = len(device.sent)
    device.service.accept(Incoming(CALL, payload, False, REPLY, None, None))
    device.service.commit()
    topic, answer = device.sent[start][:2]
    head = answer.split(b"\n", 1)[0].split(b" ")
    sealed = line(BOB, b" ".join(head[:-1]), answer.split(b"\n", 1)[1], topic, "pump", "", "up")
    assert sealed == answer and device.ran == ["t.read-repeat"]
    again = Device(device.disk)  # nothing could be stored: both count again
    assert again.gate.keyring.find("ann").spare is not None
