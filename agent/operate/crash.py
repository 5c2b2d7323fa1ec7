"""Crashes on the medium: what ended the agent, or one of its threads, is told at the next start.

The one rule: nothing here makes a crash worse. What cannot be recorded is printed and let go. The
MOST newest are kept, with the end of their tracebacks; an agent that crashes again and again waits
longer each time, so that it eats neither the medium nor the link.
Loaded after a crash, and at a start that finds a record. Owner: the main thread.
"""

import json
import sys

from interpreter import format_exception

from agent.errors import LimpetError
from agent.store import Store

NAME = "crash"
MOST = 4
MAX_TRACEBACK = 2000  # characters, from its end: the innermost frames
FIRST_DELAY_S = 5
MOST_DELAY_S = 60
LASTED_MS = 600_000  # an agent that ran so long does not crash in a loop


def make_record(error, boot, uptime_ms, version, thread=None):
    """What is kept of an exception, as a JSON-able dict; `thread` is its name, None for main."""
    return {
        "boot": boot,
        "uptime_ms": uptime_ms,
        "agent": version,
        "thread": thread,
        "error": ("%s: %s" % (type(error).__name__, error))[:200],
        "traceback": format_exception(error)[-MAX_TRACEBACK:],
        "in_a_row": 1,
        "told": False,
    }


def read(store):
    """The records, oldest first. Raises StoreError or ValueError."""
    value = store.read(NAME)
    return [] if value is None else json.loads(value)


def keep(store, record):
    """Put one more on the medium. Raises StoreError."""
    try:
        records = read(store)
    except (LimpetError, ValueError):
        records = []
    if records and record["thread"] is None:
        last = records[-1]
        is_next = record["boot"] == last["boot"] + 1
        if is_next and last["thread"] is None and record["uptime_ms"] < LASTED_MS:
            record["in_a_row"] = last["in_a_row"] + 1
    write(store, (records + [record])[-MOST:])


def write(store, records):
    """Put all records on the medium. Raises StoreError."""
    store.write(NAME, json.dumps(records).encode())


def tell(store, publish):
    """Give each record that nobody was told of to `publish(words)`; False if one found no room."""
    records = read(store)
    untold = [record for record in records if not record["told"]]
    for record in untold:
        words = dict(record)
        del words["told"]
        if not publish(words):
            return False
        record["told"] = True
    if untold:
        write(store, records)
    return True


def delay_s(in_a_row, most_s=MOST_DELAY_S):
    """How long to wait before the process ends, so that a crash loop is a slow one."""
    return min(FIRST_DELAY_S * (1 << min(in_a_row - 1, 8)), MOST_DELAY_S, most_s)


def end(error, folder, boot, uptime_ms, version):
    """Print and record what ends the agent; how long to wait before its process ends, in s."""
    record = make_record(error, boot, uptime_ms, version)
    sys.stderr.write(record["traceback"])
    try:
        keep(Store(folder), record)
    except (LimpetError, OSError, ValueError, MemoryError) as second:
        sys.stderr.write("agent: the crash could not be recorded: %s\n" % second)
    return delay_s(record["in_a_row"])
