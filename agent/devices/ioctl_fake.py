"""Devices that are not there: a transport over drivers written in Python, for any machine.

It ships, so that users can try commands and test their own code without hardware. A driver has
`opened(writable)`, `ioctl(number, buffer) -> int`, `read(size)`, `write(data)`, `closed()`, and
refuses by OSError(errno), as a kernel would. The contract is that of `ioctl`.
"""

from agent.devices import codes, faults, layout, requests
from agent.devices.ioctl import Device

ENOENT, EBADF, EBUSY, ENODEV, ENOTTY, EINVAL = 2, 9, 16, 19, 25, 22


class Driver:
    """A driver by its answers: `answers` has for each request's name what takes the argument.

    That is a dict, or a number where the request has one; what is returned is packed, None leaves
    the argument as it was. A number outside `answers` gets ENOTTY, or EINVAL for the own `kind`.
    """

    kind = None
    at = None  # at(address) -> what lies there; the transport's to set

    def __init__(self, target):
        self.target = target
        self.answers = {}

    def opened(self, writable):
        """Any number of users."""

    def closed(self):
        """Nothing is kept for a user."""

    def read(self, size):
        """Nothing is there, ever."""

    def write(self, data):
        """Nothing takes bytes."""
        raise faults.os_error(EINVAL)

    def ioctl(self, number, buffer):
        """Answer, or refuse as a kernel does."""
        request = requests.look_up(number, self.target)
        answer = self.answers.get(request.name if request else None)
        if answer is None:
            kind = codes.take_apart(self.target[0], number).kind
            raise faults.os_error(EINVAL if kind == self.kind else ENOTTY)
        abi = self.target[1]
        argument = request.argument
        if argument is None:
            answer(buffer)
            return 0
        members = argument if isinstance(argument, tuple) else layout.single(argument)
        words = layout.unpack(members, buffer, abi)
        told = answer(words if members is argument else words["value"])
        if told is not None:
            buffer[:] = layout.pack(members, told if members is argument else {"value": told}, abi)
        return 0


class FakeTransport:
    """`drivers` by path; `target` may be another machine's than the running one."""

    def __init__(self, drivers, target):
        self.target = target
        self._drivers = dict(drivers)
        self.open_files = 0
        self._memory = {}  # address: the bytearray that lies there
        for driver in self._drivers.values():
            driver.at = self._memory.get

    def files(self, start):
        """The paths that begin so, sorted."""
        return sorted([path for path in self._drivers if path.startswith(start)])

    def open(self, path, writable=False):
        """Open a fake device. Raises DeviceError."""
        try:
            if path not in self._drivers:
                raise faults.os_error(ENOENT)
            self._drivers[path].opened(writable)
        except OSError as error:
            raise faults.from_os(error, path, "open")
        self.open_files += 1
        return Device(path, FakeFile(self, path, writable), _ioctl, self.target)

    def adopt(self, descriptor, path):
        """The Device of a descriptor that a fake chip gave."""
        self.open_files += 1
        lines = self._drivers[path].made.pop(descriptor)
        return Device(path, Adopted(self, lines), _ioctl, self.target)

    def address_of(self, buffer):
        """An address that the drivers understand, until the last file is closed."""
        address = 0x1000 * (len(self._memory) + 1)
        self._memory[address] = buffer
        return address

    def note_closed(self):
        """A file was closed."""
        self.open_files -= 1
        if not self.open_files:
            self._memory.clear()

    def vanish(self, path):
        """Pull the plug: every open file of it answers ENODEV from now on."""
        del self._drivers[path]

    def driver(self, path):
        """The driver behind an open file. Raises OSError once the device is gone."""
        if path not in self._drivers:
            raise faults.os_error(ENODEV)
        return self._drivers[path]


class FakeFile:
    """What a raw file is to a real transport."""

    def __init__(self, transport, path, writable):
        self._transport = transport
        self._path = path
        self._writable = writable

    def ioctl(self, number, buffer):
        """Ask the driver."""
        return self._transport.driver(self._path).ioctl(number, buffer)

    def read(self, size):
        """Read from the driver."""
        return self._transport.driver(self._path).read(size)

    def write(self, data):
        """Write to the driver, where the file was opened for that."""
        if not self._writable:
            raise faults.os_error(EBADF)
        return self._transport.driver(self._path).write(data)

    def close(self):
        """Tell the driver, where there still is one."""
        self._transport.note_closed()
        try:
            driver = self._transport.driver(self._path)
        except OSError:
            return
        driver.closed()


class Adopted:
    """A raw file over `driver` itself."""

    def __init__(self, transport, driver):
        self._transport = transport
        self._driver = driver
        self.ioctl = driver.ioctl
        self.read = driver.read
        self.write = driver.write

    def close(self):
        """Tell the driver."""
        self._transport.note_closed()
        self._driver.close()


def _ioctl(file, number, buffer):
    return file.ioctl(number, buffer)
