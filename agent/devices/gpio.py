"""Lines of a GPIO chip: who uses them, their values, their edges.

Contract: `chips(path, first)` lists all chips, or the one at `path`: `count` of its lines, and of
these, from `first` on, MOST_TOLD in one answer; `open_inputs` and `open_outputs` give Lines, held
until closed. A line that somebody else holds is `busy`; values are what the caller means, after
`active_low`; edges carry the kernel's monotonic time in ns and a number each, so that lost ones
show; closing Lines gives them back, and what an output then does is the chip's affair. Source:
linux/gpio.h, v2.
"""

import struct

from agent.devices import faults, layout, requests
from agent.devices.listing import ask_all

START = "/dev/gpiochip"
CONSUMER = "limpet"
MAX_LINES = 64
MOST_TOLD = 40  # lines in one listing: 8 KB takes them, with the longest names and all flags
MAX_DEBOUNCE_US = 0xFFFFFFFF

FLAGS = (
    (0x001, "used"),
    (0x002, "active-low"),
    (0x004, "input"),
    (0x008, "output"),
    (0x010, "rising"),
    (0x020, "falling"),
    (0x040, "open-drain"),
    (0x080, "open-source"),
    (0x100, "pull-up"),
    (0x200, "pull-down"),
    (0x400, "bias-off"),
)
_BITS = {name: bit for bit, name in FLAGS}
BIASES = ("as-is", "pull-up", "pull-down", "bias-off")
EDGES = ("rising", "falling", "both")
_OUTPUT_VALUES, _DEBOUNCE = 2, 3  # enum gpio_v2_line_attr_id
_EDGE_NAMES = {1: "rising", 2: "falling"}


def make(use):
    """The chips of this machine."""
    return Chips(use("ioctl"))


class Chips:
    """Lines by chip and offset. `options`: bias, active_low; edges, debounce_us for inputs."""

    def __init__(self, transport):
        self._transport = transport

    def chips(self, path="", first=0):
        """Chips with their lines, or their errors. Raises DeviceError for one that is not here."""
        room = MOST_TOLD

        def tell(device):
            nonlocal room
            words = describe(device, first, room)
            room -= len(words["lines"])
            return words

        found = ask_all(self._transport, START, tell, path)
        if path and not found:
            raise faults.refusal(path, "no chip; gpio.list tells which there are", "unavailable")
        return found

    def value_before(self, path, offset, options):
        """What is on a line that is to be driven; its direction stays as it is meanwhile."""
        flags = _common_flags({"active_low": options.get("active_low")})
        with _open(self._transport, path, [offset], flags, []) as lines:
            return lines.get()[0]

    def open_inputs(self, path, offsets, options):
        """Lines to read."""
        return open_inputs(self._transport, path, offsets, options)

    def open_outputs(self, path, offsets, values, options):
        """Lines that are driven to `values` from the first moment on."""
        return open_outputs(self._transport, path, offsets, values, options)


def describe(device, first=0, most=MOST_TOLD):
    """A chip and so many of its lines, as a dict of JSON."""
    chip = device.ask("GPIO_GET_CHIPINFO")
    lines = []
    for offset in range(first, min(chip["lines"], first + most)):
        told = device.tell("GPIO_V2_GET_LINEINFO", {"offset": offset})
        flags = [name for bit, name in FLAGS if told["flags"] & bit]
        words = {"line": offset, "name": told["name"], "user": told["consumer"], "flags": flags}
        lines.append(words)
    words = {"name": chip["name"], "label": chip["label"], "count": chip["lines"]}
    words["lines"] = lines
    return words


def open_inputs(transport, path, offsets, options):
    """Lines to read. `options`: bias, active_low, edges (None or one of EDGES), debounce_us."""
    flags = _BITS["input"] | _common_flags(options)
    edges = options.get("edges")
    if edges:
        flags |= _BITS["rising"] | _BITS["falling"] if edges == "both" else _BITS[edges]
    attributes = []
    if options.get("debounce_us"):
        attributes.append((_DEBOUNCE, options["debounce_us"]))
    return _open(transport, path, offsets, flags, attributes)


def open_outputs(transport, path, offsets, values, options):
    """Lines that are driven to `values`, 0 or 1 each, from the first moment on."""
    flags = _BITS["output"] | _common_flags(options)
    return _open(transport, path, offsets, flags, [(_OUTPUT_VALUES, _as_bits(values))])


class Lines:
    """Some lines of one chip, held until closed. `device` is what the driver gave for them."""

    def __init__(self, device, count):
        self._device = device
        self._all = (1 << count) - 1
        self._count = count

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    @property
    def pollable(self):
        """What `select.poll().register` takes: readable while there are edges."""
        return self._device.pollable

    def get(self):
        """The values, a list of 0 and 1 in the order of the offsets."""
        # LINE_VALUES by hand, bits and mask: reading a line is done often.
        order = self._device.target[1].order
        buffer = bytearray(struct.pack(order + "QQ", 0, self._all))
        self._device.call(_number("GPIO_V2_LINE_GET_VALUES", self._device.target), buffer)
        bits = struct.unpack_from(order + "Q", buffer)[0]
        return [bits >> index & 1 for index in range(self._count)]

    def set(self, values):
        """Drive the lines."""
        words = {"mask": self._all, "bits": _as_bits(values)}
        self._device.tell("GPIO_V2_LINE_SET_VALUES", words)

    def edges(self, most):
        """Edges that are there now, oldest first: dicts of line, edge, time_ns, number."""
        abi = self._device.target[1]
        size = layout.size_of(requests.LINE_EVENT, abi)
        data = self._device.read(size * most) or b""
        found = []
        for start in range(0, len(data) - size + 1, size):
            told = layout.unpack(requests.LINE_EVENT, data[start : start + size], abi)
            found.append(
                {
                    "line": told["offset"],
                    "edge": _EDGE_NAMES.get(told["id"], told["id"]),
                    "time_ns": told["timestamp_ns"],
                    "number": told["line_seqno"],
                }
            )
        return found

    def close(self):
        """Give the lines back."""
        self._device.close()


def _open(transport, path, offsets, flags, attributes):
    _check_offsets(path, offsets)
    target = transport.target
    buffer = _request(target[1], flags, len(offsets), attributes)
    struct.pack_into("%s%dI" % (target[1].order, len(offsets)), buffer, 0, *offsets)
    with transport.open(path) as chip:
        chip.call(_number("GPIO_V2_GET_LINE", target), buffer)
    told = layout.unpack(requests.LINE_REQUEST, buffer, target[1], "fd")
    return Lines(transport.adopt(told["fd"], path), len(offsets))


# What is asked again and again: numbers by (name, target), plain requests by (abi, flags, count).
_NUMBERS = {}
_PLAIN = {}
_MOST_KEPT = 16


def _number(name, target):
    key = (name, target)
    if key not in _NUMBERS:
        _NUMBERS[key] = requests.code_of(requests.find(name), target)
    return _NUMBERS[key]


def _request(abi, flags, count, attributes):
    """A LINE_REQUEST without its offsets, which stand first in it."""
    key = (abi, flags, count)
    if not attributes and key in _PLAIN:
        return bytearray(_PLAIN[key])
    everything = (1 << count) - 1
    entries = [
        {"attr": {"id": kind, "value": _in_union(kind, value, abi.order)}, "mask": everything}
        for kind, value in attributes
    ]
    words = {
        "consumer": CONSUMER,
        "config": {"flags": flags, "num_attrs": len(entries), "attrs": entries},
        "num_lines": count,
    }
    buffer = layout.pack(requests.LINE_REQUEST, words, abi)
    if not attributes and len(_PLAIN) < _MOST_KEPT:
        _PLAIN[key] = bytes(buffer)
    return buffer


def _check_offsets(path, offsets):
    count = len(offsets)
    if not 1 <= count <= MAX_LINES or (count > 1 and len(set(offsets)) != count):
        raise faults.refusal(path, "expected 1 to %d lines, each once" % MAX_LINES)


def _common_flags(options):
    bias = options.get("bias") or "as-is"
    flags = _BITS["active-low"] if options.get("active_low") else 0
    return flags if bias == "as-is" else flags | _BITS[bias]


def _in_union(kind, value, order):
    """A debounce time is the first four bytes of the union's eight."""
    return value << 32 if kind == _DEBOUNCE and order == ">" else value


def _as_bits(values):
    bits = 0
    for index, value in enumerate(values):
        bits |= (1 if value else 0) << index
    return bits
