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
from .run import OUTPUT_BYTES, cancelling, show, status_of

# $1: the folder, $2: the line, $3: a word that nobody else knows. Where the line leaves the shell,
# by `exit` too, its folder is told behind its output.
_LINE = (
    'cd "$1" 2>/dev/null||cd /;t=$3;trap \'s=$?;printf "\\0%s\\0%s" "$t" "$PWD";exit $s\' 0;'
    'eval "$2"'
)


def shell(fleet, names):
    """A prompt; returns the exit status."""
    commands.known(fleet, names.device)
    prompt = (_Shell if names.sh else _Python)(fleet, names)
    read = _reader(prompt, names.device) if sys.stdin.isatty() else _piped(prompt)
    status = DONE
    with contextlib.closing(prompt):
        if sys.stdin.isatty():
            commands.note(f"{prompt.greeting}; Ctrl-D leaves")
        for text in read:
            try:
                status = prompt.run(text)
            except FleetError as error:
                for line in explain(error, fleet):
                    commands.note(line)
                status = ANSWERED_ERROR
            if status and not sys.stdin.isatty():
                return status
    return DONE if sys.stdin.isatty() else status


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

    def __init__(self, fleet, names):
        super().__init__(fleet, names)
        self._session = "shell-" + secrets.token_hex(4)
        self._inside = names.inside
        self.greeting = f"Python on {names.device}"

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
        params = {"code": text, "session": self._session, "inside": self._inside}
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
        text = result["error"]["traceback"] or result["error"]["message"]
        for line in lines(text.rstrip()):
            print(paint(line, "red", sys.stderr), file=sys.stderr)
        return ANSWERED_ERROR

    def close(self):
        with contextlib.suppress(FleetError):
            self._fleet.call(self._device, "python.end", {"session": self._session}, timeout=2)


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
