"""A small run of the fuzzer of releases; tests/fuzz/update.py runs larger ones."""

import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, HERE + "/fuzz")
import update  # noqa: E402 - found through the path set above

sys.path.pop(0)

COUNT = 1200
SEED = 20261124


def test_mutated_releases_are_refused_or_what_they_were():
    refused = update.run(COUNT, SEED)
    print("seed %d: %d of %d inputs refused" % (SEED, refused, COUNT))
    assert COUNT // 2 < refused < COUNT
