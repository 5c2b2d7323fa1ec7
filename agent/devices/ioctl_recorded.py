"""What a real device said, written down, and played back where there is none.

A recording is a list of (path, what, detail, answer) in JSON's own kinds, so that it can be kept
beside a test. The one rule: playing back raises at the first thing asked that was not recorded
next. The contract is that of `ioctl`.
"""

from binascii import hexlify, unhexlify

from agent.devices import faults
from agent.devices.ioctl import Device


class Recorder:
    """A transport that passes everything on to `transport`, and keeps it in `calls`."""

    def __init__(self, transport):
        self.target = transport.target
        self.calls = []
        self._transport = transport

    def open(self, path, writable=False):
        """Open as the real transport does."""
        device = self._transport.open(path, writable)
        return Device(path, _Heard(self.calls, path, device), _heard_ioctl, self.target)


class _Heard:
    def __init__(self, calls, path, device):
        self._calls = calls
        self._path = path
        self.device = device

    def note(self, what, detail, call):
        """Make a call, and write down what it gave."""
        try:
            answer = call()
        except faults.DeviceError as error:
            self._calls.append((self._path, what, detail, {"errno": error.errno}))
            raise faults.os_error(error.errno)
        self._calls.append((self._path, what, detail, answer))
        return answer

    def ioctl(self, number, buffer):
        """Ask the device; what it wrote into the buffer is part of the answer."""
        before = _hex(buffer)

        def call():
            status = self.device.call(number, buffer)
            return {"status": status, "after": _hex(buffer)}

        return self.note("ioctl", [number, before], call)["status"]

    def read(self, size):
        """Read from the device."""
        return _bytes(self.note("read", size, lambda: _hex(self.device.read(size))))

    def write(self, data):
        """Write to the device."""
        return self.note("write", _hex(data), lambda: self.device.write(data))

    def close(self):
        """Close the device; nothing is noted."""
        self.device.close()


class Player:
    """A transport that answers what `calls` say, recorded on a machine of kind `target`."""

    def __init__(self, calls, target):
        self.target = target
        self._calls = list(calls)

    def open(self, path, writable=False):
        """Open whatever was recorded."""
        if not any(call[0] == path for call in self._calls):
            raise faults.refusal(path, "nothing of it was recorded", "unavailable")
        return Device(path, _Played(self._calls, path), _heard_ioctl, self.target)


class _Played:
    def __init__(self, calls, path):
        self._calls = calls
        self._path = path

    def next(self, what, detail):
        """The recorded answer to what must have been recorded next."""
        if not self._calls:
            raise faults.refusal(self._path, "%s: the recording has ended" % what, "failed")
        path, recorded, shape, answer = self._calls.pop(0)
        if (path, recorded, shape) != (self._path, what, detail):
            text = "%s %s: recorded next is %s %s of %s" % (what, detail, recorded, shape, path)
            raise faults.refusal(self._path, text, "failed")
        if isinstance(answer, dict) and "errno" in answer:
            raise faults.os_error(answer["errno"])
        return answer

    def ioctl(self, number, buffer):
        """Answer as the device did."""
        answer = self.next("ioctl", [number, _hex(buffer)])
        if not isinstance(buffer, int):
            buffer[:] = _bytes(answer["after"])
        return answer["status"]

    def read(self, size):
        """Answer as the device did."""
        return _bytes(self.next("read", size))

    def write(self, data):
        """Answer as the device did."""
        return self.next("write", _hex(data))

    def close(self):
        """Nothing was noted."""


def _heard_ioctl(file, number, buffer):
    return file.ioctl(number, buffer)


def _hex(data):
    return data if data is None or isinstance(data, int) else hexlify(data).decode()


def _bytes(text):
    return None if text is None else unhexlify(text)
