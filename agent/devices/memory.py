"""Physical memory and I/O ports, where a driver has none: one access of an exact width at a time.

Contract: an access is aligned, 1, 2, 4 or 8 bytes wide (ports of /dev/port: 1), below the end of
the space, or raises before anything is opened. `store` and `modify` return what stood there first.
What lies there is the caller's to know: a wrong address may stop the machine.
"""

from agent.devices import faults, ports
from agent.devices.pci import BadAccess

PHYSICAL, PORTS = "physical", "ports"
# path, widths, first address after the last
SPACES = {
    PHYSICAL: ("/dev/mem", (1, 2, 4, 8), 1 << 48),
    PORTS: ("/dev/port", (1,), 0x10000),
}
_PAGE = 4096


def make(use):
    """The memory of this machine."""
    return Memory(use("window"), ports)


def check_access(space, address, width, *values):
    """Raise BadAccess for what cannot be one access, or a value that does not fit it."""
    _, widths, end = SPACES[space]
    if width not in widths:
        have = ", ".join([str(each) for each in widths])
        raise BadAccess("%s: expected a width of %s bytes, got %d" % (space, have, width))
    if not 0 <= address <= end - width:
        raise BadAccess("%s: address 0x%x: expected 0 to 0x%x" % (space, address, end - width))
    if address % width:
        raise BadAccess("%s: address 0x%x is not aligned to %d bytes" % (space, address, width))
    for value in values:
        if not 0 <= value < 1 << 8 * width:
            raise BadAccess("%s: value 0x%x does not fit %d bytes" % (space, value, width))


class Memory:
    """Over the modules that open windows: of memory, and of ports."""

    def __init__(self, windows, ports):
        self._modules = {PHYSICAL: windows, PORTS: ports}

    def load(self, space, address, width):
        """One read. Raises BadAccess, DeviceError."""
        check_access(space, address, width)
        return self._use(space, address, False, lambda window, at: window.load(at, width))

    def store(self, space, address, width, value):
        """One write; returns what stood there."""
        before, _ = self.modify(space, address, width, (1 << 8 * width) - 1, value)
        return before

    def modify(self, space, address, width, mask, value):
        """Write the bits of `value` that are in `mask`, leave the others; (old, new)."""
        check_access(space, address, width, mask, value)

        def change(window, at):
            before = window.load(at, width)
            after = before & ~mask | value & mask
            window.store(at, width, after)
            return before, after

        return self._use(space, address, True, change)

    def _use(self, space, address, writable, use):
        path = SPACES[space][0]
        start = address - address % _PAGE if space == PHYSICAL else 0
        doing = "reach 0x%x" % address
        try:
            window = self._modules[space].open_window(path, _PAGE, writable, start)
            try:
                return use(window, address - start)
            finally:
                window.close()
        except (OSError, OverflowError) as error:
            if not isinstance(error, OSError):
                error = OSError(22, "EINVAL")
            raise faults.from_os(error, path, doing)
