"""package.json, by which `mip` installs the agent: what is in it, and how it is written anew.

    python3 tools/flashing/package.py > package.json       from the root of the tree

The one rule: it names every module that a board can run, by its place in this tree.
"""

import fnmatch
import json
import os
import sys

FOLDERS = ("agent", "compat")
ALSO = (["limpet_start.py", "firmware/limpet_start.py"],)


def text(root):
    """The file, for the tree at `root`."""
    with open(os.path.join(root, "firmware/boards/boards.json"), encoding="utf-8") as file:
        left_out = json.load(file)["left_out"]
    found = []
    for name in FOLDERS:
        for folder, inner, files in os.walk(os.path.join(root, name)):
            inner[:] = [one for one in inner if not one.startswith((".", "__"))]
            found += [os.path.relpath(os.path.join(folder, file), root) for file in files]
    found = [path.replace(os.sep, "/") for path in found if path.endswith(".py")]
    found = [one for one in found if not any(fnmatch.fnmatch(one, two) for two in left_out)]
    urls = [[path, path] for path in sorted(found)] + list(ALSO)
    lines = ",\n".join("    " + json.dumps(pair) for pair in urls)
    return '{\n  "version": "%s",\n  "urls": [\n%s\n  ]\n}\n' % (_version(root), lines)


def _version(root):
    with open(os.path.join(root, "agent/__init__.py"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("VERSION"):
                return line.split('"')[1]
    raise LookupError("agent/__init__.py names no VERSION")


if __name__ == "__main__":
    sys.stdout.write(text(os.getcwd()))
