"""Writes the small shell script by which an interpreter is started under one path."""

import os
import shlex

NAME = "micropython"


def write_launcher(folder, command):
    """Make `folder`/micropython, which becomes `command` with the caller's arguments behind it."""
    path = os.path.join(folder, NAME)
    words = " ".join(shlex.quote(word) for word in command)
    with open(path, "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nexec %s "$@"\n' % words)
    os.chmod(path, 0o755)
