"""`limpet data`: the samples of a device at the terminal.

Rule: as `commands.py`; results to stdout, words aside to stderr.
"""

import datetime

from .. import samples as library
from .commands import known, note
from .present import compact, print_table, printable, readable

EXAMPLES = """\
What a device reads again and again, its `channels` and those of its apps:
  limpet data pump-7                       the channels, and how they fare
  limpet data pump-7 level                 the newest samples of one
  limpet data pump-7 level -f              and each batch as it comes
  limpet data pump-7 level -f --json | jq .value

A time is UTC where the device's clock was right, else seconds since its start.
Batches leave when they are full, or when their oldest is `within_s` old.
"""
HEAD = ("CHANNEL", "TAKEN", "WAITING", "DROPPED", "FAILED", "READS", "LAST ERROR")


def add(parser, device):
    """The arguments of `limpet data`."""
    parser.add_argument("device", type=device)
    parser.add_argument("channel", nargs="?", help="one of those that limpet data DEVICE lists")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--limit", type=int, default=20, metavar="N",
                        help="the newest that many, 1 to 100 (20)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def check(names, parser):
    """What does not go together."""
    if names.follow and names.channel is None:
        parser.error("-f: which channel? limpet data DEVICE lists them")
    if names.channel is not None and any(c in names.channel for c in "+#/"):
        parser.error(f"{names.channel!r} is no channel's name")


def data(fleet, names):
    """The channels of a device, or the samples of one."""
    known(fleet, names.device)
    if names.channel is None:
        _list(fleet, names)
    elif not names.follow:
        _show(library.recent(fleet, names.device, names.channel, names.limit), names)
    else:
        boot = None
        for batch in library.follow(fleet, names.device, names.channel):
            if boot is not None and batch.boot != boot:
                note(f"{names.device} restarted: boot {compact(batch.boot)}")
            boot = batch.boot
            if batch.missing:
                note(f"{batch.missing} samples did not come")
            _show(batch, names)


def _list(fleet, names):
    rows = library.channels(fleet, names.device)
    if names.json:
        print(readable(rows))
        return
    if not rows:
        note(f"{names.device} has no channels: its configuration, or an app, declares them")
        return
    print_table(HEAD, map(_row, rows))


def _row(said):
    counts = [said.get(name) for name in ("taken", "waiting", "dropped", "failed")]
    error = said.get("error")
    text = "-"
    if isinstance(error, dict):
        text = printable(f"{error.get('code')}: {error.get('message')}")
    texts = [printable(said.get("name")), *(compact(count) for count in counts)]
    return (*texts, printable(said.get("method") or "an app's"), text)


def _show(batch, names):
    for sample in batch.samples:
        if names.json:
            words = {"boot": batch.boot, "value": sample.value}
            words["unix_ms" if sample.is_unix else "uptime_ms"] = sample.at_ms
            print(compact(words), flush=True)
        else:
            print(f"{_time(sample)}  {printable(_value(sample.value))}", flush=True)


def _value(value):
    return value if isinstance(value, str) else compact(value)


def _time(sample):
    if not sample.is_unix:
        return f"{sample.at_ms / 1000:>21.3f} s"
    try:
        moment = datetime.datetime.fromtimestamp(sample.at_ms / 1000, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{sample.at_ms} ms"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{sample.at_ms % 1000:03d}Z"
