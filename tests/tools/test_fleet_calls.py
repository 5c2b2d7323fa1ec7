"""Requests under way, without a broker: which answers count, and what a repetition carries."""

import json
import random

import pytest
from fleet import BadReply, CallError
from fleet.calls import Call, Calls, new_id

NOW = 1000.0


def make_call(calls, device="pump-7", id="id-1", ttl=10, timeout=5, now=NOW):
    call = Call(device, "m", {"a": 1}, id, ttl, timeout, now, give_up=None)
    calls.add(call)
    return call


def answer(calls, topic_device="pump-7", **members):
    body = {"id": "id-1", "device": "pump-7", "uptime_ms": 3, **members}
    calls.answer(topic_device, json.dumps(body).encode())


def test_ids_do_not_repeat_and_have_96_random_bits():
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert {len(bytes.fromhex(id)) for id in ids} == {12}


def test_a_request_carries_what_the_device_needs():
    body = json.loads(make_call(Calls()).request("limpet/reply/x", NOW))
    expected = {"id": "id-1", "method": "m", "params": {"a": 1}, "ttl": 10}
    assert body == dict(expected, reply="limpet/reply/x")


def test_a_repetition_keeps_its_id_and_carries_what_is_left_of_its_time():
    call = make_call(Calls())
    first = json.loads(call.request("r", NOW))
    second = json.loads(call.request("r", NOW + 3.25))
    assert (first["id"], first["ttl"]) == ("id-1", 10)
    assert (second["id"], second["ttl"]) == ("id-1", 6.75)


@pytest.mark.parametrize("params", [{"a": float("nan")}, {"a": "\ud800"}])
def test_parameters_that_json_has_no_form_for_are_refused(params):
    with pytest.raises(ValueError):
        Call("d", "m", params, "i", 1, 1, NOW, None).request("r", NOW)


def test_an_answer_ends_its_call():
    calls = Calls()
    call = make_call(calls)
    answer(calls, result={"b": 2})
    assert call.done()
    assert call.outcome() == {"b": 2}
    assert not calls.refused


@pytest.mark.parametrize("result", [None, False, 0, "", [], {}])
def test_a_result_may_be_any_json(result):
    calls = Calls()
    call = make_call(calls)
    answer(calls, result=result)
    assert call.outcome() == result


def test_a_member_error_that_is_null_is_no_error():
    calls = Calls()
    call = make_call(calls)
    answer(calls, result=1, error=None)
    assert call.outcome() == 1


def test_an_error_ends_its_call_with_code_message_and_data():
    calls = Calls()
    call = make_call(calls)
    answer(calls, error={"code": "busy", "message": "later", "data": [1]})
    with pytest.raises(CallError) as caught:
        call.outcome()
    error = caught.value
    assert (error.code, error.message, error.data) == ("busy", "later", [1])
    assert (error.device, error.method) == ("pump-7", "m")


@pytest.mark.parametrize(
    ("topic", "members"),
    [
        ("pump-7", {"device": "pump-8"}),
        ("pump-8", {"device": "pump-7"}),
        ("pump-8", {"device": "pump-8"}),
        ("pump-7", {"device": None}),
        ("pump-7", {"id": "id-2"}),
        ("pump-7", {"id": None}),
        ("pump-7", {"id": ["id-1"]}),
    ],
)
def test_an_answer_by_another_name_topic_or_id_changes_nothing(topic, members):
    calls = Calls()
    call = make_call(calls)
    answer(calls, topic, result="lie", **members)
    assert not call.done()
    assert sum(calls.refused.values()) == 1
    answer(calls, result="truth")
    assert call.outcome() == "truth"


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"id": NaN}']
)
def test_what_is_not_a_json_object_is_refused(payload):
    calls = Calls()
    call = make_call(calls)
    calls.answer("pump-7", payload)
    assert not call.done()
    assert "answer" in call.refused
    assert sum(calls.refused.values()) == 1


@pytest.mark.parametrize(
    "members", [{}, {"error": "x"}, {"error": {}}, {"error": {"code": 7}}, {"error": False}]
)
def test_neither_a_result_nor_an_error_is_a_bad_reply(members):
    calls = Calls()
    call = make_call(calls)
    answer(calls, **members)
    with pytest.raises(BadReply, match="pump-7"):
        call.outcome()


def test_the_second_answer_is_refused():
    calls = Calls()
    call = make_call(calls)
    answer(calls, result=1)
    answer(calls, result=2)
    assert call.outcome() == 1
    assert sum(calls.refused.values()) == 1


def test_two_devices_may_be_asked_with_one_id():
    calls = Calls()
    first, second = make_call(calls), make_call(calls, device="pump-8")
    answer(calls, "pump-8", device="pump-8", result=8)
    assert not first.done()
    assert second.outcome() == 8


def test_an_id_under_way_is_not_taken_again():
    calls = Calls()
    make_call(calls)
    with pytest.raises(ValueError, match="under way"):
        make_call(calls)


def test_an_id_may_be_used_again_once_its_call_has_ended_and_the_old_end_stays():
    calls = Calls()
    first = make_call(calls)
    calls.finish(first, error=BadReply("over"))
    second = make_call(calls)
    assert not calls.finish(first, result=1)
    answer(calls, result=2)
    assert second.outcome() == 2
    with pytest.raises(BadReply):
        first.outcome()


def test_a_call_that_nobody_waits_for_is_forgotten_and_can_still_be_ended():
    calls = Calls()
    old, new = make_call(calls), make_call(calls, id="id-2", timeout=60)
    assert calls.waiting(NOW + 6) == [new]
    assert calls.finish(old, error=BadReply("over"))
    with pytest.raises(BadReply):
        old.outcome()


def test_answers_broken_at_random_end_a_call_only_with_its_id_and_name():
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    body = {"id": "id-1", "device": "pump-7", "uptime_ms": 3, "result": {"a": [1, "x"]}}
    whole = json.dumps(body).encode()
    for _ in range(20_000):
        calls = Calls()
        call = make_call(calls)
        payload = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(payload))
            payload[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        calls.answer("pump-7", bytes(payload))
        if call.done():
            reply = json.loads(payload)
            assert (reply["id"], reply["device"]) == ("id-1", "pump-7")
        else:
            assert sum(calls.refused.values()) == 1
