"""`limpet shell`: a prompt on a device.

Rule: what is typed runs there and nowhere else; this side only decides when a block of Python is
complete. What the device says is written as it comes, so that a program there may use colours.
"""

import codeop
import contextlib
import os
import secrets
import sys

from ..errors import CallError, FleetError
from ..runs import OUT, Run
from . import commands
from .explain import ANSWERED_ERROR, DONE, explain
from .present import lines, paint, printable
from .run import LIMIT_S, OUTPUT_BYTES, cancelling, show, status_of

# A shell that has history and edits lines, where there is one.
_AT_TERMINAL = "command -v bash >/dev/null 2>&1&&exec bash -i;exec /bin/sh -i"
# What leaves the prompt as it does CPython's own, whatever the device's Python knows of it.
_LEAVES = ("exit", "exit()", "quit", "quit()")
_INSIDE = """\
{device} starts no other interpreter. Inside the agent itself your lines share its process: a loop
that prints nothing stops the device, until its watchdog or its power ends it."""

# $1: the folder, $2: the line, $3: a word that nobody else knows. Where the line leaves the shell,
# by `exit` too, its folder is told behind its output.
_LINE = (
    'cd "$1" 2>/dev/null||cd /;t=$3;trap \'s=$?;printf "\\0%s\\0%s" "$t" "$PWD";exit $s\' 0;'
    'eval "$2"'
)


def shell(fleet, names):
    """A prompt; returns the exit status."""
    commands.reachable(fleet, names.device)
    is_typed = sys.stdin.isatty()
    if names.sh and is_typed and sys.stdout.isatty():
        status = _at_terminal(fleet, names)
        if status is not None:
            return status
    names.limit = names.limit or LIMIT_S
    prompt = (_Shell if names.sh else _Python)(fleet, names)
    if is_typed and not names.sh and not _may_begin(prompt, names):
        return ANSWERED_ERROR
    read = _reader(prompt, names.device) if is_typed else _piped(prompt)
    with contextlib.closing(prompt):
        if is_typed:
            commands.note(f"{prompt.greeting}; Ctrl-D leaves")
        try:
            status = _serve(fleet, prompt, read, is_typed)
        except _Left as left:
            return left.status
    return DONE if is_typed else status


def _serve(fleet, prompt, read, is_typed):
    """Run what is read; the status of the last, or of the first that failed in a pipe."""
    status = DONE
    for text in read:
        if text.strip() in prompt.leaves:
            break
        try:
            status = prompt.run(text)
        except FleetError as error:
            for line in explain(error, fleet):
                commands.note(line)
            status = ANSWERED_ERROR
        if status and not is_typed:
            break
    return status


def _at_terminal(fleet, names):
    """The status of the device's shell at a terminal; None where there is no terminal there."""
    from . import terminal  # which a system without terminals lacks

    commands.note(f"sh on {names.device}; {terminal.HINT}")
    params = {"arguments": [_AT_TERMINAL], "shell": True}
    try:
        return terminal.attach(fleet, names.device, params, names.limit or terminal.LIMIT_S)
    except terminal.NoTerminal as error:
        terminal.say_why_not(names.device, error)
    return None


def _may_begin(prompt, names):
    """Whether there is an interpreter to talk to; asks who is there, before it runs inside."""
    try:
        prompt.look()
        return True
    except CallError as error:
        if error.code != "unavailable" or names.inside:
            raise
    for line in _INSIDE.format(device=names.device).split("\n"):
        commands.note(line)
    print("Run them inside all the same? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        commands.note(f"left; limpet shell {names.device} --inside does not ask")
        return False
    prompt.inside = True
    return True


class _Left(Exception):
    """The code ended its interpreter, as `sys.exit(3)` does."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


def _reader(prompt, device):
    """What a person types, a block at a time."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        history = FileHistory(_history_file(prompt.kind))
    except OSError:
        history = InMemoryHistory()
    session = PromptSession(history=history, enable_history_search=True)
    while True:
        try:
            text = session.prompt(prompt.first(device))
            while not prompt.is_complete(text):
                text += "\n" + session.prompt(prompt.next(device))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.strip():
            yield text


def _history_file(kind):
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = os.path.join(base, "limpet")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, "history-" + kind)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # a line may hold a password
    return path


def _piped(prompt):
    """What comes from a pipe or a file: complete blocks."""
    text = ""
    for line in sys.stdin:
        text += line
        if text.strip() and prompt.is_complete(text.removesuffix("\n")):
            yield text
            text = ""
    if text.strip():
        yield text


class _Prompt:
    """What both kinds share: `_follow` runs one command and writes its output."""

    leaves = ("exit",)

    def __init__(self, fleet, names):
        self._fleet = fleet
        self._device = names.device
        self._limit = names.limit

    def _follow(self, method, params, write):
        params = dict(params, timeout_s=self._limit, output_bytes=OUTPUT_BYTES)
        with Run(self._fleet, self._device, method, params, self._limit) as under_way:
            with cancelling(under_way):
                write(under_way)
            return under_way

    def is_complete(self, text):
        return not text.endswith("\\")

    def close(self):
        pass


class _Python(_Prompt):
    """Blocks of Python in a session of their own."""

    kind = "python"
    leaves = _LEAVES

    def __init__(self, fleet, names):
        super().__init__(fleet, names)
        self._session = "shell-" + secrets.token_hex(4)
        self.inside = names.inside
        self.greeting = f"Python on {names.device}"

    def look(self):
        """Begin the session. Raises CallError."""
        params = {"code": "None", "session": self._session, "inside": self.inside}
        self._fleet.call(self._device, "python.run", params)

    def first(self, device):
        return f"{device} >>> "

    def next(self, device):
        return " " * len(device) + " ... "

    def is_complete(self, text):
        """As CPython's own prompt decides: a block ends with an empty line."""
        try:
            return codeop.compile_command(text, symbol="single") is not None
        except (SyntaxError, ValueError, OverflowError):
            return True  # the device's Python says what is wrong

    def run(self, text):
        """One block; its exit status."""
        params = {"code": text, "session": self._session, "inside": self.inside}
        under_way = self._follow("python.run", params, show)
        try:
            result = under_way.result()
        except CallError as error:
            if error.code != "cancelled":
                raise
            commands.note(_cancelled(error))
            return ANSWERED_ERROR
        if result["error"] is None:
            if result["value"] is not None:
                print("\n".join(lines(result["value"])))
            return DONE
        if result["error"]["type"] == "SystemExit":
            raise _Left(_exit_status(result["error"]["message"]))
        text = result["error"]["traceback"] or result["error"]["message"]
        for line in lines(text.rstrip()):
            print(paint(line, "red", sys.stderr), file=sys.stderr)
        return ANSWERED_ERROR

    def close(self):
        with contextlib.suppress(FleetError):
            self._fleet.call(self._device, "python.end", {"session": self._session}, timeout=2)


def _exit_status(text):
    """Of `sys.exit(text)`, as CPython has it."""
    if text in ("", "None"):
        return DONE
    if text.lstrip("-").isdigit():
        return int(text) & 0xFF
    commands.note(text)
    return ANSWERED_ERROR


def _cancelled(error):
    kept = isinstance(error.data, dict) and error.data.get("session_kept")
    return "KeyboardInterrupt" if kept else "ended; its variables are gone"


class _Shell(_Prompt):
    """Lines for the device's shell; each is a shell of its own, in the folder of the last."""

    kind = "sh"

    def __init__(self, fleet, names):
        super().__init__(fleet, names)
        self._token = secrets.token_hex(8)
        self._folder = ""
        self.greeting = f"sh on {names.device}; each line is a shell of its own, the folder stays"
        self.run("true")

    def first(self, device):
        return f"{device}:{printable(self._folder)}$ "

    def next(self, device):
        return "> "

    def run(self, text):
        """One line; its exit status."""
        words = [_LINE, self._folder or ".", text, self._token]
        params = {"arguments": words, "shell": True}
        under_way = self._follow("shell.run", params, self._show)
        return status_of(under_way)

    def _show(self, under_way):
        mark = b"\0" + self._token.encode() + b"\0"
        held = b""
        for kind, data in under_way.pieces():
            if kind != OUT:
                sys.stderr.buffer.write(data)
                sys.stderr.buffer.flush()
                continue
            held += data
            at = held.find(b"\0")
            if at < 0 or held[at : at + len(mark)] != mark[: len(held) - at]:
                at = len(held)  # no beginning of the mark: all of it is output
            sys.stdout.buffer.write(held[:at])
            sys.stdout.buffer.flush()
            held = held[at:]
        if held.startswith(mark):
            self._folder = held[len(mark) :].decode(errors="replace")
        else:
            sys.stdout.buffer.write(held)
            sys.stdout.buffer.flush()
