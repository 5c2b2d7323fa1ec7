"""The command line of `limpet rollout`, and its help.

Rule: as `arguments.py`: nothing is done here.
"""

import argparse

from ..rollout import CONCURRENCY, WAVES, WITHIN_S

EXAMPLES = """\
RELEASE is the signed file that tools/release made; its depot has to be served.
  limpet rollout 0.2.0.release all
  limpet rollout 0.2.0.release group/north --waves 10,100 --failures 2
  limpet rollout 0.2.0.release pump-7 pump-8 --at-once 1
A first few devices get it, and more of them only when all of those that are
there have confirmed it, or gone back. Once more than --failures went back or
refused it, no further device is asked.

p and Enter pauses. Ctrl-C leaves: devices under way go on by themselves, and the
same command takes it up again, here or elsewhere: each device says how far it
is. One that went back from this release is not asked again. A device that is
away is left out; of a group, those that are away are not known.
"""


def add(add_command, target):
    """Declare the command; `target` reads a device's name, `all` or group/NAME."""
    parser = add_command("rollout", "bring a release to many devices, in waves", EXAMPLES)
    parser.add_argument("release", metavar="RELEASE")
    parser.add_argument("targets", nargs="+", type=target, metavar="DEVICE",
                        help="or all, or group/NAME")  # fmt: skip
    parser.add_argument("--waves", type=_percentages, default=WAVES, metavar="PERCENT,...",
                        help=f"after each ({','.join(map(str, WAVES))})")  # fmt: skip
    parser.add_argument("--at-once", type=_count, default=CONCURRENCY, metavar="N",
                        help=f"devices under way at a time ({CONCURRENCY})")  # fmt: skip
    parser.add_argument("--failures", type=_count, default=0, metavar="N",
                        help="so many may fail (0)")  # fmt: skip
    parser.add_argument("--within", type=_count, default=WITHIN_S, metavar="S",
                        help=f"for a device to confirm it ({WITHIN_S:g})")  # fmt: skip
    parser.add_argument("--downgrade", action="store_true",
                        help="it is older than what they run")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="each change of a device, as JSON")


def check(names, parser):
    """What argparse cannot see."""
    if names.at_once < 1:
        parser.error("--at-once: at least 1")


def _percentages(text):
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        found = [0]
    if found != sorted(set(found)) or not 0 < found[0] <= found[-1] <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not rising percentages, as 5,25,100")
    return found


def _count(text):
    if not text.isdigit() or int(text) > 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)
