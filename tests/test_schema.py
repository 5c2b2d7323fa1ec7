"""agent/schema.py: precise errors, defaults, and a description of every declaration."""

from support import raises

from agent import schema

FIELDS = (
    schema.text("host", low=1, high=5),
    schema.integer("port", 1883, low=1, high=65535),
    schema.integer("workers", "auto", low=0, high=16, choices=("auto",)),
    schema.number("rate", None, low=0, unit="Hz"),
    schema.text("mode", "slow", choices=("slow", "fast")),
    schema.boolean("on", False),
    schema.secret("password", None, low=2, high=8),
    schema.sequence("list", schema.integer("item", low=0), [], high=3),
    schema.structure("inner", (schema.integer("x", 7), schema.anything("y", None)), {}),
)

# What is wrong, and the whole message that a person reads.
WRONG = (
    ({}, "host: missing; expected a string of 1 to 5 characters"),
    ({"host": 3}, "host: expected a string of 1 to 5 characters, got 3"),
    ({"host": ""}, 'host: expected a string of 1 to 5 characters, got ""'),
    ({"port": 0}, "port: expected an integer from 1 to 65535, got 0"),
    ({"port": "80"}, 'port: expected an integer from 1 to 65535, got "80"'),
    ({"port": True}, "port: expected an integer from 1 to 65535, got true"),
    ({"port": 80.5}, "port: expected an integer from 1 to 65535, got 80.5"),
    ({"port": None}, "port: expected an integer from 1 to 65535, got null"),
    ({"workers": "x"}, 'workers: expected an integer from 0 to 16 or "auto", got "x"'),
    ({"rate": -1}, "rate: expected a number at least 0 (Hz), got -1"),
    ({"rate": float("inf")}, "rate: expected a number at least 0 (Hz), got inf"),
    ({"rate": float("nan")}, "rate: expected a number at least 0 (Hz), got nan"),
    ({"mode": "up"}, 'mode: expected "slow" or "fast", got "up"'),
    ({"on": 1}, "on: expected true or false, got 1"),
    ({"list": [1, -1]}, "list[1]: expected an integer at least 0, got -1"),
    ({"list": [1, 2, 3, 4]}, "list: expected a list of at most 3 items, got a list of 4"),
    ({"inner": {"x": []}}, "inner.x: expected an integer, got a list of 0"),
    ({"inner": {"z": 1}}, "inner.z: unknown; known here: x, y"),
    ({"inner": 3}, "inner: expected an object, got 3"),
)


def test_absent_members_get_their_defaults():
    value = schema.check(FIELDS, {"host": "h"}, ValueError)
    assert value["port"] == 1883 and value["workers"] == "auto" and value["rate"] is None
    assert value["inner"] == {"x": 7, "y": None} and value["list"] == []


def test_given_members_are_kept():
    given = {"host": "h", "workers": 3, "rate": 2.5, "mode": "fast", "list": [1], "on": True}
    value = schema.check(FIELDS, given, ValueError)
    for name in given:
        assert value[name] == given[name]


def test_null_stands_for_absent_where_the_default_is_null():
    assert schema.check(FIELDS, {"host": "h", "rate": None}, ValueError)["rate"] is None


def test_each_wrong_member_is_named_with_what_would_be_right():
    for change, message in WRONG:
        value = dict(change) if not change or "host" in change else dict(change, host="h")
        assert str(raises(ValueError, schema.check, FIELDS, value, ValueError)) == message


def test_a_secret_is_never_repeated():
    for value in (12345678, "x", "much-too-long-secret"):
        error = raises(
            ValueError, schema.check, FIELDS, {"host": "h", "password": value}, ValueError
        )
        assert str(value) not in str(error).replace("expected", ""), error
        assert "password: expected a string of 2 to 8 characters, got something else" in str(error)


def test_a_long_wrong_value_is_cut_short():
    error = raises(ValueError, schema.check, FIELDS, {"host": "x" * 100000}, ValueError)
    assert len(str(error)) < 120


def test_the_default_is_not_shared_between_two_checks():
    first = schema.check(FIELDS, {"host": "h"}, ValueError)
    first["inner"]["x"] = 8
    first["list"].append(8)
    second = schema.check(FIELDS, {"host": "h"}, ValueError)
    assert second["inner"]["x"] == 7 and second["list"] == []


def test_a_description_tells_what_the_declaration_says():
    words = [schema.describe(field) for field in FIELDS]
    assert words[0] == {"name": "host", "type": "text", "required": True, "low": 1, "high": 5}
    rate = {"name": "rate", "type": "number", "required": False, "default": None}
    assert words[3] == dict(rate, low=0, unit="Hz")
    assert words[8]["fields"][0]["name"] == "x"
