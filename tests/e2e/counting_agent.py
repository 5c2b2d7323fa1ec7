"""The agent with one more command, for tests: `count.add` leaves a line in a file each time.

One rule: what the file holds is what took effect, whatever the device says. The product has no way
to add a command from outside; this is another entry point.
"""

import sys
import time

ROOT = __file__.rsplit("/", 3)[0]
sys.path.insert(0, ROOT)
sys.path.append(ROOT + "/compat")  # what the interpreter has of its own comes first

from agent import config, schema  # noqa: E402
from agent.__main__ import serve  # noqa: E402 - found through the path; it finds compat/ in turn
from agent.app import Agent  # noqa: E402
from agent.commands.registry import PLAIN, Command  # noqa: E402


def commands(path):
    """The command that counts in the file at `path`, and takes its time before and after."""

    def add(params):
        time.sleep(params["ms"] / 1000)
        with open(path, "ab") as file:
            file.write(b"%d\n" % params["n"])
        time.sleep(params["ms"] / 1000)
        return {"n": params["n"]}

    fields = (schema.integer("n"), schema.integer("ms", 0))
    return (Command("count.add", add, fields, "act", "once", PLAIN, "Count once more."),)


def main(arguments):
    """`counting_agent.py --config FILE`, as the agent."""
    values = config.load(arguments[1])
    agent = Agent(values)
    agent.registry.add(commands(values["data"] + "/effects"))
    return serve(agent)


sys.exit(main(sys.argv[1:]))
