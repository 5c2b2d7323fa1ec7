"""Devices that are not there: a transport over drivers written in Python, for any machine.

It ships, so that users can try commands and test their own code without hardware. A driver has
`opened(writable)`, `ioctl(number, buffer) -> int`, `read(size)`, `write(data)`, `closed()`, and
refuses by OSError(errno), as a kernel would. The contract is that of `ioctl`.
"""

from agent.devices import faults
from agent.devices.ioctl import Device

ENOENT, EBADF, EBUSY, ENODEV, ENOTTY, EINVAL = 2, 9, 16, 19, 25, 22


class FakeTransport:
    """`drivers` by path; `target` may be another machine's than the running one."""

    def __init__(self, drivers, target):
        self.target = target
        self._drivers = dict(drivers)
        self.open_files = 0

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
        self._transport.open_files -= 1
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
        self._transport.open_files -= 1
        self._driver.close()


def _ioctl(file, number, buffer):
    return file.ioctl(number, buffer)
