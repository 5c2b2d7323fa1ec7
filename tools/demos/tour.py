"""The tour: real commands in the order that a newcomer would try them.

Rule: each is printed exactly as a person can type it, and each must end with the status written
here; any other ends the demo.
"""

import os
import shlex
import subprocess
import sys
from collections import namedtuple

from . import DemoFailed

LIMPET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "limpet")
README = os.path.relpath(os.path.join(os.path.dirname(LIMPET), os.pardir, "README.md"))
STEP_WITHIN_S = 60

Step = namedtuple("Step", ("why", "words", "status"))
STEPS = (
    Step("Which devices are there, and how are they?", ("ls",), 0),
    Step("What can this one do? (It is asked with rpc.list.)", ("describe", "{device}"), 0),
    Step("What do the commands of a family do?", ("describe", "{device}", "fs"), 0),
    Step("And what does one command take?", ("describe", "{device}", "system.echo"), 0),
    Step("How is it inside?", ("call", "{device}", "system.info"), 0),
    Step("Is it there?", ("call", "{device}", "system.ping"), 0),
    Step(
        "A command with a parameter.", ("call", "{device}", "system.echo", "text=hello there"), 0
    ),
    Step("A file goes there,", ("cp", README, "{device}:files/"), 0),
    Step("and is there.", ("ls", "{device}:files"), 0),
    Step(
        "Each minute it does something by itself,",
        ("schedule", "{device}", "add", "pulse", "system.ping", "--every", "60s"),
        0,
    ),
    Step("until that is removed.", ("schedule", "{device}", "remove", "pulse"), 0),
    Step("A command that it does not have.", ("call", "{device}", "system.pong"), 1),
    Step("A parameter of the wrong kind.", ("call", "{device}", "system.echo", "text=5"), 1),
    Step("A device that is not there.", ("call", "nobody", "system.ping"), 3),
)


def run(url, device, show):
    """Run every step; `show(why, command line)` announces each. Raises DemoFailed."""
    for step in STEPS:
        words = [word.format(device=device) for word in step.words]
        show(step.why, shlex.join([spelling(), *words]))
        status = _run_step(words, url)
        if status:
            print(f"(status {status})", flush=True)
        if status != step.status:
            raise DemoFailed(f"that ended with status {status}, not {step.status}")


def spelling():
    """How a person types the command from where the demo was started."""
    relative = os.path.relpath(LIMPET)
    return LIMPET if relative.startswith("..") else relative


def _run_step(words, url):
    try:
        done = subprocess.run(
            [sys.executable, LIMPET, *words],
            env=dict(os.environ, LIMPET_BROKER=url),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=STEP_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        raise DemoFailed(f"that did not end within {STEP_WITHIN_S} s") from None
    return done.returncode
