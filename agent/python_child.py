"""The other interpreter of `python.run`: runs blocks of code, one after the other, until its end.

The one rule: it has the code's variables and nothing of the agent, so that whatever the code does
ends with this process. On its standard input come blocks: a line `LENGTH TOKEN`, then as many
bytes. What the code prints goes where it prints it; when a block has ended, there comes on
standard output a NUL, the TOKEN, a NUL, and one line of JSON: {value, error}. Without a block for
IDLE_MS it ends.
"""

import json
import select
import sys

from interpreter import format_exception

IDLE_MS = 600_000
MOST_VALUE = 2000  # characters of a value's repr
MOST_TRACEBACK = 2000  # the innermost frames
NAME = "<session>"


def main():
    """Serve until standard input ends or nothing comes."""
    source = sys.stdin.buffer
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    space = new_space()
    while True:
        try:
            if not poller.poll(IDLE_MS):
                return
            head = source.readline()
            if not head:
                return
            length, token = head.split()
            code = source.read(int(length)).decode()
            words = evaluate(code, space)
            _answer(token, words)
        except KeyboardInterrupt:
            pass  # came between two blocks


def new_space():
    """The variables that a session begins with."""
    return {"__name__": "__main__", "input": _no_input}


def _no_input(*_):
    # Standard input carries the next block: what read it would wait for ever, or swallow that.
    raise EOFError("input() has nobody to ask here; limpet run -t DEVICE python3 has a terminal")


def _answer(token, words):
    data = b"\0" + token + b"\0" + json.dumps(words).encode() + b"\n"
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
    sys.stdout.buffer.write(data)
    if hasattr(sys.stdout.buffer, "flush"):
        sys.stdout.buffer.flush()


def evaluate(code, space):
    """Run an expression or a block with the variables `space`: {value, error}, never an exception.

    `value` is the repr of an expression's value, None where there is none.
    """
    try:
        value = _run(code, space)
        words = {"value": None if value is None else repr(value)[:MOST_VALUE], "error": None}
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the answer, exit() too
        words = {"value": None, "error": _described(error)}
    return words


def _run(code, space):
    try:
        compiled = compile(code, NAME, "eval")
    except SyntaxError:
        compiled = None
    if compiled is not None:
        return eval(compiled, space)
    exec(compile(code, NAME, "exec"), space)
    return None


def _described(error):
    trace = getattr(error, "__traceback__", None)  # CPython's, which can be cut
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    if trace is not None:
        error.__traceback__ = trace
    text = format_exception(error).split("\n")
    text = "\n".join([line for line in text if "python_child.py" not in line])  # MicroPython's
    return {
        "type": type(error).__name__,
        "message": str(error)[:MOST_VALUE],
        "traceback": text[-MOST_TRACEBACK:],
    }
