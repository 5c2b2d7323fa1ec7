"""Which scripted tests of others apply to our client: what corpus/mqtt_scripts.txt says."""

import collections
import re
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "corpus" / "mqtt_scripts.txt"

# How a sequence of packets ends otherwise than its script wants: in `count` cases whose name fits
# the pattern `name`, by ours doing `does`.
Difference = collections.namedtuple("Difference", ("count", "name", "does", "reason"))

_DIFFERENCE = re.compile(r"(\d+) (.*) -> (\w+)$")


def read():
    """{set: [names that pass, {name: reason why not}, Differences, how many in all or None]}."""
    found = {}
    for line in DATA.read_text().splitlines():
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if words.startswith("["):
            passing, never, differing = [], {}, []
            found[words.strip("[]")] = [passing, never, differing, None]
            name = words.strip("[]")
        elif words.startswith("all: "):
            found[name][3] = int(words[5:])
        elif words.startswith("pass: "):
            passing += words[6:].split()
        elif words.startswith("never "):
            reason, names = words[6:].rsplit(": ", 1)
            never.update(dict.fromkeys(names.split(), reason))
        elif words.startswith("differs "):
            reason = words[8:]
        else:
            count, pattern, does = _DIFFERENCE.match(words).groups()
            differing.append(Difference(int(count), pattern, does, reason))
    return found
