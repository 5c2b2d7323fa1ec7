"""The frame of `tools/bench`: finds the benches, runs one, prints its table, writes its rows.

A bench is a module of this package with
    NAME              the word on the command line
    run(options)      yields records: Row, Subject, Missing, Note, in any order
and, where it has them,
    PEERS             subjects to divide the others by; OURS limits which subjects are divided,
                      RATIO_METRICS which metrics
    TARGETS           the Targets that its figures are held against
    add_arguments(p)  its own options, added to an argparse parser
The first line of the module's docstring is its line in the list. `options` has `quick` (a run of
seconds: for seeing that it works, not for figures) and whatever add_arguments added.

The one rule: a bench measures, the frame shows. A target that is missed fails nothing.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys

import benches
from benches import machine, report
from benches.records import BenchError, Missing, Note, Row, Subject

KINDS = (Row, Subject, Missing, Note)


def say(text):
    """Tell the person who waits what goes on, outside of the output proper."""
    print(text, file=sys.stderr, flush=True)


def find_benches():
    """Every bench of the package, by name: the modules that have a NAME."""
    names = sorted(info.name for info in pkgutil.iter_modules(benches.__path__))
    modules = [importlib.import_module(f"benches.{name}") for name in names]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}


def summarise(module):
    """The bench's line in the list."""
    return (module.__doc__ or "").strip().partition("\n")[0]


def add_common(parser):
    """The options that every bench has."""
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE, as rows")
    parser.add_argument(
        "--quick", action="store_true", help="a run of seconds, to see that it works"
    )


def make_parser(found):
    """The command line: one sub-command for each bench."""
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measure one thing, beside peers where there are some, and print the figures "
        "with the machine, the versions and the ratios. Without a NAME: list the benches.",
    )
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name, module in found.items():
        line = summarise(module)
        sub = names.add_parser(name, help=line, description=line)
        add_common(sub)
        getattr(module, "add_arguments", lambda parser: None)(sub)
    return parser


def list_benches(found):
    """The list that `tools/bench` alone prints."""
    width = max(map(len, found), default=0)
    lines = [f"  {name.ljust(width)}  {summarise(module)}" for name, module in found.items()]
    return "\n".join(["benches (tools/bench NAME --help tells the options of one):", *lines])


def collect(module, options):
    """Run the bench; what it yielded, sorted by kind: (rows, subjects, missing, notes)."""
    kept = {kind: [] for kind in KINDS}
    for item in module.run(options):
        kept[type(item)].append(item)
    return tuple(kept[kind] for kind in KINDS)


def check_destination(path):
    """Refuse a FILE that cannot be written before the run, not after it."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.access(folder, os.W_OK):
        raise BenchError(f"cannot write {path}: {folder} is not a folder that can be written to")


def write_rows(path, rows):
    """One JSON array, one row on each line; each row is an object of Row's six members."""
    lines = ",\n".join(json.dumps(row._asdict()) for row in rows)
    with open(path, "w") as file:
        file.write(f"[\n{lines}\n]\n")


def run_bench(module, options):
    """Run one bench, print its report, write its rows; 0 when anything was measured."""
    if options.json:
        check_destination(options.json)
    items = collect(module, options)
    print(report.format_report(module, machine.describe(), items))
    if options.json:
        write_rows(options.json, items[0])
    return 0 if items[0] else 1


def main(arguments):
    """The command `tools/bench`: the exit status."""
    found = find_benches()
    options = make_parser(found).parse_args(arguments)
    if not options.name:
        print(list_benches(found))
        return 0
    try:
        return run_bench(found[options.name], options)
    except BenchError as error:
        say(f"tools/bench {options.name}: {error}")
        return 1
