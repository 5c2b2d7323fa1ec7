"""What is there of a kind: device files by how their paths begin, and what each tells of itself.

The one rule: one that cannot tell is listed with its error, and does not hide the others.
"""

import os

from agent.devices.faults import DeviceError


def device_files(start):
    """The paths that begin with `start`, sorted; [] where there is no such folder."""
    folder, name = start.rsplit("/", 1)
    try:
        found = [each for each in os.listdir(folder) if each.startswith(name)]
    except OSError:
        return []  # no folder: no device
    return ["%s/%s" % (folder, each) for each in sorted(found)]


def survey(paths, describe):
    """A list of what `describe(path)` tells of each, with its path; or of its error."""
    found = []
    for path in paths:
        try:
            words = describe(path)
        except DeviceError as error:
            words = {"error": error.message}
        words["path"] = path
        found.append(words)
    return found


def ask_all(transport, start, describe, alone=""):
    """The survey of device files, or one `alone`, each open while `describe(device)` asks it."""

    def ask(path):
        with transport.open(path) as device:
            return describe(device)

    return survey([path for path in transport.files(start) if alone in ("", path)], ask)
