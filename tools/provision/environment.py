"""Puts every command of tools/ into one virtual environment with the packages it needs.

The one rule: this module and what it imports run on a bare python3, with the standard library
alone. The environment is keyed by the Python that made it and by requirements.txt, so changing
either makes a new one and leaves the old one to those who still run in it.
"""

import hashlib
import importlib.util
import os
import shutil
import sys

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
    from provision import cache

    key = hashlib.sha256()
    with open(REQUIREMENTS, "rb") as file:
        key.update(file.read())
    # The version in full: a distribution's update of Python leaves a virtual environment behind
    # that may no longer start.
    # Both read the same inside the environment and outside of it.
    key.update(("%s %s" % (os.path.realpath(sys.base_prefix), sys.version)).encode())
    name = "environment/python%d.%d-%s" % (sys.version_info[:2] + (key.hexdigest()[:12],))
    return cache.path(name)


def ensure_packages(packages, why="this command"):
    """See `provision.system.ensure_packages`: here so that a command needs this one import."""
    from provision import system

    system.ensure_packages(packages, why)


def _base_python():
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def _make_or_exit(home):
    from provision import Unavailable

    try:
        make(home, ["--requirement", REQUIREMENTS], "the environment of the tools")
    except Unavailable as error:
        sys.exit("limpet: %s" % error)
    except KeyboardInterrupt:
        sys.exit("limpet: interrupted; the next command starts the set-up again")


def make(home, packages, what):
    """Make a virtual environment at `home`, unless it is there, with what pip calls `packages`."""
    from provision import cache
    from provision.steps import run, step

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
            pip = _create(home)
            run([*pip, "install", "--quiet", "--no-input", *packages], "filling " + what)
        with open(os.path.join(home, _COMPLETE), "w") as mark:
            mark.write("")


def _create(home):
    """Create the bare virtual environment; returns the command line of a pip that fills it."""
    from provision.steps import run

    why = "making a virtual environment"
    inside = os.path.join(home, "bin", "python")
    if importlib.util.find_spec("ensurepip"):
        run([_base_python(), "-m", "venv", home], why)
        return [inside, "-m", "pip"]
    # Debian keeps pip apart from Python; its wheel can be used from where it was unpacked.
    from provision import debian

    wheel = debian.pip_wheel()
    run([_base_python(), "-m", "venv", "--without-pip", home], why)
    pip = [inside, os.path.join(wheel, "pip")]
    run([*pip, "install", "--quiet", "--no-index", wheel], why)
    return pip
