"""Who works in a folder, where the system has no file locks: a marker for each process, by Linux.

The one rule: a marker counts for as long as its process lives, so nothing needs to be cleared at
an end. A process is known by its number, when it began, and the boot it began in: numbers come
again, and after a reboot often at the same moment.

Each process writes its own marker first and looks for others then; of two that come at the same
moment none can miss the other, and at worst both give way.
"""

import os

from interpreter import list_folder

PREFIX = "lock."
TICKS_APART = 100  # a second: an emulator tells a process of its start otherwise than the others


def _read(path):
    with open(path) as file:
        return file.read()


def _began(pid):
    """When the process `pid` ("self" for this one) began, in ticks since the boot, and its number.

    None for one that is not there, or has ended and waits only for somebody to notice.
    """
    try:
        words = _read("/proc/%s/stat" % pid)
    except (OSError, UnicodeError):
        return None
    head, tail = words.split(" (", 1)[0], words.rsplit(") ", 1)[-1].split()
    return None if tail[0] in "ZX" else (int(tail[19]), int(head))


def _is_alive(folder, name, boot):
    """Whether the process that wrote the marker `name` lives."""
    try:
        its_boot, ticks = _read(folder + name).split()
        began = _began(int(name[len(PREFIX) :]))
        return its_boot == boot and began is not None and abs(began[0] - int(ticks)) < TICKS_APART
    except (OSError, ValueError):  # gone meanwhile, torn by a power cut, or no marker
        return False


def claim(folder):
    """Leave this process's marker in `folder`, and clear those of ended ones.

    Returns whether the folder is free; if it is not, this process's marker is gone again. True
    where processes cannot be told apart: there is no /proc, or the folder takes no file.
    """
    folder = folder.rstrip("/") + "/"
    own = _began("self")
    try:
        boot = _read("/proc/sys/kernel/random/boot_id").strip()
        name = PREFIX + "%d" % own[1]
        with open(folder + name, "w") as file:
            file.write("%s %d" % (boot, own[0]))
        others = [other for other, _ in list_folder(folder) if other and other != name]
    except (OSError, TypeError):
        return True
    for other in others:
        if other.startswith(PREFIX):
            if _is_alive(folder, other, boot):
                os.remove(folder + name)
                return False
            try:
                os.remove(folder + other)
            except OSError:
                pass  # another that starts now was faster
    return True
