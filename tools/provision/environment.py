"""Puts every command of tools/ into one virtual environment with the packages it needs.

The one rule: this module and what it imports run on a bare python3, with the standard library
alone. The environment is keyed by the Python that made it and by requirements.txt, so changing
either makes a new one and leaves the old one to those who still run in it.
"""

import glob
import hashlib
import importlib.util
import os
import shutil
import sys

from provision import Unavailable, cache, debian
from provision.steps import run, step

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REQUIREMENTS = os.path.join(TOOLS, "requirements.txt")
OLDEST_PYTHON = (3, 11)
_COMPLETE = "complete"


def enter():
    """Run the rest of this command inside the environment, making it first where it is missing.

    Returns at once when already inside; otherwise does not return: it starts the same command
    again with the environment's Python. Ends the command with a message if that cannot be.
    """
    if sys.version_info < OLDEST_PYTHON:
        wanted = OLDEST_PYTHON + (sys.version.split()[0],)
        sys.exit("limpet: needs Python %d.%d or newer, this is %s" % wanted)
    home = folder()
    if os.path.realpath(sys.prefix) == os.path.realpath(home):
        return
    _make_or_exit(home)
    interpreter = os.path.join(home, "bin", "python")
    sys.stdout.flush()
    os.execv(interpreter, [interpreter, *sys.argv])


def folder():
    """Where the environment for this Python and these requirements stands, made or not."""
    key = hashlib.sha256()
    with open(REQUIREMENTS, "rb") as file:
        key.update(file.read())
    # The version in full: after an update of Python its environment may no longer start. Both
    # parts read the same inside the environment and outside of it.
    key.update(("%s %s" % (os.path.realpath(sys.base_prefix), sys.version)).encode())
    name = "environment/python%d.%d-%s" % (sys.version_info[:2] + (key.hexdigest()[:12],))
    return cache.path(name)


def _base_python():
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def _make_or_exit(home):
    try:
        make(home, ["--requirement", REQUIREMENTS], "the environment of the tools")
    except Unavailable as error:
        sys.exit("limpet: %s" % error)
    except KeyboardInterrupt:
        sys.exit("limpet: interrupted; the next command starts the set-up again")


def make(home, packages, what):
    """Make a virtual environment at `home`, unless it is there, with what pip calls `packages`."""
    if os.path.exists(os.path.join(home, _COMPLETE)):
        return
    with cache.lock("environment"):
        if os.path.exists(os.path.join(home, _COMPLETE)):
            return
        # A virtual environment cannot be renamed: its scripts hold its path. So it is made where
        # it will stand, and counts only once the mark is there, which is written last.
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(os.path.dirname(home), exist_ok=True)
        with step("making %s in %s" % (what, home)):
            _fill(home, packages, what)
        with open(os.path.join(home, _COMPLETE), "w") as mark:
            mark.write("")


def _fill(home, packages, what):
    wheel = _pip_wheel()
    run([_base_python(), "-m", "venv", "--without-pip", home], "making " + what)
    # pip runs from inside its wheel, and installs itself on the way: quicker than ensurepip.
    pip = [os.path.join(home, "bin", "python"), os.path.join(wheel, "pip")]
    run([*pip, "install", "--quiet", "--no-input", wheel, *packages], "filling " + what)


def _pip_wheel():
    """The wheel of pip that came with this Python, or that its distribution keeps apart."""
    found = importlib.util.find_spec("ensurepip")
    if found:
        bundled = os.path.join(os.path.dirname(found.origin), "_bundled", "pip-*.whl")
        for wheel in glob.glob(bundled):
            return wheel
    try:
        return debian.pip_wheel()
    except Unavailable as error:
        raise Unavailable("this Python comes without pip (no ensurepip): %s" % error) from None
