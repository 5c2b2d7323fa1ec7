"""agent/commands/policy.py and audit.py: who may do what, and what is told of it."""

from support import START, raises

from agent.commands import policy as policies
from agent.commands.audit import MOST, MOST_REASONS, MOST_SHOWN, PERIOD_MS, SAME_MS, Audit
from agent.commands.policy import Caller, Denied, check_command, check_hardware
from agent.commands.registry import PERMISSIONS, PLAIN, Command
from agent.errors import BadParams


def command(permission):
    return Command("t.%s" % permission, None, (), permission, "once", PLAIN, "")


OPEN = dict(policies.DEFAULT)
CODE = policies.check_policy({"code": True}, BadParams)


def test_a_caller_may_do_what_its_key_says_and_nothing_else():
    for held in PERMISSIONS:
        for wanted in PERMISSIONS:
            caller = Caller("ann", (held,))
            if held == wanted:
                check_command(CODE, caller, command(wanted))
            else:
                error = raises(Denied, check_command, CODE, caller, command(wanted))
                assert error.code == "denied" and error.data == {"permission": wanted}
                assert "t.%s needs the permission %s" % (wanted, wanted) in error.message
                assert "the key ann has %s" % held in error.message


def test_nobody_is_anonymous_before_there_is_a_key():
    caller = policies.anonymous(OPEN, False)
    for permission in PERMISSIONS:
        if permission != "code":
            check_command(OPEN, caller, command(permission))


def test_a_caller_without_a_key_may_read_at_most_once_there_is_one():
    caller = policies.anonymous(OPEN, True)
    assert caller == Caller("", ("read",))
    check_command(OPEN, caller, command("read"))
    for permission in PERMISSIONS[1:]:
        raises(Denied, check_command, OPEN, caller, command(permission))
    nobody = policies.anonymous(policies.check_policy({"anonymous": "none"}, BadParams), True)
    error = raises(Denied, check_command, OPEN, nobody, command("read"))
    assert "a caller without a key has none" in error.message


def test_code_is_off_until_the_policy_switches_it_on():
    for caller in (Caller("ann", PERMISSIONS), policies.ANYONE):
        error = raises(Denied, check_command, OPEN, caller, command("code"))
        assert error.data == {"policy": "code"} and "policy.set code=true" in error.message
        check_command(CODE, caller, command("code"))


RANGES = [
    {"kind": "memory", "where": "physical", "first": 0x1000, "last": 0x1FFF, "write": True},
    {"kind": "memory", "where": "physical", "first": 0x3000, "last": 0x3FFF},
    {"kind": "ioctl", "where": "/dev/st0", "first": 0x6D01, "last": 0x6D01},
]
HARDWARE = policies.check_policy({"hardware": RANGES}, BadParams)


def test_hardware_is_reached_inside_a_range_only():
    check_hardware(HARDWARE, "memory", "physical", 0x1000, 0x1FFF, True)
    check_hardware(HARDWARE, "memory", "physical", 0x3000, 0x3003, False)
    check_hardware(HARDWARE, "ioctl", "/dev/st0", 0x6D01, 0x6D01, False)
    for wrong in (
        ("memory", "physical", 0x0FFF, 0x1000, True),
        ("memory", "physical", 0x1FFF, 0x2000, True),
        ("memory", "physical", 0x1FFF, 0x3000, False),
        ("memory", "physical", 0x3000, 0x3000, True),
        ("memory", "physical", 0x1010, 0x1000, True),
        ("ioctl", "/dev/st1", 0x6D01, 0x6D01, False),
        ("pin", "physical", 0x1000, 0x1000, False),
    ):
        error = raises(Denied, check_hardware, HARDWARE, *wrong)
        assert error.data["hardware"]["kind"] == wrong[0] and wrong[1] in error.message
    raises(Denied, check_hardware, OPEN, "pin", "gpiochip0", 1, 1, False)


def test_a_wrong_policy_is_refused_with_its_path():
    for values, part in (
        ({"anonymous": "act"}, 'anonymous: expected "read" or "none"'),
        ({"code": 1}, "code: expected true or false"),
        ({"hardware": [{"kind": "gpio"}]}, "hardware[0].kind"),
        ({"hardware": [dict(RANGES[0], last=1)]}, "hardware[0].last: below first"),
        ({"keys": []}, "keys: unknown"),
    ):
        assert part in raises(BadParams, policies.check_policy, values, BadParams).message


def test_each_command_that_changes_something_is_told_once():
    audit = Audit()
    assert audit.due is None and audit.take(0) == []
    audit.note_command(Caller("ann", ()), command("act"), "id-1", 5)
    assert audit.due == 0
    told = audit.take(6)
    assert told == [
        {
            "event": "command",
            "key": "ann",
            "method": "t.act",
            "permission": "act",
            "id": "id-1",
            "uptime_ms": 5,
        }
    ]
    assert audit.due is None and audit.take(7) == []


def test_the_parts_of_a_transfer_are_not_each_an_event():
    audit = Audit()
    part = command("files")
    part = Command(*(list(part[:4]) + ["repeat"] + list(part[5:])))
    for now in range(START, START + 3 * SAME_MS, 100):
        audit.note_command(Caller("ann", ()), part, "id-%d" % now, now)
    assert [event["id"] for event in audit.take(0)] == [
        "id-%d" % (START + passed) for passed in (0, SAME_MS, 2 * SAME_MS)
    ]
    audit.note_command(Caller("bob", ()), part, "id-b", START + 3 * SAME_MS - 1)
    assert len(audit.take(0)) == 1
    for _number in range(3):
        audit.note_command(Caller("ann", ()), command("act"), "id-c", START + 3 * SAME_MS)
    assert len(audit.take(0)) == 3


def test_a_flood_of_refusals_is_one_event_a_minute():
    audit = Audit()
    told = []
    for now in range(START, START + 3 * PERIOD_MS, 20):
        audit.note_refusal("wrong-mac", None, now)
        if audit.due <= now:
            told += audit.take(now)
    assert len(told) == 3 and audit.refused == 3 * PERIOD_MS // 20
    assert told[0]["counts"] == {"wrong-mac": 1}
    assert told[1]["counts"] == {"wrong-mac": PERIOD_MS // 20}
    assert told[1]["since_uptime_ms"] == START + 20
    assert audit.due == START + 3 * PERIOD_MS


def test_the_audit_stays_small_and_counts_what_it_dropped():
    audit = Audit()
    for number in range(MOST + 7):
        audit.note_command(Caller("ann", ()), command("act"), "id-%d" % number, number)
        audit.note_refusal("reason-%d" % number, None, number)
    told = audit.take(100)
    assert len(told) == MOST + 1 and told[0]["dropped"] == 7 and told[0]["id"] == "id-7"
    counts = told[-1]["counts"]
    assert len(counts) == MOST_REASONS + 1 and counts["other"] == MOST + 7 - MOST_REASONS


class Ended:
    """A task as the executor hands it back: what was asked, and by whom."""

    def __init__(self, method, params):
        self.command = Command(method, None, (), "act", "once", False, "")
        self.params = params
        self.request = self
        self.address = self
        self.key, self.id = "ann", "id-1"


def test_a_write_is_told_with_what_stood_there():
    audit = Audit()
    audit.note_change(Ended("i2c.write", {"address": 72, "data": [1] * 400}), [9], 7)
    event = audit.take(8)[0]
    assert (event["event"], event["method"], event["before"]) == ("changed", "i2c.write", [9])
    assert event["key"] == "ann" and event["params"]["address"] == 72
    assert len(event["params"]["data"]) == MOST_SHOWN  # the event fits a packet
