"""PCI functions of this machine, from /sys/bus/pci/devices, with no external program.

The one rule: the slot address names a function, so that two equal boards are told apart; what the
arguments say is checked against the function's own header before a window is opened. `root` is
sysfs, or in a test a folder that looks like it; `windows` is a `window_*` module. Whoever changes
a register holds a lock on the function meanwhile, which keeps out whoever asks for it likewise.
"""

import os

from agent.devices import faults, pci, ports

ROOT = "/sys/bus/pci/devices"
_DIGITS = "0123456789abcdef"


def make(use):
    """The functions of this machine."""
    return Functions(use("window"))


class Functions:
    """What is on the bus."""

    def __init__(self, windows, root=ROOT):
        self._windows = windows
        self._root = root

    def slots(self):
        """The address of every function, 0000:00:1f.2, sorted. Raises DeviceError."""
        try:
            return sorted(os.listdir(self._root))
        except OSError as error:
            raise faults.from_os(error, self._root, "list")

    def header(self, slot):
        """The header of one function, with its slot and BARs. Raises DeviceError."""
        config = self._read(slot, "config", 256)
        try:
            told = pci.parse_header(config)
            bars = pci.parse_bars(self._read(slot, "resource", 4096).decode())
        except ValueError as error:
            raise faults.refusal(self._path(slot, "config"), str(error), "failed")
        told["slot"] = slot
        told["bars"] = bars
        return told

    def load(self, slot, number, offset, width):
        """One read of `width` bytes from BAR `number`. Raises BadAccess, DeviceError."""
        bar = self.check(slot, number, offset, width)
        return self._with_window(slot, bar, False, lambda w, skip: w.load(skip + offset, width))

    def store(self, slot, number, offset, width, value):
        """One write; returns what stood there before. Raises BadAccess, DeviceError."""
        bar = self.check(slot, number, offset, width)
        if not 0 <= value < 1 << 8 * width:
            text = "value 0x%x does not fit %d bytes" % (value, width)
            raise pci.BadAccess(text)

        def exchange(window, skip):
            before = window.load(skip + offset, width)
            window.store(skip + offset, width, value)
            return before

        return self._with_window(slot, bar, True, exchange)

    def modify(self, slot, number, offset, width, mask, value):
        """Write the bits of `value` that are in `mask`, leave the others; returns (old, new)."""
        bar = self.check(slot, number, offset, width)
        if not (0 <= mask < 1 << 8 * width and 0 <= value < 1 << 8 * width):
            raise pci.BadAccess("mask or value does not fit %d bytes" % width)

        def change(window, skip):
            before = window.load(skip + offset, width)
            after = before & ~mask | value & mask
            window.store(skip + offset, width, after)
            return before, after

        return self._with_window(slot, bar, True, change)

    def check(self, slot, number, offset, width):
        """The Bar that such an access is to. Raises BadAccess, DeviceError; touches nothing."""
        told = self.header(slot)
        for bar in told["bars"]:
            if bar.number == number:
                pci.check_access(bar, offset, width, told["command"])
                return bar
        have = ", ".join([str(bar.number) for bar in told["bars"]]) or "none"
        raise pci.BadAccess("%s has no BAR %d; it has %s" % (slot, number, have))

    def _with_window(self, slot, bar, writable, use):
        path = self._path(slot, "resource%d" % bar.number)
        is_io = bar.kind == "io"
        skip = 0 if is_io else bar.address % 4096  # a mapping begins at a page
        lock = self._lock(slot) if writable else None
        try:
            window = (ports if is_io else self._windows).open_window(
                path, skip + bar.size, writable
            )
            try:
                return use(window, skip)
            finally:
                window.close()
        except OSError as error:
            raise faults.from_os(error, path, "access")
        finally:
            if lock is not None:
                lock.close()

    def _lock(self, slot):
        """The function's open file, locked against other processes. Raises DeviceError: busy."""
        path = self._path(slot, "config")
        try:
            import fcntl
        except ImportError:
            return None  # nothing here can lock
        file = None
        try:
            file = open(path, "rb")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if file is not None:
                file.close()
            raise faults.from_os(error, path, "lock")
        return file

    def _read(self, slot, name, size):
        path = self._path(slot, name)
        try:
            with open(path, "rb") as file:
                return file.read(size)
        except OSError as error:
            raise faults.from_os(error, path, "read")

    def _path(self, slot, name):
        # Checked, since it becomes part of a path.
        places = (4, 7, 10)
        shape = "::."
        if len(slot) != 12 or any(slot[places[i]] != shape[i] for i in range(3)):
            raise faults.refusal(slot, "expected a slot like 0000:00:1f.2")
        if any(c not in _DIGITS for i, c in enumerate(slot) if i not in places):
            raise faults.refusal(slot, "expected a slot like 0000:00:1f.2")
        return "%s/%s/%s" % (self._root, slot, name)
