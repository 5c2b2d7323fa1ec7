"""`schedule.*`: declare runs of commands, look at them, stop and start them.

The one rule: what is asked here is answered by the runner that comes with the constructor; this
file only knows parameters and words; and that whoever changes or starts a schedule, which runs
under its maker's key, must be allowed to run its method. All of it is the main thread's, as the
schedules are.
"""

from agent import schema
from agent.commands.registry import INLINE, Command
from agent.errors import BadParams, ClockUnknown, LimpetError, UnknownMethod
from agent.schedule.civil import format_time, parse_time
from agent.schedule.entry import (
    DECLARATION,
    LEAST_RESTART_S,
    NAME,
    RESTARTING,
    TIMING,
    make_entry,
)

MOST_LISTED = 50  # in one answer, which must fit in a packet
MOST_RUNS = 50  # that a preview tells: the search for each takes a board some milliseconds

_REPLACE = schema.boolean("replace", False, "take the place of a schedule of that name")
_LISTING = (
    schema.text("after", "", high=64, about="the last name of the answer before"),
    schema.integer("limit", 20, low=1, high=MOST_LISTED, about="names in one answer"),
)
_PREVIEW = (
    schema.text(
        "name", None, low=1, high=64, about="a schedule that is kept; else give its times"
    ),
    schema.integer("runs", 5, low=1, high=MOST_RUNS, about="how many to tell"),
    schema.text("from", None, low=1, high=32, about="as if it were then; default: now"),
) + TIMING


def commands(runner, check, caller):
    """The family's commands over a schedule.runner.Runner.

    `check(method, params)` raises where the device has no such command, or not with these
    parameters, or the caller may not run it; `caller()` is the name of the key that the call being
    run came under, or None.
    """
    family = _Family(runner, check, caller)
    read = ("read", "repeat", INLINE)
    act = ("act", "once", INLINE)
    name = (NAME,)
    rows = (
        ("add", family.add, DECLARATION + (_REPLACE,), act,
         "Keep a schedule: a method with its parameters, and every, cron or at. Its next run."),
        ("list", family.list, _LISTING, read,
         "Names in order, each with state, next due time, runs and what came of the last one; "
         "`more` if there are others."),
        ("get", family.get, name, read,
         "All of one schedule: what was declared, by whom, its state, its next due time; params "
         "are `withheld` from who may not run the method."),
        ("pause", family.pause, name, act, "Start no more of its runs. Its state."),
        ("resume", family.resume, name, act,
         "Start its runs again, from now on: those of the pause are not missed ones. Its state."),
        ("run-now", family.run_now, name, act,
         "Start one run more, beside the schedule. The run's request id."),
        ("remove", family.remove, name, act, "Forget it; a run under way goes on. {}"),
        ("preview", family.preview, _PREVIEW, read,
         "The next runs of a schedule, kept or proposed, if all go well; changes nothing."),
    )  # fmt: skip
    return tuple(
        [
            Command("schedule." + verb, call, params, rules[0], rules[1], rules[2], about)
            for verb, call, params, rules, about in rows
        ]
    )


class _Family:
    def __init__(self, runner, check, caller):
        self._runner = runner
        self._check = check
        self._caller = caller

    def add(self, params):
        spec = {field.name: params[field.name] for field in DECLARATION}
        entry = make_entry(spec)  # first what is wrong with the times, then with the work
        self._check(spec["method"], spec["params"] or {})
        _check_restarts(spec)
        if params["replace"] and spec["name"] in self._runner.names():
            self._check_stop(spec["name"])
        return self._describe(self._runner.add(spec, entry, self._caller(), params["replace"]))

    def list(self, params):
        names = [name for name in self._runner.names() if name > params["after"]]
        shown = names[: params["limit"]]
        return {
            "schedules": [self._describe(self._runner.find(name)) for name in shown],
            "more": len(names) > len(shown),
        }

    def get(self, params):
        words, maker = self._runner.record(params["name"])
        words.update(self._describe(self._runner.find(params["name"])))
        words["maker"] = maker
        try:
            self._check_start(params["name"])
        except BadParams:
            pass  # whoever may not run it hears that first
        except LimpetError as error:
            words["params"] = None
            words["withheld"] = "params: " + error.message
        return words

    def _check_start(self, name):
        """Raise unless the caller may run what a schedule runs."""
        self._check(*self._work(name))

    def _check_stop(self, name):
        """The same; but what this device cannot run any more, anybody may stop."""
        work = self._work(name)
        try:
            self._check(*work)
        except (BadParams, UnknownMethod):
            pass

    def _work(self, name):
        spec, _ = self._runner.record(name)
        return spec["method"], spec.get("params") or {}

    def pause(self, params):
        self._check_stop(params["name"])
        return self._describe(self._runner.pause(params["name"]))

    def resume(self, params):
        self._check_start(params["name"])
        return self._describe(self._runner.resume(params["name"]))

    def run_now(self, params):
        self._check_start(params["name"])
        return {"run": self._runner.run_now(params["name"])}

    def remove(self, params):
        self._check_stop(params["name"])
        self._runner.remove(params["name"])
        return {}

    def preview(self, params):
        entry = self._previewed(params)
        now_s = self._runner.seconds(entry)
        after = self._simulated_start(entry, params["from"], now_s)
        runs = self._runner.preview(entry, params["runs"], after)
        return {"runs": [_describe_run(entry, due, start, now_s) for due, start in runs]}

    def _previewed(self, params):
        if params["name"] is None:
            spec = {field.name: params[field.name] for field in TIMING}
            spec["name"] = "preview"
            spec["params"] = None
            entry = make_entry(spec)
            if not entry.rule.is_wall:
                entry.rule.start(self._runner.seconds(entry))
            return entry
        for field in TIMING:
            if params[field.name] != field.default:
                raise BadParams("%s: goes with no name: name alone tells all" % field.name)
        return self._runner.find(params["name"])

    def _simulated_start(self, entry, text, now_s):
        """The time to look from, None for where the entry itself stands."""
        if text is not None:
            if not entry.rule.is_wall:
                raise BadParams("from: every never looks at the wall clock")
            return _parse_from(text, entry.rule.zone)
        if now_s is None:
            raise ClockUnknown("this device does not know the time: give a time as from")
        if entry.due is not None:
            return None
        return now_s - 1 if entry.after is None else max(now_s - 1, entry.after)

    def _describe(self, entry):
        words = {"name": entry.name, "state": self._state(entry), "runs": entry.runs}
        last = self._runner.last_run(entry)
        if last is not None:
            words["last"] = last
            words["failed"] = entry.failed
        now_s = self._runner.seconds(entry)
        if entry.due is not None and now_s is not None:
            words["next"] = _describe_run(entry, entry.due, entry.wake, now_s)
        return words

    def _state(self, entry):
        if entry.running is not None:
            return "running"
        if entry.paused:
            return "paused"
        if self._runner.seconds(entry) is None:
            return "waits for the clock"
        return "finished" if entry.is_finished() else "waiting"


def _check_restarts(spec):
    if spec["method"] != RESTARTING or spec["every"] is None:
        return
    for member in ("every", "phase"):  # the phase is waited for after each start
        value = spec[member]
        if value is not None and value < LEAST_RESTART_S:
            text = "%s: %s needs at least %d s, or the device would do little but start"
            raise BadParams(text % (member, RESTARTING, LEAST_RESTART_S))


def _parse_from(text, zone):
    try:
        seconds, offset = parse_time(text)
    except ValueError as error:
        raise BadParams("from: %s" % error)
    return (zone.unix_from_local(seconds) if offset is None else seconds) - 1


def _describe_run(entry, due, start, now_s):
    """A run in words: when it is due, when jitter lets it start, how long until then."""
    if not entry.rule.is_wall:
        return {"due_uptime_s": due, "start_uptime_s": start, "in_s": start - now_s}
    offset = entry.rule.zone.segment(due).offset
    words = {"due": format_time(due), "start": format_time(start)}
    if offset:
        words["local"] = format_time(due, offset)
    if now_s is not None:
        words["in_s"] = start - now_s
    return words
