"""What a MicroPython of unix runs first to be a board; see pty_board.py.

micropython -i pty_board_start.py FOLDER cold|soft
"""

import os as host
import sys
import time

import machine
import vfs

FLASH, BLOCK = "flash.img", 4096  # the file that is a board's flash
WATCHDOG = "watchdog"  # the file that holds when it runs out
watchdog = None


class Flash:
    """A block device in a file, as a board's flash is: each block is written at once."""

    def __init__(self, path):
        self.file = open(path, "r+b")
        self.size = self.file.seek(0, 2)

    def readblocks(self, block, data, offset=0):
        """Read."""
        self.file.seek(block * BLOCK + offset)
        self.file.readinto(data)

    def writeblocks(self, block, data, offset=None):
        """Write, in place where there is an offset."""
        self.file.seek(block * BLOCK + (offset or 0))
        self.file.write(data)  # not buffered

    def ioctl(self, operation, argument):
        """Number of blocks, size of one, erasing."""
        return {4: self.size // BLOCK, 5: BLOCK}.get(operation, 0)


class Machine:
    """The module, with what a board has and this one lacks."""

    def __getattr__(self, name):
        return getattr(machine, name)

    class WDT:
        """A timer that cannot be stopped: pty_board.py resets the board when it runs out."""

        def __init__(self, id=0, timeout=5000):
            self.timeout_s = timeout / 1000
            self.feed()

        def feed(self):
            """Begin anew."""
            watchdog.seek(0)
            watchdog.write(b"%20.3f" % (time.time() + self.timeout_s))

    def reset(self):
        """The power-on reset: nothing of the interpreter is left."""
        host.system("kill -9 $PPID")


class Os:
    """The module likewise."""

    def __getattr__(self, name):
        return getattr(host, name)

    def sync(self):
        """As boards have it; here every block is written at once."""


def open_medium(folder):
    """The file system."""
    flash = Flash(folder + "/" + FLASH)
    try:
        return vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        return vfs.VfsLfs2(flash)


def run(path):
    """Run a file of the board's, if it is there."""
    try:
        file = open(path)
    except OSError:
        return
    text = file.read()
    file.close()
    exec(compile(text, path, "exec"), {"__name__": "__main__"})


def begin():
    """Everything that makes a board of it; nothing of the machine is in reach then."""
    global watchdog
    watchdog = open(sys.argv[1] + "/" + WATCHDOG, "r+b")
    medium = open_medium(sys.argv[1])
    vfs.umount("/")
    vfs.mount(medium, "/")
    host.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.modules["machine"] = Machine()
    sys.modules["os"] = Os()


try:
    begin()
except Exception as error:  # noqa: BLE001 - on no account may a prompt follow, on this machine's files
    sys.print_exception(error)
    host.system("kill -TERM $PPID")
for name in ("/boot.py", "/main.py")[: 1 if sys.argv[2] == "soft" else 2]:
    run(name)
