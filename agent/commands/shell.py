"""`shell.run`: a program on this machine, watched from afar.

The one rule: whatever ends it, a limit, a cancel, its own exit or the agent's, its whole process
group ends with it, and the answer says how. Nothing waits: the pipes are looked at in turns, and a
caller who reads slowly slows the program down.
"""

import json

from agent import schema
from agent.commands.registry import Command, task
from agent.errors import BadParams, Cancelled, LimpetError, TimedOut
from agent.processes import GRACE_MS, SHELL, Process, environment

MOST_RUNNING = 4
MOST_ARGUMENTS = 64
TAIL_BYTES = 512  # of the output, that the answer holds for whoever follows no stream
_TAIL_JSON = 700  # characters of it as JSON: the journal keeps answers of 1 KiB
LEAST_PAUSE_MS, MOST_PAUSE_MS = 2, 64  # between two looks at the pipes


class TooMuchOutput(LimpetError):
    """It wrote more than it may, and was ended."""

    code = "output-limit"


def commands():
    """The family's commands."""
    at_terminals = {}  # (key, job): Process
    word = schema.text("argument", high=4096)
    line = schema.text("variable", low=2, high=4096)
    params = (
        schema.sequence("arguments", word, low=1, high=MOST_ARGUMENTS,
                        about="the program, then its arguments, each as it is"),
        schema.boolean("shell", False, about="true: the first argument is a line for /bin/sh"),
        schema.text("folder", None, low=1, high=255, about="to run in; null: HOME, else /"),
        schema.sequence("environment", line, [], high=64,
                        about="NAME=value; beside PATH, HOME, LANG, TZ all that it gets"),
        schema.boolean("input", False, about="true: its standard input is the stream `in`"),
        schema.structure("terminal", _SIZE, None,
                         about="it stands at a terminal of that size, with the stream `in`"),
        schema.boolean("split", False,
                       about="true: in the stream each piece stands behind 3 bytes, 1 for stdout "
                       "or 2 for stderr and its length; false: both as they come"),
        schema.number("timeout_s", 60, low=0.01, high=30 * 86400, unit="s"),
        schema.integer("output_bytes", 1 << 20, low=0, high=1 << 40, unit="bytes",
                       about="what writes more is ended"),
    )  # fmt: skip
    sized = (schema.text("job", low=1, high=64, about="the id of the request that runs it"),)

    def start(given, job):
        return run(given, job, at_terminals)

    def size(given, job):
        process = at_terminals.get((job.key, given["job"]))
        if process is None:
            raise BadParams("job: none of yours at a terminal is called %s" % given["job"])
        process.resize(given["rows"], given["columns"])
        return {}

    return (
        Command("shell.run", start, params, "code", "once", task(most=MOST_RUNNING),
                "A program; its output is the stream `out`. {status or signal, output_bytes, "
                "tail: the last of the output}"),
        Command("shell.size", size, sized + _SIZE, "code", "repeat", task(),
                "The terminal of a program of yours has another size. {}"),
    )  # fmt: skip


_SIZE = (
    schema.integer("rows", low=1, high=1000),
    schema.integer("columns", low=1, high=1000),
)


def run(params, job, at_terminals):
    """A generator that runs it. Raises NoProgram, Cancelled, TimedOut, TooMuchOutput."""
    words = params["arguments"]
    if any(["\0" in word for word in words + params["environment"]]):
        raise BadParams("arguments: no NUL in them")
    if params["shell"]:
        words = [SHELL, "-c", words[0], "sh"] + words[1:]
    variables = environment(params["environment"])
    folder = params["folder"] or variables.get("HOME") or "/"
    size = params["terminal"]
    place = None if size is None else (job.key, job.id)
    takes_input = params["input"] or size is not None
    size = None if size is None else (size["rows"], size["columns"])
    process = Process(words, variables, folder, takes_input, params["split"], size)
    output = Output(job, params["split"], params["output_bytes"])
    job.end_within(int(params["timeout_s"] * 1000))
    try:
        if place is not None:
            at_terminals[place] = process
        yield from watch(process, output, Feed(process, job, takes_input))
    except (Cancelled, TimedOut, TooMuchOutput) as reason:
        yield from stop(process, output)
        reason.data = {"result": _result(process, output)}
        raise
    finally:
        at_terminals.pop(place, None)
        process.kill()
    return _result(process, output)


class Output:
    """Where output goes: to the stream, and its last bytes to the answer."""

    def __init__(self, job, is_split, limit):
        self.job = job
        self._is_split = is_split
        self._limit = limit
        self.count = 0
        self.tail = b""

    def put(self, kind, data):
        """Take a piece. Raises TooMuchOutput."""
        room = self._limit - self.count
        data = data[: max(0, room)] if len(data) > room else data
        self.count += len(data)
        if data:
            head = bytes((kind, len(data) >> 8, len(data) & 0xFF)) if self._is_split else b""
            self.job.write(head + data)
            self.tail = (self.tail + data)[-TAIL_BYTES:]
        if len(data) >= room:
            raise TooMuchOutput("it wrote more than %d bytes" % self._limit)


class Feed:
    """Input on its way from the stream into a program."""

    def __init__(self, process, job, is_wanted):
        self._process = process
        self._job = job
        self._is_open = is_wanted
        self._rest = b""

    def step(self):
        """Move what can be moved; whether anything was."""
        if not self._is_open:
            return False
        if not self._rest:
            data = self._job.read()
            if data is None:
                return False
            if not data:
                self._process.close_input()
                self._is_open = False
                return True
            self._rest = data
        count = self._process.write(self._rest)
        if count is None:  # it reads no more; what comes is thrown away
            self._rest = b""
            return True
        self._rest = self._rest[count:]
        return count > 0


def watch(process, output, feed):
    """A generator: move output and input until the program has ended."""
    pause = LEAST_PAUSE_MS
    while True:
        has_ended = process.has_ended()  # before the look at its pipes, so that this one is whole
        pieces = process.read()
        for kind, data in pieces:
            output.put(kind, data)
        if feed.step() or pieces:
            pause = LEAST_PAUSE_MS
            yield
            continue
        if has_ended and process.is_silent():
            return
        yield pause
        pause = min(MOST_PAUSE_MS, 2 * pause)


def stop(process, output):
    """A generator: ask the group to end, take its last words, and give it GRACE_MS."""
    process.close_input()
    process.ask_to_end()
    until = output.job.now() + GRACE_MS
    while True:
        is_over = process.has_ended() or output.job.now() >= until
        for _kind, data in process.read():
            output.tail = (output.tail + data)[-TAIL_BYTES:]
        if is_over:
            return
        yield LEAST_PAUSE_MS


def _result(process, output):
    process.has_ended()
    status = process.status
    words = {"output_bytes": output.count, "tail": text_of(output.tail)}
    if status is not None and status < 0:
        words["signal"] = -status
    elif status is not None:
        words["status"] = status
    return words


def text_of(data):
    """Bytes as text for an answer: what is no text is shown as ?; short enough to be kept."""
    while data and 0x80 <= data[0] < 0xC0:  # the rest of a character that was cut
        data = data[1:]
    try:
        text = data.decode()
    except UnicodeError:
        text = "".join([chr(b) if 32 <= b < 127 or b in (9, 10) else "?" for b in data])
    while len(json.dumps(text)) > _TAIL_JSON:
        text = text[len(text) // 4 + 1 :]
    return text
