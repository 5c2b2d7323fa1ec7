"""Unpacks a MicroPython out of Debian's packages, for this machine or under an emulator.

The one rule: the interpreter runs with the C library of its own suite, started by that library's
own loader, so it works beside whatever the system has. No root is needed.
"""

import glob
import os
import shutil

from provision import Unavailable, cache, debian
from provision.launcher import write_launcher
from provision.steps import step


def unpack(source, target, final):
    """Unpack what `source` describes into `target`, to be used as `final`; returns what it is."""
    suite, architecture = source["suite"], source.get("architecture")
    archive = debian.Archive(suite, architecture)
    version = archive.version(source["package"], source["allowed"], source["recorded"])
    pinned = "%s=%s" % (source["package"], version)
    where = "Debian %s%s" % (suite, " " + architecture if architecture else "")
    wanted = source.get("emulator")
    runner = emulator(wanted["package"], wanted["program"]) if wanted else []
    with step("fetching %s from %s" % (pinned, where)):
        archive.unpack([pinned], target)
    shutil.rmtree(os.path.join(target, "usr/share"), ignore_errors=True)
    write_launcher(target, runner + _command(target, final))
    return "%s %s" % (where, pinned)


def _command(target, final):
    """The command line that starts the unpacked interpreter through its own loader."""
    loaders = glob.glob(os.path.join(target, "usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise Unavailable("the unpacked packages hold no loader of shared libraries")
    loader = os.path.join(final, os.path.relpath(loaders[0], target))
    # --argv0: so that sys.executable is the launcher, which can be started again.
    return [
        loader, "--inhibit-cache", "--library-path", os.path.dirname(loader),
        "--argv0", os.path.join(final, "micropython"), os.path.join(final, "usr/bin/micropython"),
    ]  # fmt: skip


def emulator(package, program):
    """The words that start `program` of the Debian package `package`, got if it is missing."""
    return [shutil.which(program) or _unpacked_emulator(package, program)]


def _unpacked_emulator(package, program):
    def unpack_program(target):
        with step("fetching %s from the system's package sources" % package):
            whole = os.path.join(target, "whole")
            os.mkdir(whole)
            debian.Archive().unpack([package], whole)
        # The package holds an emulator for each architecture, 20 times what is used.
        shutil.move(os.path.join(whole, "usr/bin", program), os.path.join(target, program))
        shutil.rmtree(whole)

    return os.path.join(cache.made("debian/" + program, unpack_program), program)
