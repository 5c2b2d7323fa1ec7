"""Long work: a call that became a job, followed to its end or cancelled.

Rule: what is told of a job comes from its retained topic, and from `job.get` where that is silent;
the end is a result, or a CallError with the device's own code, as if the call had waited itself.
"""

from .errors import CallError, NoAnswer, Unreachable

POLL_S = 10  # of silence, after which the device is asked
ENDED = ("done", "failed", "cancelled", "interrupted")


def name_in(result) -> str | None:
    """The job that a call was answered with, None for any other result."""
    if isinstance(result, dict) and list(result) == ["job"] and isinstance(result["job"], str):
        return result["job"]
    return None


def run(fleet, device, method, params=None, *, told=None, **options):
    """Call, and wait for the end of the job if it becomes one: the result.

    `told(state)` is called with each state of the job, a dict. Options as in `Fleet.submit`.
    Raises CallError and what `Fleet.call` raises.
    """
    result = fleet.call(device, method, params, **options)
    name = name_in(result)
    return result if name is None else follow(fleet, device, name, method, told)


def follow(fleet, device, name, method="job.get", told=None):
    """Wait for the end of a job, however long the device is away meanwhile: its result."""
    with fleet.listen(device, "job/" + name) as feed:
        state = feed.get(1)
        while True:
            if state is None:
                state = _ask(fleet, device, name, method)
            if state is not None:
                if told is not None:
                    told(state)
                if state.get("state") in ENDED:
                    return outcome(state, device, method)
            state = feed.get(POLL_S)


def _ask(fleet, device, name, method):
    try:
        return fleet.call(device, "job.get", {"job": name})
    except (NoAnswer, Unreachable):
        return None  # it may come back
    except CallError as error:
        if error.code != "bad-params":
            raise
        text = f"{device} knows nothing of the job {name} any more: a restart, or it was cleared"
        raise CallError("interrupted", text, None, device, method) from None


def outcome(state, device, method):
    """The result in the last state of a job. Raises CallError."""
    error = state.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), str):
        message = error.get("message")
        message = message if isinstance(message, str) else ""
        raise CallError(error["code"], message, error.get("data"), device, method)
    if "unkept" in state:
        text = f"it ended, and its result of {state['unkept']} bytes was not kept"
        raise CallError("result-not-kept", text, None, device, method)
    return state.get("result")


def cancel(fleet, device, name, **options):
    """Ask a job, or a request under way by its id, to end: its state a second later at most."""
    return fleet.call(device, "job.cancel", {"job": name}, **options)


def all_jobs(fleet, device):
    """What is under way or kept, a list of dicts."""
    found, after = [], ""
    while True:
        page = fleet.call(device, "job.list", {"after": after})
        found += page["jobs"]
        if not page["more"] or not page["jobs"]:
            return found
        after = page["jobs"][-1]["job"]


def full_name(fleet, device, start) -> str:
    """The name of the one job that begins with `start`; `start` itself where none does, which may
    be the id of a request under way. Raises CallError where several do."""
    names = [job["job"] for job in all_jobs(fleet, device) if isinstance(job.get("job"), str)]
    found = [name for name in names if name.startswith(start)]
    if start in found or not found:
        return start
    if len(found) > 1:
        shown = ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
        text = f"{start} begins the names of {len(found)} jobs: {shown}"
        raise CallError("bad-params", text, None, device, "job.get")
    return found[0]


def new_lines(before, now):
    """The log lines in `now` that were not in `before` yet: a job tells its last ones only."""
    for start in range(len(before) + 1):
        if before[start:] == now[: len(before) - start]:
            return now[len(before) - start :]
    return now
