"""The agent with long work to do, for tests: a generator, a thread's function, a stream.

One rule: as counting_agent.py, this is another entry point; the product has no such commands.
"""

import sys
import time

ROOT = __file__.rsplit("/", 3)[0]
sys.path.insert(0, ROOT)
sys.path.append(ROOT + "/compat")  # what the interpreter has of its own comes first

from agent import config, schema  # noqa: E402
from agent.__main__ import serve  # noqa: E402 - found through the path; it finds compat/ in turn
from agent.app import Agent  # noqa: E402
from agent.commands.registry import PLAIN, Command, task  # noqa: E402


def count(params, job):
    """Go on from the checkpoint, a step each 50 ms."""
    start = job.resume_from or 0
    for number in range(start, params["steps"]):
        job.progress(number / params["steps"], "counting")
        job.checkpoint(number)
        yield 50
    return {"from": start}


def wait(params, job):
    """A function that waits on its thread, and looks."""
    for _ in range(params["steps"]):
        job.wait(50)
    return {}


def idle(params, job):
    """A function where there is no thread: it must be short."""
    time.sleep(0.01)
    job.check()
    return {}


def tire(params):
    """Take 10 ms of whoever runs it."""
    time.sleep(0.01)
    return {}


def echo(params, job):
    """Send back what comes."""
    while True:
        data = job.read()
        if data == b"":
            return {}
        if data is None:
            yield 60000
        else:
            job.write(data)
            yield


def main(arguments):
    """`working_agent.py --config FILE`, as the agent."""
    agent = Agent(config.load(arguments[1]))
    steps = (schema.integer("steps", 100000),)
    agent.registry.add(
        [
            Command("work.count", count, steps, "act", "once", task(), "Count."),
            Command("work.resume", count, steps, "act", "resume", task(), "Count, and go on."),
            Command("work.wait", wait, steps, "act", "once", task(), "Wait on a thread."),
            Command("work.idle", idle, steps, "act", "once", task(), "Next to nothing."),
            Command("work.tire", tire, (), "act", "repeat", PLAIN, "Take 10 ms."),
            Command("work.echo", echo, (), "act", "once", task(), "Send back what comes."),
        ]
    )
    return serve(agent)


sys.exit(main(sys.argv[1:]))
