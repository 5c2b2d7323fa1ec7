"""The agent that sleeps, for tests: its sleep is the end of its process, and a test wakes it.

sleeping_agent.py --config FILE
"""

import sys

ROOT = __file__.rsplit("/", 3)[0]
sys.path.insert(0, ROOT)
sys.path.append(ROOT + "/compat")  # what the interpreter has of its own comes first

from agent import duty  # noqa: E402 - found through the path
from agent.__main__ import main  # noqa: E402 - it finds compat/ in turn

duty.fall_asleep = lambda milliseconds: None

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
