"""`job.*`: look at what is under way or has ended, end it, clear it away.

The one rule: whoever may start a command may cancel it. Loaded with the first job, or the first
question about one.
"""

from agent import schema
from agent.commands.registry import INLINE, Command, task
from agent.errors import BadParams

END_MS = 1000  # what a job has to end in before it is called one that will not stop
_NAME = schema.text("job", low=1, high=64, about="as in {job}, or the id of a request under way")
_LISTING = (
    schema.text("after", "", high=64, about="the last job of the answer before"),
    schema.integer("limit", 20, low=1, high=50, about="jobs in one answer"),
)


def commands(service, jobs):
    """The family's commands, over a Service and its Jobs."""
    family = _Family(service, jobs)
    rows = (
        ("list", family.list, _LISTING, "read", "repeat", INLINE,
         "What is under way or kept, by name: job, method, state, progress; `more` if others."),
        ("get", family.get, (_NAME,), "read", "repeat", INLINE,
         "One job: state, progress, phase, log lines, result or error."),
        ("cancel", family.cancel, (_NAME,), "act", "repeat", task(None, None, True),
         "Ask it to end, wait 1 s for that. Its state then; `stuck` if it has not ended."),
        ("clear", family.clear, (schema.text("job", None, low=1, high=64),), "act", "repeat",
         INLINE, "Forget a job that has ended, or all that have. {cleared: their names}"),
    )  # fmt: skip
    return tuple([Command("job." + row[0], *row[1:]) for row in rows])


class _Family:
    def __init__(self, service, jobs):
        self._service = service
        self._jobs = jobs

    def list(self, params):
        found = {}
        for address, words in self._cut_off():
            found[address.id] = _describe_cut_off(address, words)
        for job in self._service.under_way():
            if job.row is None and job.id is not None:
                found[job.id] = self._describe_job(job)
        for row in self._jobs.rows():
            found[row.id] = self._jobs.describe(row, False)
        names = sorted([name for name in found if name > params["after"]])
        shown = names[: params["limit"]]
        return {"jobs": [found[name] for name in shown], "more": len(names) > len(shown)}

    def get(self, params):
        row = self._jobs.find(params["job"])
        if row is not None:
            return self._jobs.describe(row)
        for address, words in self._cut_off():
            if address.id == params["job"]:
                return dict(_describe_cut_off(address, words), **words)
        return self._describe_job(self._find_job(params["job"]))

    def _cut_off(self):
        """What a restart ended before it was a job: whoever asked may not know that it did."""
        return [ended for ended in self._service.cut_off if "error" in ended[1]]

    def _find_job(self, name):
        for job in self._service.under_way():
            if name in (job.id, job.task.request.address.id):
                return job
        raise BadParams("job: none is called %s; job.list names all" % name)

    def _describe_job(self, job):
        outcome = job.outcome
        state = "accepted" if job.started_at is None else "running"
        if outcome is not None:
            code = None if outcome.error is None else outcome.error.code
            state = {None: "done", "cancelled": "cancelled"}.get(code, "failed")
        name = job.id or job.task.request.address.id
        return {"job": name, "method": job.task.command.name, "state": state}

    def cancel(self, params, job):
        row = self._jobs.find(params["job"])
        target = self._find_job(params["job"]) if row is None else row.job
        if target is None:
            return self._jobs.describe(row)
        self._service.check_may(job.key, target.task.command)
        self._service.cancel(target)
        until = job.now() + END_MS
        while self._service.is_under_way(target) and job.now() < until:
            self._service.watch(target, job)
            yield until - job.now()
        words = self._describe_job(target) if target.row is None else None
        words = words or self._jobs.describe(target.row)
        if self._service.is_under_way(target):
            words["stuck"] = True
        return words

    def clear(self, params):
        name = params["job"]
        cut = [ended for ended in self._cut_off() if name in (None, ended[0].id)]
        self._service.cut_off = [one for one in self._service.cut_off if one not in cut]
        cleared = [ended[0].id for ended in cut]
        if cleared and name is not None:
            return {"cleared": cleared}
        rows = self._jobs.rows() if name is None else [self._jobs.find(name)]
        if rows == [None]:
            raise BadParams("job: none is called %s; job.list names all" % name)
        ended = [row for row in rows if not row.is_live]
        if name is not None and not ended:
            raise BadParams("job: %s has not ended: job.cancel ends it" % name)
        for row in ended:
            self._jobs.forget(row)
        return {"cleared": cleared + [row.id for row in ended]}


def _describe_cut_off(address, words):
    """The journal knows who asked and under what id; what was asked it has only a hash of."""
    state = words["error"]["code"]
    return {"job": address.id, "method": None, "state": state, "key": address.key or None}
