"""The command lines of `limpet jobs`, `cancel` and `schedule`, and their help.

Rule: as `arguments.py`: nothing is done here.
"""

import argparse

JOBS_EXAMPLES = """\
What takes longer than a call waits for is a job of the device: it goes on when
you go. States: accepted, running; done, failed, cancelled, interrupted.
  limpet jobs pump-7                       all of them
  limpet jobs pump-7 3f9c                  one, by the start of its name: its state,
                                           log lines, result
  limpet jobs pump-7 3f9c -f               follow it to its end
  limpet jobs pump-7 --clear               forget those that have ended
"""
CANCEL_EXAMPLES = """\
The job ends at the next place where it looks; how it ended is printed. One
that has not ended a second later is shown as running and stuck.
  limpet cancel pump-7 3f9c                a job by the start of its name, or a
                                           request by its id
"""
SCHEDULE_EXAMPLES = """\
The device keeps schedules over restarts, and runs them without you:
  limpet schedule pump-7                                 what there is
  limpet schedule pump-7 add nightly valve.test --cron "30 3 * * *"
  limpet schedule pump-7 add poll gpio.read path=/dev/gpiochip0 line=4 --every 10m
  limpet schedule pump-7 add once-more valve.open --at 2026-12-24T18:00Z
  limpet schedule pump-7 preview --cron "0 9 * * mon-fri" --zone CET-1CEST,M3.5.0,M10.5.0/3
  limpet schedule pump-7 preview nightly --runs 10
  limpet schedule pump-7 pause nightly                   and resume nightly
  limpet schedule pump-7 run-now nightly
  limpet schedule pump-7 remove nightly

--missed says what becomes of runs over a minute late (the device was off, or
its clock was wrong): skip, once, all. --overlap says what happens when the run
before has not ended: skip, queue, cancel. Runs have the rights of your key.
"""
ACTIONS = ("list", "add", "get", "preview", "pause", "resume", "run-now", "remove")
# Options that go to the device under their own names.
TIMING = ("every", "phase", "cron", "at", "zone", "missed", "overlap", "jitter", "until", "count")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def add(add_command, device):
    """Declare the three commands; `device` reads a device's name."""
    jobs = add_command("jobs", "list what a device works on, or follow it", JOBS_EXAMPLES)
    jobs.add_argument("device", type=device)
    jobs.add_argument("job", nargs="?", help="its name, as jobs lists it, or the start of it")
    jobs.add_argument("-f", "--follow", action="store_true", help="wait for its end")
    jobs.add_argument("--clear", action="store_true", help="forget it, or all that have ended")
    jobs.add_argument("--json", action="store_true", help="the device's own words, as JSON")
    cancel = add_command("cancel", "end what a device works on", CANCEL_EXAMPLES)
    cancel.add_argument("device", type=device)
    cancel.add_argument("job", help="the start of its name, or the id of a request under way")
    schedule = add_command("schedule", "have a device run commands by itself", SCHEDULE_EXAMPLES)
    _add_schedule(schedule, device)


def _add_schedule(parser, device):
    parser.add_argument("device", type=device)
    parser.add_argument("action", nargs="?", default="list", choices=ACTIONS, metavar="ACTION",
                        help=", ".join(ACTIONS) + " (list)")  # fmt: skip
    parser.add_argument("words", nargs="*", default=[], metavar="NAME",
                        help="the schedule; with add: NAME METHOD name=value...")  # fmt: skip
    group = parser.add_argument_group("when, with add and preview")
    group.add_argument("--every", type=_interval, metavar="TIME", help="90, 90s, 10m, 12h, 1d")
    group.add_argument("--phase", type=_interval, metavar="TIME",
                       help="of the first run after each start (as --every)")  # fmt: skip
    group.add_argument("--cron", metavar="FIELDS", help="5 fields, or 6 with seconds first")
    group.add_argument("--at", metavar="TIME", help="2026-12-24T18:00, local, or with Z or +01:00")
    group.add_argument("--zone", help="UTC, +01:00 or a POSIX rule (UTC)")
    group.add_argument("--missed", choices=("skip", "once", "all"))
    group.add_argument("--overlap", choices=("skip", "queue", "cancel"))
    group.add_argument("--jitter", type=_interval, metavar="TIME", help="starts up to so late")
    group.add_argument("--until", metavar="TIME", help="no run is due after it")
    group.add_argument("--count", type=int, metavar="N", help="runs in all")
    parser.add_argument("--replace", action="store_true", help="with add: take its place")
    parser.add_argument("--runs", type=int, metavar="N", help="with preview: how many (5)")
    parser.add_argument("--from", dest="start", metavar="TIME",
                        help="with preview: as if it were then")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the device's own words, as JSON")


def check_schedule(names, parser, pairs):
    """What the words after the action are: `name`, `method`, `params`; `timing` is a dict."""
    given = {name: getattr(names, name) for name in TIMING}
    names.timing = {name: value for name, value in given.items() if value is not None}
    names.name, names.method, names.params = None, None, {}
    words = list(names.words)
    if names.action == "add":
        if len(words) < 2:
            parser.error("add what? NAME METHOD, and --every, --cron or --at")
        names.name, names.method = words[:2]
        names.params = pairs(words[2:], parser)
        if not {"every", "cron", "at"} & set(names.timing):
            parser.error("when? --every, --cron or --at")
        return
    if names.action != "preview" and names.timing:
        parser.error(f"--{next(iter(names.timing))} goes with add and preview")
    if words:
        names.name = words.pop(0)
    if words:
        parser.error(f"{words[0]} is not understood after {names.action}")
    needs_name = names.action not in ("list", "preview")
    if names.name is None and (needs_name or (names.action == "preview" and not names.timing)):
        parser.error(f"{names.action} which? give its name")


def _interval(text):
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 90, 90s, 10m, 12h, 1d, 1w")
    return int(number) * _UNITS[unit]
