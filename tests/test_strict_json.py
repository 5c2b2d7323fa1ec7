"""agent/strict_json.py: what one runtime refuses, all refuse."""

import json

from support import raises

from agent.errors import BadJson
from agent.strict_json import MAX_DEPTH, explain, join_surrogates, parse_object

VALID = (
    b"{}",
    b' { "a" : [ 1 , -2.5e+3 , true , false , null , "x,y:z]}" ] } ',
    b'{"a,b:":{"c":[[],{}]},"d":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}',
    b'{"a":0,"b":-0.5,"c":1E5,"d":1e-3}',
    '{"ü":"日本"}'.encode(),
    b'{"a":"}","b":["[["]}',
)

# Each with a part of what the person is told.
INVALID = (
    (b"", "byte 0: expected a value, got the end"),
    (b"{", "byte 1: expected a name"),
    (b'{"a"', "expected a colon"),
    (b'{"a":', "expected a value"),
    (b'{"a":1', "a comma or the closing bracket"),
    (b'{"a":"x"', "a comma or the closing bracket"),
    (b'{"a":{"b":1}', "a comma or the closing bracket"),
    (b'{"a":[1', "a comma or the closing bracket"),
    (b'{"a":1,,}', "byte 7: expected a name in double quotes"),
    (b'{"a":1,}', "byte 7: expected a name in double quotes"),
    (b'{"a":[1 2]}', "byte 8: expected a comma or the closing bracket"),
    (b'{"a" 1}', "byte 5: expected a colon"),
    (b'{"a":1 "b":2}', "byte 7"),
    (b'{"a":[1,2,,]}', "byte 10: expected a value"),
    (b'{"a":1}x', "byte 7: expected the end"),
    (b'{"a":tru}', "byte 5: expected a value"),
    (b'{"a":+1}', "byte 5: expected a value"),
    (b'{"a":.5}', "byte 5: expected a value"),
    (b"{'a':1}", "byte 1: expected a name"),
    (b'{"a":"x', "a closing quote"),
    (b'{"a":NaN}', "byte 5"),
)


def test_valid_objects_come_out_as_the_parser_reads_them():
    for data in VALID:
        assert parse_object(data) == json.loads(data)
        assert explain(data) is None


def test_an_invalid_text_is_refused_with_the_place():
    for data, part in INVALID:
        error = raises(BadJson, parse_object, data)
        told = explain(data)
        assert told and part in told, (data, told)
        assert part in error.message, (data, error.message)


def test_what_the_checker_alone_refuses():
    for data in (
        b'{"a":01}',
        b'{"a":"\\q"}',
        b'{"a":"\x01"}',
        b'{"a":1.}',
        b'{"a":[1}}',
        b'{"a":"\\u12g4"}',
    ):
        assert explain(data), data


def test_only_an_object_is_taken():
    for data in (b"[]", b"1", b'"x"', b"null"):
        assert "expected an object" in raises(BadJson, parse_object, data).message


def test_bytes_that_are_not_utf8_are_refused():
    for data in (b'{"a":"\xff"}', b"\xff\xfe{}", b'{"\xc3(":1}'):
        assert raises(BadJson, parse_object, data).code == "bad-json"


def test_nesting_is_bounded():
    deep = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    parse_object(deep)
    deeper = b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    raises(BadJson, parse_object, deeper)
    raises(BadJson, parse_object, b'{"a":' + b"[" * 20000)
    raises(BadJson, parse_object, b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}")


def test_an_escaped_surrogate_pair_is_one_character():
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
    assert parse_object(b'{"a":"x\\uD83D\\uDE00\\\\ud83d"}') == {"a": "x\U0001f600\\ud83d"}


def test_joining_leaves_every_other_escape_alone():
    for data in (b'"\\\\ud83d"', b'"\\u00e9x"', b'"\\n     "', b'"\\u', b"\\"):
        assert join_surrogates(data) == data


def test_half_a_surrogate_pair_is_refused_everywhere():
    for data in (b'{"a":"\\ud83dx"}', b'{"a":"\\uDE00\\ud83d"}', b'{"\\ud800":1}'):
        assert "surrogate" in raises(BadJson, parse_object, data).message


def test_the_bytes_of_a_surrogate_are_no_utf8():
    for text in (
        b"\xed\xa0\x80",
        b"x\xed\xbf\xbf",
        b"\xed\xa0\x81\xed\xb0\x80",
        b"\xed\x9f\xbf\xed\xa0\x80",
    ):
        error = raises(BadJson, parse_object, b'{"a":"' + text + b'"}')
        assert error.message == "not UTF-8"
    assert parse_object(b'{"a":"\xed\x9f\xbf"}') == {"a": "\ud7ff"}
