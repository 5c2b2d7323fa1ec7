"""Where fetched and built things are kept, and how they get there whole.

The one rule: what stands under its final name is complete. A thing is made in a folder beside it
and renamed when done, under a lock of its own, so that an interrupted command leaves nothing half
made and two commands that want the same thing make it once.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager

from provision import Unavailable
from provision.steps import say


def folder():
    """The folder: `$LIMPET_CACHE`, else `$XDG_CACHE_HOME/limpet`, else `~/.cache/limpet`."""
    explicit = os.environ.get("LIMPET_CACHE")
    if explicit:
        return os.path.abspath(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(os.path.abspath(base), "limpet")


def path(name):
    """Where the thing called `name` (it may hold slashes) stands once it has been made."""
    return os.path.join(folder(), name)


@contextmanager
def lock(name):
    """Hold the lock called `name` against every other command on this machine.

    The kernel lets go of it when its holder dies, so no stale lock can remain.
    """
    target = path("locks/%s" % name.replace("/", "+"))
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        handle = open(target, "w")
    except OSError as error:
        raise Unavailable(
            "cannot write to the cache %s (%s); set LIMPET_CACHE to a folder of yours"
            % (folder(), error.strerror)
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another command that is getting %s" % name)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made(name, make):
    """The path of the folder `name`, made by `make(temporary_folder)` when it is missing."""
    final = path(name)
    if os.path.isdir(final):
        return final
    with lock(name):
        if not os.path.isdir(final):
            _make(final, make)
    return final


def _make(final, make):
    parent, base = os.path.split(final)
    os.makedirs(parent, exist_ok=True)
    prefix = ".%s." % base
    for name in os.listdir(parent):
        # Left by a command that was cut off: we hold the lock, so nobody is at work in it.
        if name.startswith(prefix):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
    temporary = tempfile.mkdtemp(prefix=prefix, dir=parent)
    try:
        make(temporary)
        os.chmod(temporary, 0o755)
        os.rename(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
