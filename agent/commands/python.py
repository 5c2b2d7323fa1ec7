"""`python.run`: an expression or a block of Python on this device.

The one rule: on Linux the code runs in an interpreter of its own, which a limit, a cancel or the
agent's end ends, with all that it started; its variables stay for the next block of the same
session. Where no process can be started, as on a board, it runs in the agent: there every `print`
is a place where it can be cancelled, and code that prints nothing and does not return is the
watchdog's to end; the journal then says `interrupted`.
"""

import sys
from binascii import hexlify

from interpreter import program, random_bytes

from agent import python_child, schema, strict_json, system_calls
from agent.commands.registry import Command, task
from agent.commands.shell import LEAST_PAUSE_MS, MOST_PAUSE_MS, Output, TooMuchOutput, text_of
from agent.errors import Busy, Cancelled, LimpetError, TimedOut, Unavailable
from agent.processes import GRACE_MS, INTERRUPT, OUT, Process, environment

MOST_SESSIONS = 4
MOST_CODE = 65536  # characters; a packet bounds it first
MOST_ANSWER = 16384  # bytes: what a child may tell of one block


class Sessions:
    """Interpreters that wait for their next block. Each is one job's while it runs."""

    def __init__(self, has_processes, folder="/"):
        self.has_processes = has_processes
        self._folder = folder
        self._idle = {}  # (key, name): Session
        self._busy = []  # (key, name)
        self._spaces = {}  # (key, name): variables of a session in the agent itself

    def take(self, key, name):
        """The Session of a name, a new one where there is none. Raises Busy, OSError."""
        place = (key, name)
        if place in self._busy:
            raise Busy("the session %s runs something" % name)
        found = self._idle.pop(place, None)
        if found is not None and found.process.has_ended():
            found.process.kill()
            found = None
        if found is None:
            self._make_room()
            found = Session(self._folder)
        self._busy.append(place)
        return found

    def _make_room(self):
        for place in list(self._idle):
            if self._idle[place].process.has_ended():
                self._idle.pop(place).process.kill()
        if len(self._idle) + len(self._busy) >= MOST_SESSIONS:
            names = ", ".join(sorted([place[1] for place in self._idle]))
            raise Busy("%d sessions are open (%s): end one by python.end" % (MOST_SESSIONS, names))

    def give_back(self, key, name, session):
        """The job is over; None as `session`: it is no more."""
        self._busy.remove((key, name))
        if session is not None:
            self._idle[(key, name)] = session

    def space(self, key, name):
        """The variables of a session in the agent."""
        place = (key, name)
        if place not in self._spaces:
            if len(self._spaces) >= MOST_SESSIONS:
                raise Busy("%d sessions are open: end one by python.end" % MOST_SESSIONS)
            self._spaces[place] = python_child.new_space()
        return self._spaces[place]

    def names(self, key):
        """(name, whether it runs something) of all that a key has open."""
        found = [(place[1], False) for place in self._idle if place[0] == key]
        found += [(place[1], True) for place in self._busy if place[0] == key]
        return sorted(found + [(place[1], False) for place in self._spaces if place[0] == key])

    def end(self, key, name):
        """Forget a session and its variables; whether there was one. Raises Busy."""
        if (key, name) in self._busy:
            raise Busy("it runs something: cancel that")
        found = self._idle.pop((key, name), None)
        if found is not None:
            found.process.kill()
        return found is not None or self._spaces.pop((key, name), None) is not None


class Session:
    """One other interpreter."""

    def __init__(self, folder):
        start = "import sys;sys.path[:]=%r;from agent import python_child;python_child.main()"
        words = program() + ["-c", start % (sys.path,)]
        self.process = Process(words, environment([]), folder, True, True)
        self.is_new = True


_NO_CHILD = (
    "this runtime starts no other interpreter; inside: true runs it in the agent itself, where "
    "nothing ends a loop that prints nothing"
)


def commands(sessions):
    """The family's commands, over Sessions."""
    name = schema.text("session", None, low=1, high=32,
                       about="whose variables it has and leaves; null: none")  # fmt: skip
    params = (
        schema.text("code", low=1, high=MOST_CODE),
        name,
        schema.boolean("split", False, about="as in shell.run"),
        schema.number("timeout_s", 60, low=0.01, high=30 * 86400, unit="s"),
        schema.integer("output_bytes", 1 << 20, low=0, high=1 << 40, unit="bytes"),
        schema.boolean("inside", False, about="true: in the agent's own process, with no limits "
                       "but at each print; to look at the agent itself"),
    )  # fmt: skip
    named = schema.text("session", low=1, high=32)

    def run(given, job):
        if given["inside"]:
            return run_inside(sessions, given, job)
        if not sessions.has_processes:
            # Nothing there would end a loop, and the device would be gone with it.
            raise Unavailable(_NO_CHILD)
        return run_apart(sessions, given, job)

    def listed(given, job):
        return [{"session": row[0], "running": row[1]} for row in sessions.names(job.key)]

    def end(given, job):
        return {"ended": sessions.end(job.key, given["session"])}

    return (
        Command("python.run", run, params, "code", "once", task(most=MOST_SESSIONS),
                "An expression or a block; what it prints is the stream `out`. {value: its repr, "
                "error: null or {type, message, traceback}, new: whether the session was}"),
        Command("python.sessions", listed, (), "code", "repeat", task(), "The caller's sessions."),
        Command("python.end", end, (named,), "code", "once", task(), "Forget a session. {ended}"),
    )  # fmt: skip


def run_apart(sessions, params, job):
    """A generator that runs it in another interpreter."""
    name = params["session"] or "unnamed-%s" % job.id
    session = sessions.take(job.key, name)
    output = Output(job, params["split"], params["output_bytes"])
    kept = None
    try:
        block = Block(session.process, output, params["code"])
        job.end_within(int(params["timeout_s"] * 1000))
        try:
            yield from block.watch()
        except (Cancelled, TimedOut, TooMuchOutput) as reason:
            yield from block.interrupt()
            reason.data = {
                "result": block.words(session),
                "session_kept": block.answer is not None,
            }
            raise
        finally:
            if block.answer is not None and params["session"] is not None:
                kept = session
        return block.words(session)
    finally:
        sessions.give_back(job.key, name, kept)
        if kept is None:
            session.process.kill()
        session.is_new = False


class Block:
    """One block of code under way in a Session's process."""

    def __init__(self, process, output, code):
        data = code.encode()
        token = hexlify(random_bytes(8))
        self._process = process
        self._output = output
        self._input = ("%d " % len(data)).encode() + token + b"\n" + data
        self._mark = b"\0" + token + b"\0"
        self._held = b""  # output that may be the beginning of the mark, or is behind it
        self._is_marked = False
        self.answer = None

    def watch(self):
        """A generator: until the answer is there, or the interpreter is gone."""
        pause = LEAST_PAUSE_MS
        while self.answer is None:
            has_ended = self._process.has_ended()
            if self._step(True):
                pause = LEAST_PAUSE_MS
                yield
            elif has_ended:
                return
            else:
                yield pause
                pause = min(MOST_PAUSE_MS, 2 * pause)

    def interrupt(self):
        """A generator: a KeyboardInterrupt, which leaves the variables if the code heeds it."""
        self._process.signal(INTERRUPT)
        until = self._output.job.now() + GRACE_MS
        while self.answer is None and self._output.job.now() < until:
            if not self._step(False) and self._process.has_ended():
                return
            yield LEAST_PAUSE_MS

    def _step(self, is_told):
        moved = False
        if self._input:
            count = self._process.write(self._input)
            self._input = self._input[count:] if count is not None else b""
            moved = bool(count)
        for kind, data in self._process.read():
            moved = True
            if kind == OUT:
                data = self._before_mark(data)
            if data and is_told:
                self._output.put(kind, data)
        return moved

    def _before_mark(self, data):
        """What of stdout is the code's own."""
        self._held += data
        if not self._is_marked:
            at = self._held.find(self._mark)
            if at >= 0:
                self._is_marked = True
                own, self._held = self._held[:at], self._held[at + len(self._mark) :]
                self._read_answer()
                return own
            keep = _overlap(self._held, self._mark)
            at = len(self._held) - keep
            own, self._held = self._held[:at], self._held[at:]
            return own
        self._read_answer()
        return b""

    def _read_answer(self):
        end = self._held.find(b"\n")
        if end >= 0:
            self.answer = _answer_of(self._held[:end])
        elif len(self._held) > MOST_ANSWER:
            raise LimpetError("what the other interpreter tells has no end")

    def words(self, session):
        """What is answered."""
        if self.answer is None:
            self._process.has_ended()
            status = self._process.status
            how = "it was ended" if status is None else "status %d" % status
            words = {"type": None, "message": "the interpreter is gone: " + how, "traceback": None}
            answer = {"value": None, "error": words}
        else:
            answer = self.answer
        answer["new"] = session.is_new
        answer["output_bytes"] = self._output.count
        answer["tail"] = text_of(self._output.tail)
        return answer


def _answer_of(line):
    """What the child tells, which the code in it may have written itself. Raises LimpetError."""
    told = strict_json.parse_object(line)
    value, error = told.get("value"), told.get("error")
    words = None
    if isinstance(error, dict):
        words = {name: _text(error.get(name)) for name in ("type", "message", "traceback")}
    return {"value": _text(value), "error": words}


def _text(value):
    return value if isinstance(value, str) else None


def _overlap(data, mark):
    """How many of the last bytes of `data` are the first of `mark`."""
    for count in range(min(len(data), len(mark) - 1), 0, -1):
        if mark.startswith(data[-count:]):
            return count
    return 0


def run_inside(sessions, params, job):
    """Run it in the agent; a function, which keeps its thread."""
    name = params["session"]
    space = sessions.space(job.key, name) if name else python_child.new_space()
    is_new = "print" not in space
    output = Output(job, params["split"], params["output_bytes"])

    def say(*values, sep=" ", end="\n", file=None, flush=False):
        output.put(OUT, (sep.join([str(value) for value in values]) + end).encode())
        job.check()

    space["print"] = say
    answer = python_child.evaluate(params["code"], space)
    job.check()  # the code may have caught what `print` raised
    if output.count >= params["output_bytes"]:
        raise TooMuchOutput("it wrote more than %d bytes" % params["output_bytes"])
    answer["new"] = is_new
    answer["output_bytes"] = output.count
    answer["tail"] = text_of(output.tail)
    return answer


def make_sessions(folder):
    """The Sessions of this runtime."""
    try:
        system_calls.load()
        return Sessions(True, folder)
    except Unavailable:
        return Sessions(False)
