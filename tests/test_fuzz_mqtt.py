"""A small run of the MQTT fuzzer on every runtime; tests/fuzz/mqtt.py runs larger ones."""

import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, HERE + "/fuzz")
import mqtt  # noqa: E402 - found through the path set above

sys.path.pop(0)

COUNT = 1000
SEED = 20261120


def test_mutated_packets_raise_nothing_but_bad_message():
    refused = mqtt.run(COUNT, SEED)
    print("seed %d: %d of %d inputs refused" % (SEED, refused, COUNT))
    assert COUNT // 10 < refused < COUNT  # it does reach both sides
