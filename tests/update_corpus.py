"""The vectors of tests/corpus/update.json."""

import json

FOLDER = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
with open(FOLDER + "/corpus/update.json") as _file:
    WORDS = json.load(_file)


def vector(name):
    """One of them, as bytes."""
    return WORDS[name].encode()
