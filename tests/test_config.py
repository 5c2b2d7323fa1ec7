"""agent/config.py: a wrong configuration is named with its path, before anything starts."""

import json

from support import raises, temporary_folder

from agent import config
from agent.errors import BadConfig

WRONG = (
    (b"", "not JSON: at byte 0"),
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
    (b'{"device":"x",}', "not JSON: at byte 14: expected a name in double quotes"),
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


def test_the_description_is_json_and_names_every_member():
    words = json.loads(config.describe())
    assert {word["name"] for word in words} == {field.name for field in config.FIELDS}
