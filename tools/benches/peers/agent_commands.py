"""The agent with two more commands that do nothing: `bench.repeat` and `bench.once`.

    INTERPRETER agent_commands.py --config FILE

What one costs beside `system.ping` is the price of its promise: the journal, and its writes. The
product has no way to add a command from outside; this is another entry point.
"""

import sys

sys.path.insert(0, __file__.rsplit("/", 4)[0])

from agent.__main__ import serve  # noqa: E402, I001 - first of all, since it finds compat/
from agent import config  # noqa: E402
from agent.app import Agent  # noqa: E402
from agent.commands.registry import INLINE, Command  # noqa: E402


def commands():
    """Both commands, which run on the main thread and answer {}."""
    return [
        Command("bench." + rule, lambda params: {}, (), "act", rule, INLINE, "Nothing at all. {}")
        for rule in ("repeat", "once")
    ]


def main(arguments):
    """Serve, as the agent does."""
    agent = Agent(config.load(arguments[1]))
    agent.registry.add(commands())
    return serve(agent)


sys.exit(main(sys.argv[1:]))
