"""`python -m firmware.linux build --target armhf`: the same as `tools/firmware build armhf`.

It holds nothing of its own: the builder is a host's program and lives in tools/firmwares.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMAND = os.path.join(ROOT, "tools", "firmware")

if __name__ == "__main__":
    os.execv(sys.executable, [sys.executable, COMMAND] + sys.argv[1:])
