"""A GPIO chip in memory; a test pulls its lines. The contract is `ioctl_fake`'s."""

from agent.devices import faults, layout, requests
from agent.devices.ioctl_fake import EBUSY, EINVAL, Driver

_ACTIVE_LOW, _OUTPUT, _RISING, _FALLING = 2, 8, 16, 32
_OUTPUT_VALUES = 2
_ROOM = 16  # edges that the kernel keeps for each request by default


class FakeChip(Driver):
    """`target` is the machine whose requests it understands; `name` what most lines are called."""

    kind = 0xB4

    def __init__(self, target, count=8, name=""):
        super().__init__(target)
        self._name = name
        self.answers = {
            "GPIO_GET_CHIPINFO": self._chip_info,
            "GPIO_V2_GET_LINEINFO": self._line_info,
            "GPIO_V2_GET_LINE": self._get_line,
        }
        self._levels = [0] * count
        self._held = {}  # offset: the FakeLines that hold it
        self.made = {}  # descriptor: FakeLines
        self._next = 100

    def pull(self, offset, level, time_ns=1):
        """Something outside moves a line."""
        before, self._levels[offset] = self._levels[offset], level
        lines = self._held.get(offset)
        if lines is not None and before != level:
            lines.note(offset, level, time_ns)

    def _chip_info(self, words):
        return {"name": "gpiochip0", "label": "limpet", "lines": len(self._levels)}

    def _line_info(self, words):
        offset = self._checked(words["offset"])
        lines = self._held.get(offset)
        told = {"offset": offset, "name": "button" if offset == 3 else self._name}
        told["flags"] = 4 if lines is None else lines.flags | 1
        told["consumer"] = "" if lines is None else lines.consumer
        return told

    def _get_line(self, words):
        offsets = [self._checked(offset) for offset in words["offsets"][: words["num_lines"]]]
        for offset in offsets:
            if offset in self._held:
                raise faults.os_error(EBUSY)
        config = words["config"]
        lines = FakeLines(self, offsets, config["flags"], words["consumer"], self.target)
        for offset in offsets:
            self._held[offset] = lines
        for entry in config["attrs"][: config["num_attrs"]]:
            if entry["attr"]["id"] == _OUTPUT_VALUES:
                lines.drive(entry["mask"], entry["attr"]["value"])
        self._next += 1
        self.made[self._next] = lines
        words["fd"] = self._next
        return words

    def _checked(self, offset):
        if offset >= len(self._levels):
            raise faults.os_error(EINVAL)
        return offset

    def level(self, offset):
        """What is on a line."""
        return self._levels[offset]

    def let_go(self, lines):
        """Lines were given back."""
        for offset in lines.offsets:
            self._held.pop(offset, None)


class FakeLines(Driver):
    """The driver behind the descriptor that GET_LINE gave."""

    kind = 0xB4

    def __init__(self, chip, offsets, flags, consumer, target):
        super().__init__(target)
        self.answers = {
            "GPIO_V2_LINE_GET_VALUES": self._get_values,
            "GPIO_V2_LINE_SET_VALUES": lambda words: self.drive(words["mask"], words["bits"]),
        }
        self.offsets = offsets
        self.flags = flags
        self.consumer = consumer
        self._chip = chip
        self._events = []
        self._count = 0

    def drive(self, mask, bits):
        """Set outputs."""
        if not self.flags & _OUTPUT:
            raise faults.os_error(1)
        for index, offset in enumerate(self.offsets):
            if mask >> index & 1:
                self._chip.pull(offset, bits >> index & 1 ^ self._inverted())

    def note(self, offset, level, time_ns):
        """An edge on one of these lines; the oldest is lost when nobody reads."""
        rising = level ^ self._inverted()
        if not self.flags & (_RISING if rising else _FALLING):
            return
        self._count += 1
        words = {"timestamp_ns": time_ns, "id": 1 if rising else 2, "offset": offset}
        words["seqno"] = words["line_seqno"] = self._count
        event = layout.pack(requests.LINE_EVENT, words, self.target[1])
        self._events = self._events[-_ROOM + 1 :] + [bytes(event)]

    def _get_values(self, words):
        levels = [self._chip.level(offset) ^ self._inverted() for offset in self.offsets]
        words["bits"] = sum([level << index for index, level in enumerate(levels)])
        return words

    def read(self, size):
        """Whole edges; None where there is none yet."""
        each = layout.size_of(requests.LINE_EVENT, self.target[1])
        taken, self._events = self._events[: size // each], self._events[size // each :]
        return b"".join(taken) if taken else None

    def close(self):
        """Give the lines back."""
        self._chip.let_go(self)

    def _inverted(self):
        return 1 if self.flags & _ACTIVE_LOW else 0
