"""One command under way: what it may do while it runs, and how it is brought to its end.

`call(params, job)` of a task gets one of these. The one rule: every `yield` of a generator and
every `check` is a place where it can be cancelled, with workers or without; whatever it did,
`turn` raises nothing and `outcome` says what came of it.

A generator yields None to give others their turn, or a number: then it wants to rest for so many
ms, and goes on earlier when it is cancelled, when input comes, or when there is room for output
again. It may not wait in any other way. A function may: on a worker it keeps that worker.

Which thread touches what: whoever has the turn runs the command and writes what it tells; `cancel`
and the streams' ends are the main thread's. Each attribute has one writer.
"""

import threading
from collections import namedtuple

from interpreter import format_exception

from agent import strict_json
from agent.errors import Cancelled, CommandFailed, Expired, LimpetError, TimedOut

# What came of a command: exactly one of result and error counts; error is None or a LimpetError.
Outcome = namedtuple("Outcome", ("task", "result", "error"))

# What a command's own code may raise: its caller's to know, and nobody's end, sys.exit() neither.
FAULTS = (Exception, SystemExit)
MAX_TRACEBACK = 2000  # characters of a traceback that a reply carries: the innermost frames
MAX_LINES = 20  # log lines kept, the newest
MAX_LINE = 200  # characters
MAX_PHASE = 60
MAX_CHECKPOINT = 1024  # bytes of JSON: the medium has as many for a job's result
MOST_WAIT_MS = 600_000  # at once: whoever waits looks again after it
REST = 1 << 40  # ms: longer than anything; until something happens


def _steps():
    yield


_GENERATOR = type(_steps())


class Job:
    """A command under way. `task` is an executor.Task; `clock` tells the time; `wake()` makes the
    main thread look.

    For the command: `progress`, `log`, `check`, `cancelled`, `checkpoint`, `resume_from`,
    `deadline`, `end_within`, `id`, `key`, `now`, `write`, `read`, `wait`.
    """

    # Most commands never touch most of these, so they stand in the class.
    id = None  # what its streams and its state are called; None: it was asked for without an id
    deadline = None  # monotonic ms, None: none
    resume_from = None  # the last checkpoint of the run that a restart cut off
    cancelled = False
    cancelled_at = None
    outcome = None
    started_at = None
    is_over = False  # ended before it began; guarded by the executor's lock, as is `started_at`
    on_worker = False
    caller = None  # whose turn it is when it begins: see line.py
    wake_at = None  # until when it rests; the main thread's, as the next
    was_stirred = False  # what it may rest for came while it ran: it does not rest next time
    fraction = None
    phase = None
    lines = ()
    lines_lost = 0
    saved = None  # the newest checkpoint
    changed = False  # something was told that the main thread has not seen
    is_shown = False  # whether somebody follows what it tells
    row = None  # of jobs.Jobs, once it is a job to its caller
    reply_at = 0  # when it becomes one if it has not ended: monotonic ms
    stream = None  # a stream.Stream, once it has written or read
    streams = None  # what opens one
    _body = None
    is_told = False  # whether it has met the error that is to end it
    _event = None

    def __init__(self, task, clock, wake):
        self.task = task
        self._clock = clock
        self._wake = wake

    # What the command says and asks.

    @property
    def key(self):
        """The name of the key that it runs under, "" for none."""
        return self.task.request.address.key

    def now(self):
        """Monotonic ms, as `deadline` is."""
        return self._clock.now()

    def progress(self, fraction, phase=None):
        """Tell how far it is, 0 to 1 or None for unknown, and what it is doing."""
        if fraction is not None:
            fraction = float(fraction)
            if not 0 <= fraction <= 1:  # so not a number is refused too
                raise ValueError("progress: %r is not between 0 and 1" % fraction)
        self.fraction = fraction
        if phase is not None:
            self.phase = str(phase)[:MAX_PHASE]
        self._tell()

    def log(self, text):
        """Tell a line of text; the last MAX_LINES are kept."""
        lines = list(self.lines)
        lines.append(str(text)[:MAX_LINE])
        if len(lines) > MAX_LINES:
            self.lines_lost += len(lines) - MAX_LINES
            lines = lines[-MAX_LINES:]
        self.lines = lines  # replaced as a whole: the main thread may read the old one meanwhile
        self._tell()

    def checkpoint(self, value):
        """Give what to go on from after a restart: JSON-able, at most MAX_CHECKPOINT bytes.

        It is on the medium some time later; what has been done since is then done again. Raises
        ValueError for anything else.
        """
        self.saved = strict_json.copy(value, MAX_CHECKPOINT)
        self._tell()

    def _tell(self):
        if not self.changed:
            self.changed = True
            if self.is_shown:
                self.call()

    def call(self):
        """Make the main thread look, if it is another."""
        if self.on_worker:
            self._wake()

    def check(self):
        """Raise Cancelled or TimedOut if it is to end."""
        reason = self.reason()
        if reason is not None:
            self.is_told = True
            raise reason

    def reason(self):
        """The error that is to end it, or None."""
        if self.cancelled:
            return Cancelled("it was cancelled")
        if self.deadline is not None and self._clock.now() >= self.deadline:
            return TimedOut("it ran longer than it may")
        return None

    def wait(self, timeout_ms):
        """For a function on a worker: sleep until input, room, a cancel, or so many ms.

        Raises Cancelled or TimedOut.
        """
        if self._event is None:
            self._event = threading.Event()
        self.check()
        if self.deadline is not None:
            timeout_ms = min(timeout_ms, self.deadline - self._clock.now())
        self._event.wait(min(MOST_WAIT_MS, max(0, timeout_ms)) / 1000)
        self._event.clear()
        self.check()

    def end_within(self, timeout_ms):
        """Have TimedOut raised after so many ms from now, if not earlier: also while its output
        finds no room."""
        until = self._clock.now() + timeout_ms
        if self.deadline is None or until < self.deadline:
            self.deadline = until

    def write(self, data):
        """Send bytes to the caller, on the job's stream; what is sent once goes together.

        A function on a worker waits while there is no room; a generator is not run on before there
        is. Raises TooLarge where a generator writes on and on without a yield.
        """
        stream = self.stream or self.streams.open(self)
        stream.put(data)
        while stream.is_full and self.on_worker and self._body is None:
            self.wait(REST)

    def read(self):
        """The next bytes that the caller sent: None while nothing is there, b"" at their end."""
        stream = self.stream or self.streams.open(self)
        return stream.get()

    # What the executor does with it.

    def turn(self, gives_way):
        """Run: None once it has ended, else how many ms it rests; 0: others have their turn.

        `gives_way()` is asked at each yield whether somebody else waits.
        """
        try:
            if self._body is None:
                self._begin()
            while self.outcome is None:
                if self._is_held_back():
                    return REST
                pause = self._step() or 0
                if self.outcome is not None or self._is_held_back():
                    continue
                if pause > 0 or gives_way():
                    return pause
        except LimpetError as error:
            self._end(None, error)
        except FAULTS as error:
            self._end(None, failure(error))
        return None

    def _is_held_back(self):
        """Whether its output finds no room: then it rests, whatever else has come meanwhile, but
        for what is to end it."""
        stream = self.stream
        return stream is not None and stream.is_full and not self.is_told and self.reason() is None

    def _begin(self):
        task = self.task
        if task.request.expires <= self._clock.now():
            raise Expired("the request's time passed while it waited")
        self.check()
        command = task.command
        if isinstance(command.mode, tuple):
            result = command.call(task.params, self)
        else:
            result = command.call(task.params)
        if isinstance(result, _GENERATOR):
            self._body = result
        else:
            self._end(result, None)

    def _step(self):
        """One step of the generator: what it yields."""
        reason = None if self.is_told else self.reason()
        try:
            if reason is None:
                return next(self._body)
            self.is_told = True  # once: what it does to clean up is not disturbed
            return self._body.throw(reason)
        except StopIteration as end:
            result = end.value
        if self.is_told and self.cancelled:
            # It caught the error and came to an end: that is what it came to.
            data = None if result is None else {"result": result}
            self._end(None, Cancelled("it was cancelled", data))
        else:
            self._end(result, None)
        return None

    def _end(self, result, error):
        self.outcome = Outcome(self.task, result, error)

    def fail(self, error):
        """End it from outside of its own code."""
        self._end(None, error if isinstance(error, LimpetError) else failure(error))

    def stir(self):
        """Something that it may wait for has come; the main thread's to call."""
        event = self._event
        if event is not None:
            event.set()


def failure(error):
    """The error that tells a command's own exception, with its traceback."""
    trace = format_exception(error)
    message = "%s: %s" % (type(error).__name__, error)
    return CommandFailed(message, {"traceback": trace[-MAX_TRACEBACK:]})
