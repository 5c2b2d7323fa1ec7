"""`system.time`, `system.memory`, `system.threads`: what is asked for when something is wrong.

Loaded at first use; `system.py` has what is always there. Nothing here waits.
"""

import gc

from interpreter import memory

from agent import schema
from agent.clock import LEAST_UNIX_S
from agent.commands.registry import INLINE, Command
from agent.errors import LimpetError, Unavailable

_MOST_UNIX_MS = 1 << 43  # the year 2248


class NotPermitted(LimpetError):
    """The system does not let the agent's user do it."""

    code = "denied"


def commands(clock, executor):
    """The family's later commands."""

    def tell_time(params):
        unix_ms, quality = clock.wall()
        return {"unix_ms": unix_ms, "quality": quality, "uptime_ms": clock.now()}

    def set_time(params):
        try:
            clock.set_wall(params["unix_ms"])
        except OSError as error:
            if error.errno in (1, 13):
                raise NotPermitted("the agent's user may not set the clock")
            raise Unavailable("the clock cannot be set: %s" % error)
        return tell_time(params)

    def tell_memory(params):
        if params["collect"]:
            gc.collect()
        words = memory()
        words["resident_bytes"] = _resident()
        return words

    def tell_threads(params):
        return _threads(executor, clock.now())

    unix_ms = schema.integer("unix_ms", low=LEAST_UNIX_S * 1000, high=_MOST_UNIX_MS, unit="ms")
    collect = schema.boolean("collect", False, about="true: garbage first")

    def command(name, call, params, permission, repeat, about):
        return Command("system." + name, call, params, permission, repeat, INLINE, about)

    return (
        command("time", tell_time, (), "read", "repeat",
                "{unix_ms, quality: unset, restored or synced, uptime_ms}"),
        command("set_time", set_time, (unix_ms,), "admin", "once",
                "Set the wall clock; it counts as right until the next start. As system.time."),
        command("memory", tell_memory, (collect,), "read", "repeat",
                "{used_bytes, free_bytes: of the heap, resident_bytes: of the process}"),
        command("threads", tell_threads, (), "read", "repeat",
                "{threads: what each runs, under_way: what has begun and what waits}"),
    )  # fmt: skip


def _threads(executor, now):
    rows = [{"thread": "main"}]
    for index, slot in enumerate(executor.running):
        row = {"thread": "worker-%d" % index}
        if slot:
            row.update({"method": slot.method, "for_ms": now - slot.since, "job": slot.job.id})
        rows.append(row)
    jobs = [
        {
            "job": job.id,
            "method": job.task.command.name,
            "for_ms": None if job.started_at is None else now - job.started_at,
            "resting": job.wake_at is not None,
            "stuck": executor.is_stuck(job, now),
        }
        for job in executor.jobs
    ]
    return {"threads": rows, "under_way": jobs}


def _resident():
    """Bytes of memory that the process holds, None where nobody tells."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return None
