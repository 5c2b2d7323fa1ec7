"""The command line of `tools/flash`."""

import argparse
import os
import sys

from releases import building
from releases.depot import Depot
from tqdm import tqdm

from . import boards, contents, plan
from .board import Board, BoardProblem, find

PROBLEMS = (BoardProblem, contents.ContentProblem, plan.PlanProblem, building.BuildProblem)


def main(description, root, arguments):
    """Do what the command line asks for; the exit status."""
    options = _parse(description, arguments)
    try:
        wanted = collect(root, options)
        return flash(wanted, options)
    except PROBLEMS as error:
        print("flash: %s" % error, file=sys.stderr)
    except OSError as error:
        print("flash: %s: %s" % (error.filename, error.strerror), file=sys.stderr)
    return 1


def _parse(description, arguments):
    parser = argparse.ArgumentParser(
        prog="tools/flash",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "device",
        nargs="?",
        metavar="DEVICE",
        help="the port, or what pyserial opens; else the only one",
    )
    add("--config", metavar="FILE", help="becomes /agent.json; checked before anything is written")
    add(
        "--keys",
        metavar="FILE",
        help="becomes keys.json in the data folder; - reads it from stdin",
    )
    add(
        "--put",
        metavar="FILE=PATH",
        action="append",
        default=[],
        help="another file, as certificates",
    )
    add(
        "--depot",
        metavar="DEPOT",
        help="install a signed release from there, instead of this tree",
    )
    add("--product", default="limpet-agent", help="of that release (limpet-agent)")
    add("--channel", default="stable", help="of that release (stable)")
    add(
        "--sequence", type=int, metavar="N", default=1,
        help="which release; of this tree: the one it counts as, later ones take its place (1)",
    )  # fmt: skip
    add("--without", action="append", default=[], metavar="PART", choices=contents.PARTS,
        help="leave a part out: " + ", ".join(contents.PARTS))  # fmt: skip
    add(
        "--in-place",
        action="store_true",
        help="write over the agent that is there: half the space",
    )
    add("--replace", action="store_true", help="keep a foreign boot.py and main.py as NAME.before")
    add("--dry-run", action="store_true", help="print what would be done, and change nothing")
    add("--no-restart", dest="restart", action="store_false", help="leave the board at its prompt")
    add("--baud", type=int, default=115200, help="of a real serial line (115200)")
    return parser.parse_args(arguments)


def collect(root, options):
    """All that the board is to hold, read and checked. Raises what PROBLEMS names."""
    settings = None if options.config is None else _read(options.config)
    secrets = None if options.keys is None else _read(options.keys)
    extra = []
    for pair in options.put:
        local, mark, path = pair.partition("=")
        if not mark:
            raise contents.ContentProblem("--put %s: expected FILE=PATH" % pair)
        extra.append((path, _read(local)))
    if options.depot is None:
        slot = contents.from_tree(root, options.sequence, options.without)
    else:
        words = (options.product, options.channel, options.sequence)
        slot = contents.from_depot(Depot(options.depot), *words)
    return contents.wanted(root, slot, options.sequence, settings, secrets, extra)


def _read(path):
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as file:
        return file.read()


def flash(wanted, options):
    """Bring the board there; the exit status."""
    board = Board(options.device or find(), options.baud)
    try:
        facts = board.enter()
        words = (board.device, ".".join(map(str, facts.version[:3])), facts.machine)
        print("%s: MicroPython %s, %s, %d KiB of heap free" % (*words, facts.memory // 1024))
        boards.check(facts, contents.settings_of(wanted), facts.frozen)
        if facts.frozen:
            wanted = contents.without_agent(wanted)
        present = board.look([*wanted.outside, *contents.named_paths(wanted)])
        contents.check_named(wanted, present)
        made = plan.make(present, wanted, options.in_place, options.replace)
        print(summary(wanted, present, made))
        if options.dry_run:
            for step in made.steps:
                print("  %-13s %s" % (step.verb, step.path))
        else:
            carry_out(board, made)
        # It was stopped, so it is started, changed or not.
        if options.restart:
            board.reset()
            print("restarted")
    finally:
        board.close()
    return 0


def summary(wanted, present, made):
    """In two lines what is there, and what it takes."""
    written = sum(len(step.data) for step in made.steps if step.verb == "write")
    copied = sum(step.verb == "copy" for step in made.steps)
    kib = present.block / 1024
    lines = "agent: in the firmware; "
    if wanted.slot is not None:
        size = sum(map(len, wanted.slot.values()))
        lines = "agent: %d files, %d bytes; " % (len(wanted.slot), size)
    lines += "free on the board: %d KiB in blocks of %d\n" % (present.free * kib, present.block)
    if not made.steps:
        return lines + "nothing to do: all of it is there"
    words = (len(made.steps), written, copied, max(0, made.needed) * kib)
    lines += "%d steps: %d bytes to send, %d files to copy there, %d KiB at most" % words
    return lines + ("" if made.slot is None else "; into slot " + made.slot)


def carry_out(board, made):
    """Take the steps, in order; the interpreter is told how far it is."""
    shown = tqdm(made.steps, unit="step", disable=not sys.stderr.isatty(), leave=False)
    for step in shown:
        shown.set_description(os.path.basename(step.path)[:24])
        board.do(step)
