"""agent/config.py: a wrong configuration is named with its path, before anything starts."""

import json

from support import raises, temporary_folder

from agent import config
from agent.errors import BadConfig

WRONG = (
    (b"", "not JSON: line 1, column 1"),
    (b"[]", "expected an object"),
    (b"{}", "device: missing"),
    (b'{"device":"x","mqtt":{"port":"y"}}', "mqtt.port: expected an integer from 1 to 65535"),
    (b'{"device":"x","mqtt":{"fallbacks":[{"port":1}]}}', "mqtt.fallbacks[0].host: "),
    (b'{"device":"x","mqtt":{"tls":{"verify":"no"}}}', "mqtt.tls.verify: "),
    (b'{"device":"x","mqtt":{"prot":1}}', "mqtt.prot: unknown; known here: backoff_first_s"),
    (b'{"device":"a b"}', 'device: "a b": made of A-Z a-z 0-9 _ - only'),
    (b'{"device":"reply"}', "device: reply is reserved"),
    (b'{"device":"x","root":"a//b"}', 'root: "": made of'),
    (b'{"device":"x","root":"a/#"}', 'root: "#": made of'),
    (b'{"device":"x","groups":["ok","+"]}', 'groups[1]: "+": made of'),
    (b'{"device":"x","workers":-1}', 'workers: expected an integer from 0 to 16 or "auto"'),
    (b'{"device":"x",}', "not JSON: line 1, column 15: expected a name in double quotes"),
)


def test_the_smallest_configuration_names_the_device():
    values = config.parse(b'{"device":"pump-7"}')
    assert values["device"] == "pump-7" and values["root"] == "limpet"
    assert values["mqtt"]["host"] == "127.0.0.1" and values["mqtt"]["port"] == 1883
    assert values["workers"] == "auto" and values["data"] == "data/pump-7"
    assert config.parse(b'{"device":"x","data":"/var/y"}')["data"] == "/var/y"


def test_each_fault_is_named_with_its_path():
    for data, part in WRONG:
        error = raises(BadConfig, config.parse, data)
        assert part in error.message, (data, error.message)


def test_a_password_of_the_wrong_kind_is_not_repeated():
    error = raises(BadConfig, config.parse, b'{"device":"x","mqtt":{"password":981273}}')
    assert "981273" not in error.message


def test_a_file_is_read_and_its_errors_begin_with_its_path():
    with temporary_folder() as folder:
        path = folder + "/limpet.json"
        assert "cannot be read" in raises(BadConfig, config.load, path).message
        with open(path, "w") as file:
            file.write(json.dumps({"device": "x", "mqtt": {"port": 0}}))
        assert raises(BadConfig, config.load, path).message.startswith(path + ": mqtt.port: ")
        with open(path, "w") as file:
            file.write(" " * (config.MAX_FILE_BYTES + 1))
        assert "more than" in raises(BadConfig, config.load, path).message
        with open(path, "w") as file:
            file.write(json.dumps({"device": "x"}))
        assert config.load(path)["device"] == "x"


def test_the_description_is_for_a_person_and_names_every_member():
    lines = config.describe().split("\n")
    for start in ("device: a string of 1 to 64 characters; required", "mqtt.port: an integer from",
                  "    mqtt.tls.ca: ", "    mqtt.fallbacks[].host: "):  # fmt: skip
        assert [line for line in lines if line.startswith(start)], start
    for field in config.FIELDS:
        assert [line for line in lines if line.startswith(field.name)], field.name


def test_what_no_broker_takes_is_refused_by_its_path():
    for path, value in (
        ("host", "a b"),
        ("host", "b\u00fccher.example"),
        ("host", "x\n"),
        ("username", "a\0b"),
        ("username", "\x9f"),
        ("client_id", "\x1f"),
        ("fallbacks", [{"host": "ok"}, {"host": "\0"}]),
        ("tls", {"name": "not this"}),
    ):
        document = {"device": "x", "mqtt": {path: value}}
        error = raises(BadConfig, config.parse, json.dumps(document).encode())
        assert error.message.startswith("mqtt." + path) and "expected" in error.message
    document = {"device": "x", "mqtt": {"username": "J\u00fcrgen 7", "password": "\0"}}
    assert config.parse(json.dumps(document).encode())["mqtt"]["username"] == "J\u00fcrgen 7"


def test_json_that_is_wrong_is_told_by_line_and_column():
    for text, place in (
        (b'{\n  "device": "x",\n  "log": loud\n}', "line 3, column 10: expected a value"),
        (b'{"device": "x",}', "line 1, column 16: expected a name"),
        (b'{"device": "x"\n\n', "line 3, column 1: expected"),
    ):
        assert place in raises(BadConfig, config.parse, text).message


def test_files_that_are_named_and_not_there_are_found_by_a_probe():
    with temporary_folder() as folder:
        values = config.check({"device": "x", "data": folder, "mqtt": {"tls": {}}})
        config.probe(values)
        values["mqtt"]["tls"]["ca"] = folder + "/absent.pem"
        error = raises(BadConfig, config.probe, values)
        assert error.message.startswith("mqtt.tls.ca: ") and "not there" in error.message
        values["mqtt"]["tls"]["ca"] = folder
        assert "is not a file" in raises(BadConfig, config.probe, values).message
        values["mqtt"]["tls"] = None
        with open(folder + "/file", "w") as file:
            file.write("x")
        values["data"] = folder + "/file/data"
        assert raises(BadConfig, config.probe, values).message.startswith("data: ")
        values["data"] = folder + "/not/yet/there"
        config.probe(values)
