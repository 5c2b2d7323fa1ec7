"""What a caller may call a file: the name of a root, then names, with a slash between.

The one rule: a path goes down only. It has no `..`, no `.`, no empty name, no control character
and no NUL, and every name is short enough for every file system. Nothing is mended: what is not
plain is refused, and the refusal says what a plain one looks like.

Pure: knows no file.
"""

from agent.errors import BadParams

MOST_PATH = 512  # characters: a request has to fit the smallest packet beside some content
MOST_NAME = 255  # bytes of UTF-8: NAME_MAX of Linux, and of FAT with long names
_FORM = "expected the name of a root and names below it, as files/log/today.txt"


def parse(path, member="path"):
    """`(root, names)` of a path; () as names for the root itself. Raises BadParams."""
    if len(path) > MOST_PATH:
        raise _refused(member, path, "at most %d characters" % MOST_PATH)
    names = path.split("/")
    if len(names) > 1 and names[-1] == "":
        names.pop()  # a folder may be written with a slash behind it
    for name in names:
        _check(member, path, name)
    return names[0], tuple(names[1:])


def _check(member, path, name):
    if name in ("", ".", ".."):
        raise _refused(member, path, _FORM)
    if len(name.encode()) > MOST_NAME:
        raise _refused(member, path, "a name has at most %d bytes" % MOST_NAME)
    if any([ord(character) < 32 or ord(character) == 127 for character in name]):
        raise _refused(member, path, "no control characters in a name")


def _refused(member, path, reason):
    shown = path if len(path) <= 60 else path[:60] + "..."
    clean = "".join([c if ord(c) >= 32 and ord(c) != 127 else "?" for c in shown])
    return BadParams('%s: "%s": %s' % (member, clean, reason))
