"""Prints what this runtime lacks of all that the back ends of devices need, as JSON.

    micropython tests/needs_met.py [--frozen]

For each need that is no path: null where it is met, else the reason. What a machine has is not
asked: that differs from one to the next. `tools/checks/capabilities.py` puts the answers together.
"""

import json
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path[0:0] = [] if "--frozen" in sys.argv else [HERE + "/.."]
sys.path.append(HERE + "/../compat")

from agent.devices import CAPABILITIES, missing  # noqa: E402 - found through the path set above

found = {}
for row in CAPABILITIES:
    for backend in row.backends:
        for need in backend.needs:
            if need.split(" ")[0] in ("module", "attribute"):
                found[need] = missing(need)
print(json.dumps(found))
