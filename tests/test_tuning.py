"""agent/tuning.py: a change reaches the parts, and a desired document is answered once."""

import json

from faulty.disk import Disk
from sealing import ANN, BOB, left, live, text_of
from support import START, raises

from agent import config, optional
from agent.clock import Clock
from agent.commands.gate import Gate
from agent.commands.policy import check_command
from agent.commands.registry import Command
from agent.errors import BadConfig
from agent.keys import Keyring
from agent.log import Log
from agent.store import Store
from agent.tuning import LEAVE_LEAST_MS, LEAVE_MOST_MS, Tuning
from agent.twin.desired import TRIAL_FIELDS
from agent.twin.twin import NoTrial, Twin

TOPIC = "limpet/pump/desired"
FILE = config.check({"device": "pump", "data": "data", "mqtt": {"host": "good"}})
ASIS = {field.name: field.default for field in TRIAL_FIELDS}
SET = Command("config.set", None, (), "admin", "once", True, "")


class Device:
    """One start; what the parts were told is in `told`, what was reported in `reports`."""

    def __init__(self, disk=None, keys=True):
        self.disk = disk or Disk()
        self.time = START
        self.told, self.reports = [], []
        self.is_drained = True
        if keys and disk is None:
            words = [
                {"name": "ann", "secret": text_of(ANN), "permissions": ["read", "admin"]},
                {"name": "bob", "secret": text_of(BOB), "permissions": ["read"]},
            ]
            self.disk.write("data/keys.json", json.dumps({"keys": words}).encode())
            self.disk.sync_folder("data")
        store = Store("data", self.disk)
        keyring = Keyring(store, "data", self.disk)
        keyring.load()
        self.gate = Gate(keyring, {TOPIC: "pump"}, "pump", "n0", self)
        self.twin = Twin(store, FILE, config.FIELDS, config.check, lambda values: None)
        self.twin.load(self.time)
        self.tuning = Tuning(
            self.twin,
            config.FIELDS,
            self,
            self.gate,
            Log("error", Clock(), self.told.append),
            {
                "live": {"log": lambda value: self.told.append("log " + value)},
                "leave": self.leave,
                "restart": lambda: self.told.append("restart"),
                "drained": lambda: self.is_drained,
                "publish": self.publish,
                "authorise": lambda caller, identity: check_command(keyring.policy, caller, SET),
                "ask_again": lambda: self.told.append("ask again"),
            },
        )
        self.tuning.connected()
        self.step()

    def now(self):
        return self.time

    def publish(self, payload):
        self.reports.append(json.loads(payload))
        return True

    def leave(self, values, now):
        self.told.append("leave for " + values["mqtt"]["host"])

    def step(self, passed=0):
        self.time += passed
        self.tuning.step(self.time)

    def want(self, payload):
        """Bring a document; what is reported of it, or None."""
        self.reports = []
        self.tuning.take_desired(TOPIC, payload)
        self.step()
        return self.reports[-1]["desired"] if self.reports else None


def document(identity, settings, **options):
    return json.dumps(dict(options, id=identity, settings=settings)).encode()


def sealed(counter, body, key="ann", secret=ANN):
    return left(body, counter, key, secret, TOPIC)


def state(answer):
    return None if answer is None else (answer["id"], answer["state"])


def test_what_was_never_touched_reports_nothing():
    assert Device().reports == []


def test_a_sealed_document_is_taken_once():
    device = Device()
    payload = sealed(5, document("a", {"log": "debug"}))
    assert state(device.want(payload)) == ("a", "in-force")
    assert device.told == ["log debug"]
    assert device.want(payload) is None  # as a broker repeats what it keeps
    assert state(Device(device.disk).reports[-1]["desired"]) == ("a", "in-force")
    assert Device(device.disk).want(payload) is None
    assert device.told == ["log debug"]


def test_an_old_document_never_comes_back_whoever_sealed_the_last():
    device = Device()
    old = sealed(5, document("old", {"log": "debug"}))
    device.want(old)
    device.want(sealed(9, document("new", {"log": "error"})))
    for again in (device, Device(device.disk)):
        answer = again.want(old)
        assert state(answer) == ("old", "refused")
        assert answer["reason"]["code"] == "stale" and answer["reason"]["data"] == {"counter": 9}
        assert again.twin.wanted["log"] == "error"
        held_back = sealed(7, document("between", {"log": "warning"}))
        assert again.want(held_back)["reason"]["code"] == "stale"
        assert again.want(sealed(9, document("new", {"log": "error"}))) is None


def test_a_refused_document_cannot_be_kept_for_better_days():
    device = Device()
    device.twin.edit({"log": "debug"}, [], ASIS, 0, "x")
    early = sealed(5, document("early", {"log": "error"}, if_revision=2))
    assert device.want(early)["reason"]["code"] == "conflict"
    device.twin.edit({"log": "warning"}, [], ASIS, 0, "x")
    for again in (device, Device(device.disk)):
        assert again.want(early) is None and again.twin.wanted["log"] == "warning"
        assert again.want(sealed(4, document("early", {})))["reason"]["code"] == "stale"


def test_who_may_not_set_is_refused_and_writes_nothing():
    device = Device()
    count = device.disk.operations
    body = document("a", {"log": "debug"})
    assert device.want(sealed(5, body, "bob", BOB))["reason"]["code"] == "denied"
    assert device.want(live(body, 1, topic=TOPIC))["reason"]["code"] == "bad-seal"
    for payload in (body, sealed(5, body, "ann", BOB), sealed(5, body, "eve"), b"", b"L1 x"):
        assert device.want(payload) is None
    assert device.disk.operations == count and device.twin.wanted == FILE
    assert device.gate.audit.refused == 3


def test_a_document_for_another_device_or_topic_is_not_taken():
    device = Device()
    body = document("a", {"log": "debug"})
    assert device.want(left(body, 5)) is None  # sealed for the topic of calls
    assert device.twin.wanted == FILE


def test_without_keys_a_document_needs_no_seal():
    device = Device(keys=False)
    assert state(device.want(document("a", {"log": "debug"}))) == ("a", "in-force")
    assert device.want(document("a", {"log": "debug"})) is None
    again = Device(device.disk)
    assert again.want(document("a", {"log": "debug"})) is None
    assert again.want(document("b", {}))["state"] == "in-force" and again.twin.wanted == FILE
    count = device.disk.operations
    for number in range(20):
        assert again.want(document("c%d" % number, 7))["state"] == "refused"
    assert device.disk.operations == count  # nobody's nonsense wears the medium


def test_whatever_is_wrong_with_a_document_is_said():
    device = Device()
    cases = (
        (b"{", "bad-json", None),
        (document("a", {"log": 1}), "bad-config", "a"),
        (document("a", {}, within_s=0), "bad-params", "a"),
        (document("a", {}, more=1), "bad-params", "a"),
        (document("", {}), "bad-params", None),
        (document("\u00fc", {}), "bad-params", None),
        (b'{"settings":{}}', "bad-params", None),
        (document("a", {"device": "x"}), "bad-setting", "a"),
    )
    for counter, (body, code, identity) in enumerate(cases, 1):
        answer = device.want(sealed(counter, body))
        assert answer["reason"]["code"] == code, body
        assert answer["id"] == identity and answer["state"] == "refused"
    assert device.twin.wanted == FILE


def test_while_something_is_on_trial_a_document_waits():
    device = Device()
    device.tuning.edit({"mqtt": {"host": "other"}}, [], ASIS)
    payload = sealed(5, document("a", {"log": "debug"}))
    assert state(device.want(payload)) == ("a", "waiting")
    device.step(LEAVE_LEAST_MS)
    device.tuning.connected()
    device.told = []
    device.tuning.confirm(None)
    assert device.told == ["ask again"]
    # The document says all that differs from the file: the way back to the file's broker.
    assert state(device.want(payload)) == ("a", "on-trial")
    assert device.twin.wanted["mqtt"]["host"] == "good"


def test_it_leaves_once_the_answer_is_delivered_and_not_later_than_it_must():
    device = Device()
    device.tuning.edit({"mqtt": {"host": "other"}}, [], ASIS)
    assert device.reports == [] and device.tuning.due == 0  # to report, at the next turn
    device.step(0)
    assert len(device.reports) == 1 and device.tuning.due == START + LEAVE_LEAST_MS
    device.is_drained = False
    device.step(LEAVE_LEAST_MS)
    assert device.reports[-1]["trial"]["left_s"] == 120 and device.told == []
    device.step(LEAVE_MOST_MS)
    assert device.told == ["leave for other"]
    device.step(1)
    assert device.told == ["leave for other"]


def test_only_a_connection_under_the_new_settings_confirms():
    device = Device()
    device.tuning.edit({"mqtt": {"host": "other"}}, [], dict(ASIS, confirm="online"))
    for _ in range(2):
        device.tuning.subscribed()  # of the old connection
        try:
            device.tuning.confirm(None)
            raise AssertionError("confirmed from the old connection")
        except NoTrial:
            device.step(LEAVE_LEAST_MS)
    device.tuning.connected()
    device.tuning.subscribed()
    assert device.twin.trial is None and device.twin.outcome["state"] == "confirmed"


def test_what_is_not_confirmed_goes_back_in_time():
    device = Device()
    device.want(sealed(5, document("a", {"mqtt": {"host": "other"}}, within_s=10)))
    assert device.reports[-1]["desired"]["state"] == "on-trial"
    device.step(LEAVE_LEAST_MS)
    assert device.tuning.due == START + 10_000
    device.step(9_799)
    assert device.told == ["leave for other"]
    device.step(1)
    assert device.told[-1] == "leave for good"
    device.tuning.connected()
    device.step()
    answer = device.reports[-1]["desired"]
    assert state(answer) == ("a", "reverted") and "within 10 s" in answer["reason"]
    assert device.want(sealed(5, document("a", {}))) is not None
    assert Device(device.disk).twin.wanted["mqtt"]["host"] == "good"


def test_to_go_back_from_what_needs_a_restart_the_device_restarts():
    device = Device()
    device.tuning.edit({"mqtt": {"receive_maximum": 1}}, [], dict(ASIS, within_s=10))
    device.step(20_000)
    assert device.told == []
    again = Device(device.disk)
    assert again.twin.running["mqtt"]["receive_maximum"] == 1
    again.step(10_000)
    assert "restart" in again.told
    assert Device(device.disk).twin.running["mqtt"]["receive_maximum"] == 20


def test_workers_that_are_not_safe_are_the_files_alone():
    was = optional.THREADS
    try:
        optional.THREADS = "unsafe"
        for wanted, in_file in (("auto", 2), (0, 2), (2, 2)):
            optional.check_workers(wanted, in_file)
        error = raises(BadConfig, optional.check_workers, 3, 2)
        assert "workers: 3: only the configuration file" in error.message
        assert "global lock" in error.message
        optional.THREADS = "gil"
        optional.check_workers(3, 2)
    finally:
        optional.THREADS = was
