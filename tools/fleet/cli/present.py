"""How things look at a terminal: colours, tables, JSON, and text that came from elsewhere.

Rule: text from a device is never written as it came. Control characters in it, which could steer
the terminal, are written as escapes.
"""

import json
import os
import shutil
import sys
import textwrap

MAXIMUM_WIDTH = 100
_COLOURS = {"green": "32", "red": "31", "yellow": "33", "bold": "1", "dim": "2"}
STATE_COLOURS = {"online": "green", "offline": "red", "sleeping": "yellow", "unknown": "dim"}


def width() -> int:
    """Columns to write in: the terminal's, at most 100."""
    return min(shutil.get_terminal_size().columns, MAXIMUM_WIDTH)


def colours_on(stream) -> bool:
    """True for a terminal that shows colours to somebody who wants them (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text, colour, stream):
    """The text in a colour where `stream` shows them."""
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if colours_on(stream) else text


def printable(text) -> str:
    """The text on one line, with what a terminal would obey written as escapes."""
    return "".join(c if c.isprintable() else _escape(c) for c in str(text))


def lines(text) -> list[str]:
    """The same for text of several lines."""
    return [printable(line) for line in str(text).replace("\t", "    ").split("\n")]


def readable(value) -> str:
    """JSON over several lines. Valid JSON again, and harmless at a terminal. Members in
    alphabetical order: a device's own order changes from call to call."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def compact(value) -> str:
    """JSON on one line, ASCII only."""
    return json.dumps(value, separators=(",", ":"))


def aligned(rows) -> list[list[str]]:
    """The same rows, each cell padded to its column's width; the last column is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    return [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in rows]


def print_table(head, rows, place=0, colours=(), is_fitted=False):
    """Print rows of texts under their head, a line each.

    `colours` has a colour, or None, for the cell number `place` of each row. `is_fitted`: at a
    terminal the last column is shortened to what room there is.
    """
    head, *found = aligned([head, *rows])
    print(paint("  ".join(head), "bold", sys.stdout))
    if is_fitted and sys.stdout.isatty():
        for row in found:
            row[-1] = shortened(row[-1], width() - len("  ".join(row[:-1])) - 2)
    for row, colour in zip(found, colours, strict=False):
        if colour:
            row[place] = paint(row[place], colour, sys.stdout)
    for row in found:
        print("  ".join(row).rstrip())


def shortened(text, columns) -> str:
    """The text in at most so many columns (8 at least), with an ellipsis for what is cut."""
    columns = max(8, columns)
    return text if len(text) <= columns else text[: columns - 3] + "..."


def wrapped(line, stream) -> list[str]:
    """The line, broken between words where `stream` is a terminal that it does not fit."""
    if not stream.isatty() or len(line) <= width():
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(
        line, width(), subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    )


def entries(pairs, indent="  ") -> list[str]:
    """A name in front, its explanation behind, wrapped to the terminal's width."""
    column = max((len(name) for name, _ in pairs), default=0) + 2
    result = []
    for name, text in pairs:
        first, *others = textwrap.wrap(text, max(30, width() - column - len(indent))) or [""]
        result.append(f"{indent}{name.ljust(column)}{first}".rstrip())
        result += [indent + " " * column + line for line in others]
    return result


def _escape(character):
    code = ord(character)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
