"""What the file system refuses, as an error with a word for the wire.

The one rule: every OSError of a file leaves this package as a FileFault that names the path as the
caller wrote it. Numbers are Linux's, since MicroPython's `errno` has 22.
"""

from agent.errors import LimpetError

NOT_FOUND, EXISTS, NO_SPACE = 2, 17, 28

_WORDS = {
    1: ("denied", "not permitted"),
    2: ("not-found", "there is no such file or folder"),
    5: ("failed", "input or output failed"),
    13: ("denied", "the agent's user may not"),
    16: ("busy", "in use"),
    17: ("exists", "it exists already"),
    18: ("failed", "on another file system: copy it there"),
    20: ("not-found", "a file, or a link, stands where a folder should be"),
    21: ("not-a-file", "a folder"),
    22: ("failed", "the file system does not take this"),
    24: ("failed", "too many open files"),
    26: ("busy", "a program that runs"),
    27: ("no-space", "larger than the file system allows"),
    28: ("no-space", "no space is left"),
    30: ("denied", "the file system is read-only"),
    36: ("bad-params", "the name is too long for the file system"),
    39: ("not-empty", "the folder is not empty"),
    40: ("denied", "a link: links are not followed"),
    122: ("no-space", "the quota is used up"),
}


class FileFault(LimpetError):
    """A file that could not be used as asked; `code` says why in a word."""

    def __init__(self, code, message, data=None):
        super().__init__(message, data)
        self.code = code


def fault(path, error):
    """The FileFault for an OSError, or for an error that is one already."""
    if isinstance(error, LimpetError):
        return error
    number = error.errno or 0
    code, words = _WORDS.get(number, ("failed", "error %d" % number))
    return FileFault(code, "%s: %s" % (path, words), {"errno": number})
