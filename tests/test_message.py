"""agent/commands/message.py: every request is a record or a precise error with its address."""

import json

from support import STARTS, raises

from agent.commands import message
from agent.commands.message import Address, Moment, parse_request, read_address
from agent.errors import BadRequest, ClockUnknown, Expired, LimpetError, ReplyRefused, TooLarge

ID = "0123456789abcdef"
PREFIX = "limpet/reply/"
HERE = Address(ID, PREFIX + "me", None, "")


def moment(now=0, quality="unset", unix_ms=0):
    return Moment(now, "n0", (unix_ms, quality))


def test_a_request_gets_default_ttl_and_params():
    for now in STARTS:
        request = parse_request({"method": "system.ping"}, HERE, moment(now))
        assert request == (
            HERE,
            "system.ping",
            {},
            now + message.DEFAULT_TTL_S * 1000,
            None,
            2000,
            None,
        )


def test_the_shorter_of_ttl_and_message_expiry_counts():
    for ttl, expiry, expected in ((10, None, 10), (10, 3, 3), (3, 10, 3), (0.5, None, 0.5)):
        request = parse_request({"method": "m", "ttl": ttl}, HERE, moment(100), expiry)
        assert request.expires == 100 + int(expected * 1000)


def test_unknown_members_are_ignored():
    document = {"jsonrpc": "2.0", "method": "m", "later": {"x": 1}}
    assert parse_request(document, HERE, moment()).method == "m"


WRONG = (
    ({}, "method: missing; expected a string"),
    ({"method": 5}, "method: expected a string of 1 to 64 characters, got 5"),
    ({"method": ""}, "method: expected a string of 1 to 64 characters"),
    ({"method": None}, "method: expected a string of 1 to 64 characters, got null"),
    ({"method": "m" * 65}, "method: expected a string of 1 to 64 characters"),
    ({"id": "short"}, "id: expected a string of 11 to 64 characters"),
    ({"id": 12}, "id: expected a string of 11 to 64 characters, got 12"),
    ({"params": [1]}, "params: expected an object; parameters go by name"),
    ({"params": "x"}, "params: expected an object; parameters go by name"),
    ({"ttl": "1"}, "ttl: expected a number from 0 to 86400 (s)"),
    ({"ttl": -1}, "ttl: expected a number from 0 to 86400 (s), got -1"),
    ({"ttl": 1e9}, "ttl: expected a number from 0 to 86400 (s)"),
    ({"ttl": True}, "ttl: expected a number from 0 to 86400 (s), got true"),
    ({"reply": 7}, "reply: expected a string"),
    ({"deadline": 5}, "deadline: expected an object, got 5"),
    ({"deadline": {"uptime_ms": 5}}, "deadline: expected nonce and uptime_ms, or time"),
    ({"deadline": {"nonce": "n0"}}, "deadline: expected nonce and uptime_ms, or time"),
    ({"deadline": {"x": 1}}, "deadline.x: unknown; known here: nonce, time, uptime_ms"),
)


def test_each_wrong_member_has_its_message():
    for change, part in WRONG:
        document = dict(change) if not change else dict({"method": "m"}, **change)
        error = raises(BadRequest, parse_request, document, HERE, moment())
        assert part in error.message, (change, error.message)


def test_a_request_whose_time_has_passed_is_refused():
    for now in STARTS:
        raises(Expired, parse_request, {"method": "m", "ttl": 0}, HERE, moment(now))
        raises(Expired, parse_request, {"method": "m"}, HERE, moment(now), 0)


def test_a_deadline_counts_in_the_device_own_time():
    for now in STARTS:
        document = {"method": "m", "deadline": {"nonce": "n0", "uptime_ms": now + 250}}
        assert parse_request(document, HERE, moment(now)).expires == now + 250
        document["deadline"]["uptime_ms"] = now
        raises(Expired, parse_request, document, HERE, moment(now))


def test_a_deadline_of_another_boot_has_passed_and_the_answer_names_this_one():
    document = {"method": "m", "deadline": {"nonce": "n1", "uptime_ms": 10**9}}
    assert raises(Expired, parse_request, document, HERE, moment()).data == {"nonce": "n0"}


def test_an_absolute_time_is_judged_by_a_synced_clock_only():
    document = {"method": "m", "deadline": {"time": 2000000000.5}}
    for quality in ("unset", "restored"):
        error = raises(ClockUnknown, parse_request, document, HERE, moment(0, quality))
        assert error.code == "clock-unknown" and quality in error.message
    good = moment(70, "synced", 2000000000000)
    assert parse_request(document, HERE, good).expires == 570
    raises(Expired, parse_request, document, HERE, moment(70, "synced", 2000000001000))


def test_the_address_comes_from_the_request_or_from_the_properties():
    document = {"id": ID, "reply": PREFIX + "a"}
    assert read_address(document, None, None, PREFIX, "") == (ID, PREFIX + "a", None, "")
    found = read_address(document, PREFIX + "b", b"c", PREFIX, "ann")
    assert found == (ID, PREFIX + "b", b"c", "ann")
    assert read_address({}, None, None, PREFIX, "") == (None, None, None, "")


def test_a_wrong_id_is_not_echoed():
    for identity in (5, None, [], "x" * 65):
        assert read_address({"id": identity}, None, None, PREFIX, "").id is None


def test_replies_go_nowhere_else():
    for topic in (
        "limpet/x/call",
        "reply/x",
        PREFIX,
        PREFIX + "+",
        PREFIX + "a/#",
        5,
        "",
        "x" * 500,
    ):
        raises(ReplyRefused, read_address, {"reply": topic}, None, None, PREFIX, "")
        raises(ReplyRefused, read_address, {}, topic, None, PREFIX, "")


def test_no_topic_or_id_that_a_broker_or_a_journal_would_choke_on():
    for bad in ("\x01", "\x7f", "\xe9", "\uffff"):
        raises(ReplyRefused, read_address, {"reply": PREFIX + bad}, None, None, PREFIX, "")
        document = {"id": "0123456789ab" + bad, "method": "m"}
        if bad > "\x7f":
            address = read_address(document, None, None, PREFIX, "")
            assert address.id is None
            error = raises(BadRequest, parse_request, document, address, moment())
            assert "ASCII" in error.message


def test_a_deadline_beyond_every_clock_is_refused():
    for deadline in ({"time": 1e308}, {"nonce": "n0", "uptime_ms": 1e300}):
        document = {"method": "m", "deadline": deadline}
        raises(BadRequest, parse_request, document, HERE, moment(0, "synced", 10**12))


def test_a_response_names_device_time_and_id():
    data = message.encode_result(HERE, "pump", 1234, {"x": [1, "ü"]}, 500)
    assert json.loads(data) == {
        "id": ID, "device": "pump", "uptime_ms": 1234, "result": {"x": [1, "ü"]},
    }  # fmt: skip
    nobody = Address(None, PREFIX + "x", b"7", "")
    assert "id" not in json.loads(message.encode_result(nobody, "pump", 1, None, 500))


def test_an_error_carries_code_message_and_data():
    error = Expired("too late", {"nonce": "n0"})
    data = json.loads(message.encode_error(HERE, "pump", 5, error, 500))
    assert data["error"] == {"code": "expired", "message": "too late", "data": {"nonce": "n0"}}
    assert "result" not in data


def test_a_response_over_the_limit_is_an_error_and_an_error_is_cut_short():
    raises(TooLarge, message.encode_result, HERE, "pump", 1, "x" * 500, 300)
    long = LimpetError("m" * 400, {"traceback": "t" * 400})
    data = message.encode_error(HERE, "pump", 1, long, 300)
    assert len(data) <= 300 and json.loads(data)["error"]["message"] == "m" * 100
