"""A serial line in memory. The contract is `ioctl_fake`'s.

`peer(data)` is the other end: it gets what is written, and returns what it answers, b"" for
nothing; `receive` puts bytes on the line at any time.
"""

from agent.devices import faults
from agent.devices.ioctl_fake import EBUSY, Driver


class FakeLine(Driver):
    """`speeds` are those that the line has, None for any; it takes `room` bytes at once."""

    kind = 0x54

    def __init__(self, target, peer=None, speeds=None, room=4096, rs485=True):
        super().__init__(target)
        self.peer = peer or (lambda data: b"")
        self.settings = {"c_cflag": 0xCBD, "c_ispeed": 9600, "c_ospeed": 9600}
        self.rs485 = None
        self.breaks = []
        self.files = {"class/tty/ttyS1/device/uevent": "", "class/tty/ttyS1/type": "4"}
        self.files["class/tty/ttyS2/device/uevent"] = ""
        self.files["class/tty/ttyS2/type"] = "0"
        self._speeds = speeds
        self._room = room
        self._received = b""
        self._is_open = False
        self.answers = {
            "TIOCEXCL": lambda value: None,
            "TCGETS2": lambda words: self.settings,
            "TCSETS2": self._set,
            "TCFLSH": self._flush,
            "TIOCSBRK": lambda value: self.breaks.append(True),
            "TIOCCBRK": lambda value: self.breaks.append(False),
        }
        if rs485:
            self.answers["TIOCSRS485"] = self._set_rs485

    def receive(self, data):
        """Bytes come in."""
        self._received += data

    def opened(self, writable):
        """One user."""
        if self._is_open:
            raise faults.os_error(EBUSY)
        self._is_open = True

    def closed(self):
        """What was received is lost."""
        self._is_open = False

    def read(self, size):
        """Bytes that are there, None for none."""
        data, self._received = self._received[:size], self._received[size:]
        return data or None

    def write(self, data):
        """Take what there is room for, and hear what the peer says to it."""
        data = bytes(data[: self._room])
        self._received += self.peer(data)
        return len(data)

    def _set(self, words):
        if self._speeds and words["c_ospeed"] not in self._speeds:
            words["c_ospeed"] = min(self._speeds, key=lambda s: abs(s - words["c_ospeed"]))
        self.settings = words

    def _flush(self, which):
        self._received = b""

    def _set_rs485(self, words):
        self.rs485 = words
