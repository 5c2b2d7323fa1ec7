"""Schedules in simulated time, and in memory: `INTERPRETER schedule_years.py years YEARS ENTRIES`,
`INTERPRETER schedule_years.py heap ENTRIES FOLDER`, and `... journal ENTRIES FOLDER`.

Runs on every interpreter, and prints one JSON object. `years` walks from wake-up to wake-up and
starts every run that is due; `heap` tells what the runner holds once it has loaded so many
schedules from FOLDER, where the interpreter counts its heap.
"""

import gc
import json
import sys

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, _HERE + "/../../..")
sys.path.append(_HERE + "/../../../compat")

from interpreter import ticks_diff, ticks_ms  # noqa: E402 - found through the path set above

from agent import schema  # noqa: E402
from agent.commands.message import Address, Request  # noqa: E402
from agent.commands.once import Once, make_ticket  # noqa: E402
from agent.errors import BadParams  # noqa: E402
from agent.records import Records  # noqa: E402
from agent.schedule.book import Book  # noqa: E402
from agent.schedule.entry import DECLARATION, make_entry  # noqa: E402
from agent.schedule.runner import Runner  # noqa: E402
from agent.schedule.schedule import Schedule  # noqa: E402
from agent.store import Store  # noqa: E402

START_MS = 1795132800_000  # 2026-11-20
DAY_MS = 86400_000
ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"


def timing(index):
    """What the entry of that number is declared with: a mix of the usual."""
    minute, hour = index % 60, index % 24
    kinds = (
        {"cron": "%d */%d * * *" % (minute, (6, 8)[index % 2]), "zone": ZONE},
        {"cron": "%d %d * * *" % (minute, hour), "zone": ZONE},
        {"cron": "%d %d * * mon-fri" % (minute, hour)},
        {"cron": "%d %d 1,15 * fri" % (minute, hour), "zone": ZONE, "jitter": 300},
        {"every": 36000 + 60 * index, "jitter": 60},
    )
    return kinds[index % len(kinds)]


def declare(index):
    """A checked declaration, all members present."""
    short = {"name": "schedule-%02d" % index, "method": "pump.set", "params": {"level": index}}
    short.update(timing(index))
    return schema.check(DECLARATION, short, BadParams)


class Clock:
    """A clock that stands still: as agent.clock.Clock."""

    def now(self):
        return 1000

    def wall(self):
        return START_MS, "synced"


def years(number, entries):
    """Simulate; how many runs were started, and in how many ms of real time."""
    schedule = Schedule("device")
    schedule.look(0, START_MS)
    for index in range(entries):
        schedule.add(make_entry(declare(index)), 0)
    end = number * 365 * DAY_MS
    began = ticks_ms()
    now, runs, wake_ups = schedule.due(), 0, 0
    while now < end:
        wake_ups += 1
        schedule.look(now, START_MS + now)
        found = schedule.step(now)
        while found:
            schedule.started(found, False)
            runs += 1
            found = schedule.step(now)
        now = schedule.due()
    return {"ms": ticks_diff(ticks_ms(), began), "runs": runs, "wake_ups": wake_ups}


def make_runner(folder):
    """A runner over the schedules in the folder, none of which ever starts."""
    return Runner(Book(Store(folder)), Clock(), 1, "device", (None, None, None))


def heap(entries, folder):
    """What the heap holds more with the schedules than without."""
    writer = make_runner(folder)
    for index in range(entries):
        spec = declare(index)
        writer.add(spec, make_entry(spec), "key", False)
    writer = spec = None
    if not hasattr(gc, "mem_alloc"):
        return {}
    make_runner(folder)  # once, so that what is only made once is there
    gc.collect()
    before = gc.mem_alloc()
    runner = make_runner(folder)
    problems = runner.load(1000)
    for name in runner.names():  # each has run, and went well: what nearly all are, after a while
        runner.cut_off(name + "@1.1", {"result": None})
    gc.collect()
    found = {"bytes": gc.mem_alloc() - before, "entries": len(runner.names())}
    if problems:
        raise ValueError(problems)
    return found


def journal(entries, folder):
    """What the heap holds more with a journal of so many entries, and what each cost."""
    clock = Clock()
    gc.collect()
    before = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    once = Once(Records(folder, "journal"), clock, entries, 65536, 0)
    once.recover(1)
    for number in range(entries):
        address = Address("request-%012d" % number, "limpet/reply/bench/device", None, "")
        request = Request(address, "m", {}, clock.now() + 60000, None, 2000, None)
        ticket = make_ticket("", address.id, "valve.open", {"degrees": number})
        once.promise(ticket, request)
        once.write()
        once.end(ticket, {"result": {"degrees": number}})
        once.write()
    address = request = ticket = None
    gc.collect()
    after = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    found = once.figures()
    words = {"bytes": after - before, "entries": found["entries"]}
    words["syncs"] = found["syncs"] / entries
    words["written_bytes"] = found["written_bytes"] / entries
    return words


if __name__ == "__main__":
    if sys.argv[1] == "years":
        print(json.dumps(years(int(sys.argv[2]), int(sys.argv[3]))))
    elif sys.argv[1] == "journal":
        print(json.dumps(journal(int(sys.argv[2]), sys.argv[3])))
    else:
        print(json.dumps(heap(int(sys.argv[2]), sys.argv[3])))
