"""json.loads of our own builds refuses all that RFC 8259 does; other MicroPythons do not."""

import subprocess

import pytest
from provision import Unavailable, runtimes

_PROGRAM = """\
import io, json

GOOD = {
    '{}': {}, ' [ ] ': [], '-0': 0, '0.5': 0.5, '1E+5': 1e5, '-1.5e-3': -0.0015, 'true': True,
    ' {"a" : [1, 2, {"b":null}], "c":true } ': {"a": [1, 2, {"b": None}], "c": True},
    '[[],{},"\\\\u00e9\\\\n\\\\/"]': [[], {}, "\\u00e9\\n/"],
}
BAD = [
    '', ' ', '{', '[1,,2]', '[1 2]', '{"a" 1}', '{"a":1,}', '[1,]', '[,1]', '{1:2}', '{"a":}',
    '{"a"}', '[1}', '{"a":1]', '01', '-', '1.', '.5', '1e', '1e+', '"\\\\x"', '"a', '{"a":1}x',
    '"\\\\u12g4"', '[1:2]', '{"a",1}', '{"a":1:2}', 'nul', '\\0', '{}\\0', '"a\\nb"', '[1,2',
    '{"a":1,"b"}', '{,}', '{"a":1,,"b":2}', ':1', ',1', '1,', '[1],', '+1', 'NaN', '[-]', '[]]',
    '{"a":[}', '{[]:1}', '{"a":1 "b":2}', '"a" "b"', '{"a"::1}', '[1]2', '{null:1}',
]
for text, value in GOOD.items():
    assert json.loads(text) == value == json.load(io.StringIO(text)) == json.loads(text.encode())
for text in BAD:
    for load in (json.loads, lambda text: json.load(io.StringIO(text))):
        try:
            print("taken", repr(text), load(text))
        except ValueError:
            pass
print("all refused")
"""


def test_json_of_our_build_takes_what_is_json_and_nothing_else():
    try:
        path = runtimes.path("micropython-gil")
    except Unavailable as reason:
        pytest.skip(str(reason))
    done = subprocess.run([path, "-c", _PROGRAM], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("all refused\n", "")
