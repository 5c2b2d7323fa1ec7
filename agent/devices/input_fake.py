"""An input device in memory; a test presses its keys. The contract is `ioctl_fake`'s."""

from agent.devices import codes, faults, layout, requests
from agent.devices.input import EVENT
from agent.devices.ioctl_fake import EINVAL, ENOTTY

_ROOM = 64  # events that the driver keeps for a reader
_SYN_DROPPED = 3


class FakeInput:
    """`target` is the machine whose requests it understands; keys 30, 48, 46 can be pressed."""

    def __init__(self, target, name, identity=(3, 0x1D6B, 0x0104, 1)):
        self._target = target
        self._name = name.encode() + b"\0"
        self._identity = dict(
            zip(("bustype", "vendor", "product", "version"), identity)  # noqa: B905 - no strict= there
        )
        self._events = []

    def press(self, code, value=1, sec=1, usec=5):
        """A key goes down (1) or up (0): what the hardware would do."""
        if len(self._events) >= _ROOM:
            self._events = [self._event(0, _SYN_DROPPED, 0, sec, usec)]
        self._events.append(self._event(1, code, value, sec, usec))
        self._events.append(self._event(0, 0, 0, sec, usec))

    def opened(self, writable):
        """Any number of users."""

    def closed(self):
        """Nothing is kept for a user."""

    def ioctl(self, number, buffer):
        """Answer what identification asks."""
        code = codes.take_apart(self._target[0], number)
        request = requests.look_up(number, self._target)
        name = request.name if request else None
        if name == "EVIOCGNAME":
            return _fill(buffer, self._name[: code.size])
        if name == "EVIOCGID":
            return _fill(buffer, layout.pack(requests.INPUT_ID, self._identity, self._target[1]))
        if name == "EVIOCGBIT":
            return _fill(buffer, self._bits(code.number - 0x20)[: code.size])
        raise faults.os_error(ENOTTY if code.kind != 0x45 else EINVAL)

    def read(self, size):
        """Whole events; None where there is none yet."""
        each = layout.size_of(EVENT, self._target[1])
        if size < each:
            raise faults.os_error(EINVAL)
        count = size // each
        taken, self._events = self._events[:count], self._events[count:]
        return b"".join(taken) if taken else None

    def write(self, data):
        """Nothing to switch on it."""
        raise faults.os_error(EINVAL)

    def _bits(self, kind):
        codes_of = {0: (0, 1), 1: (30, 48, 46)}.get(kind, ())
        bits = bytearray(96)
        for code in codes_of:
            bits[self._place(code // 8)] |= 1 << code % 8
        return bits

    def _place(self, index):
        """Where the kernel keeps a byte of a bit field: inside words of its own order."""
        word, order = self._target[1].word, self._target[1].order
        within = index % word
        return index if order == "<" else index - within + word - 1 - within

    def _event(self, kind, code, value, sec, usec):
        words = {"sec": sec, "usec": usec, "type": kind, "code": code, "value": value}
        return bytes(layout.pack(EVENT, words, self._target[1]))


def _fill(buffer, data):
    buffer[: len(data)] = data
    return len(data)
