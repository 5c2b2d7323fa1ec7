"""Devices as files that take requests: open, ask, tell, read, write, close.

The contract that `ioctl_fake` and `ioctl_recorded` keep too: a transport has `target`, the
(codes.Layout, layout.Abi) of its machine, `open(path, writable) -> Device`, and
`adopt(descriptor, path) -> Device` for what a request gave. A Device must:
name path, request and errno in every error (faults.DeviceError); give None from `read` where
nothing is there yet; stand a second `close`. It may wait as long as the driver does. The one rule:
what is no device file is never opened, since a FIFO would wait for ever.
"""

import os

from interpreter import describe

from agent.devices import codes, faults, layout, requests
from agent.devices.listing import device_files

RETRIES = (
    8  # of a harmless request that signals interrupt: the collector sends them on MicroPython
)

_KIND_MASK = 0xF000  # S_IFMT of linux/stat.h
_KINDS = {
    0x1000: "a FIFO",
    0x4000: "a folder",
    0x8000: "a regular file",
    0xA000: "a symbolic link",
    0xC000: "a socket",
}
_DEVICES = (0x2000, 0x6000)  # of characters, of blocks


def this_machine():
    """The target of the running interpreter."""
    machine = describe()["machine"].split(" ")[-1]
    return codes.layout_of(machine), layout.native()


def make(use):
    """The transport over this runtime's way of opening files."""
    return Transport(use("file"))


class Transport:
    """Real devices. `raw` is the module of capability `file`."""

    def __init__(self, raw):
        self.target = this_machine()
        self.address_of = raw.address_of  # of a bytearray, which is to be kept meanwhile
        self._raw = raw

    def files(self, start):
        """The device files whose paths begin so, sorted."""
        return device_files(start)

    def open(self, path, writable=False):
        """Open a device file. Raises DeviceError."""
        import fcntl  # here: where it is missing, the reason is the caller's to tell

        check_is_device(path)
        try:
            file = self._raw.open_raw(path, writable)
        except OSError as error:
            raise faults.from_os(error, path, "open")
        return Device(path, file, fcntl.ioctl, self.target)

    def adopt(self, descriptor, path):
        """The Device of a descriptor that a request gave, as GPIO_V2_GET_LINE does."""
        import fcntl

        return Device(path, self._raw.wrap(descriptor), fcntl.ioctl, self.target)


def check_is_device(path):
    """Raise DeviceError unless `path` is a device file."""
    try:
        kind = os.stat(path)[0] & _KIND_MASK
    except OSError as error:
        raise faults.from_os(error, path, "open")
    if kind not in _DEVICES:
        raise faults.refusal(path, "not a device but %s" % _KINDS.get(kind, "something else"))


class Device:
    """One open device. `ioctl(file, number, argument) -> int` does the call."""

    def __init__(self, path, file, ioctl, target):
        self.path = path
        self.target = target
        self._file = file
        self._ioctl = ioctl

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Give the device back; a second time does nothing."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise faults.from_os(error, self.path, "close")

    @property
    def pollable(self):
        """The descriptor, for `select.poll().register`. Raises DeviceError once closed."""
        return self._open_file().fileno()

    def ask(self, name, size=None, index=0):
        """What the driver answers to a request that reads: a dict, an int, or bytes.

        Bytes where the caller chooses the size: as many as the driver filled.
        """
        request = requests.find(name)
        number = self._code(request, size, index)
        argument = request.argument
        if argument == requests.CALLER_SIZE:
            buffer = bytearray(size)
            filled = self.call(number, buffer)
            return bytes(buffer[:filled] if 0 < filled <= size else buffer)
        buffer = bytearray(layout.size_of(argument, self.target[1]))
        self.call(number, buffer)
        return self._decode(argument, buffer)

    def tell(self, name, value, only=None):
        """Send a request with an argument; returns the argument as the driver left it.

        `only` names the one member that is wanted back, where there are many. One that takes a
        number by value, as I2C_SLAVE does, returns the call's own number.
        """
        request = requests.find(name)
        argument = request.argument
        if argument is None:
            return self.call(self._code(request, None, 0), value)
        declaration = argument if isinstance(argument, tuple) else layout.single(argument)
        values = value if isinstance(argument, tuple) else {"value": value}
        try:
            buffer = layout.pack(declaration, values, self.target[1])
        except ValueError as error:
            raise faults.refusal(self.path, "%s: %s" % (name, error))
        self.call(self._code(request, None, 0), buffer)
        return self._decode(argument, buffer, only)

    def call(self, number, argument):
        """Send a request by number, with a bytearray or an int; returns the call's own number."""
        file = self._open_file()
        tries = RETRIES
        while True:
            tries -= 1
            try:
                return self._ioctl(file, number, argument)
            except OSError as error:
                if error.errno != faults.EINTR or tries <= 0 or not self._asks(number):
                    raise self._error(error, number)

    def _asks(self, number):
        """Whether a request changes nothing, so that it may be sent again."""
        known = requests.look_up(number, self.target)
        return known is not None and known.effect == "read"

    def read(self, size):
        """At most `size` bytes; b'' at the end, None where nothing is there yet."""
        file = self._open_file()
        try:
            return file.read(size)
        except OSError as error:
            if error.errno == faults.EAGAIN:
                return None
            raise faults.from_os(error, self.path, "read %d bytes" % size)

    def write(self, data):
        """Write `data` as one block; returns the bytes taken, None where none could be yet."""
        file = self._open_file()
        try:
            return file.write(data)
        except OSError as error:
            if error.errno == faults.EAGAIN:
                return None
            raise faults.from_os(error, self.path, "write %d bytes" % len(data))

    def _open_file(self):
        if self._file is None:
            raise faults.refusal(self.path, "closed", "failed")
        return self._file

    def _code(self, request, size, index):
        try:
            return requests.code_of(request, self.target, size, index)
        except ValueError as error:
            raise faults.refusal(self.path, str(error))

    def _decode(self, argument, buffer, only=None):
        if isinstance(argument, tuple):
            return layout.unpack(argument, buffer, self.target[1], only)
        return layout.unpack(layout.single(argument), buffer, self.target[1])["value"]

    def _error(self, error, number):
        doing = "ioctl %s" % requests.sentence(number, self.target)
        return faults.from_os(error, self.path, doing, requests.describe(number, self.target))
