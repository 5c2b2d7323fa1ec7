"""Modbus: what is asked of a field device, and what it answers, as bytes.

The one rule: an answer counts only if it is the one to what was asked: same function, as many
bytes, and where the protocol repeats the request, the same request. Addresses are those on the
wire, from 0; `reference` gives the number that a policy and a data sheet name. Pure: it calls
nothing. Sources: MODBUS Application Protocol 1.1b3; MODBUS over Serial Line 1.02.
"""

import struct
from collections import namedtuple

from agent.errors import LimpetError

# pdu     what is sent, without unit and checksum
# size    of the right answer in bytes
# decode  decode(answer) -> a list of values, or None
Request = namedtuple("Request", ("pdu", "size", "decode"))

# read, write_one, write_many: function codes, None where there is none
# first: the reference of address 0; most: values in a reading and in a writing
Table = namedtuple(
    "Table", ("read", "write_one", "write_many", "first", "most_read", "most_write")
)
TABLES = {
    "coils": Table(1, 5, 15, 1, 2000, 1968),
    "discrete-inputs": Table(2, None, None, 100001, 2000, 0),
    "input-registers": Table(4, None, None, 300001, 125, 0),
    "holding-registers": Table(3, 6, 16, 400001, 125, 123),
}
BITS = ("coils", "discrete-inputs")
MASK, EXCHANGE = 22, 23
MOST_EXCHANGED = 121  # registers written by an exchange

_EXCEPTIONS = {
    1: ("illegal-function", "the device does not know this function"),
    2: ("illegal-data-address", "the device has no such address"),
    3: ("illegal-data-value", "the device refuses the value"),
    4: ("server-device-failure", "the device failed"),
    5: ("acknowledge", "the device is at it, and will take longer"),
    6: ("server-device-busy", "the device is busy"),
    7: ("negative-acknowledge", "the device cannot do that"),
    8: ("memory-parity-error", "the device's memory is damaged"),
    10: ("gateway-path-unavailable", "the gateway has no way there"),
    11: ("gateway-target-failed-to-respond", "nobody answers behind the gateway"),
}
_CODES = {1: "bad-params", 2: "bad-params", 3: "bad-params", 5: "busy", 6: "busy"}


class ModbusError(LimpetError):
    """The device answered with an exception. `data`: exception, number, function."""

    code = "failed"

    def __init__(self, function, number):
        name, words = _EXCEPTIONS.get(number, ("exception-%d" % number, "the device refuses"))
        data = {"exception": name, "number": number, "function": function}
        super().__init__("function %d: %s (%s)" % (function, words, name), data)
        self.code = _CODES.get(number, "failed")


class BadAnswer(LimpetError):
    """An answer that is none to what was asked."""

    code = "failed"


def reference(table, address):
    """The number by which data sheets and the policy know an address: 400001 is holding 0."""
    return TABLES[table].first + address


def read(table, address, count):
    """The Request for `count` values from `address` on."""
    known = TABLES[table]
    _check_span(address, count, known.most_read)
    if table in BITS:
        size = (count + 7) // 8

        def decode(answer):
            return [answer[2 + i // 8] >> i % 8 & 1 for i in range(count)]

    else:
        size = 2 * count

        def decode(answer):
            return list(struct.unpack_from(">%dH" % count, answer, 2))

    return Request(struct.pack(">BHH", known.read, address, count), 2 + size, decode)


def write(table, address, values, one=None):
    """The Request that writes `values`; `one`: by the function for one value, None: if it is."""
    known = TABLES[table]
    if known.write_one is None:
        raise ValueError("table: %s cannot be written" % table)
    _check_span(address, len(values), known.most_write)
    _check_values(values, 1 if table in BITS else 0xFFFF)
    if len(values) == 1 and one is not False:
        value = values[0] * 0xFF00 if table in BITS else values[0]
        return _repeated(struct.pack(">BHH", known.write_one, address, value))
    if one:
        raise ValueError("values: one, for a function that writes one")
    if table in BITS:
        data = bytearray((len(values) + 7) // 8)
        for index, value in enumerate(values):
            data[index // 8] |= value << index % 8
    else:
        data = struct.pack(">%dH" % len(values), *values)
    head = struct.pack(">BHHB", known.write_many, address, len(values), len(data))
    return _repeated(head + bytes(data), 5)


def mask(address, keep, put):
    """The Request that makes a holding register (old & keep) | (put & ~keep), in one step."""
    _check_values((keep, put), 0xFFFF)
    return _repeated(struct.pack(">BHHH", MASK, address, keep, put))


def exchange(read_address, count, write_address, values):
    """The Request that writes holding registers, then reads some, in one transaction."""
    _check_span(read_address, count, 125)
    _check_span(write_address, len(values), MOST_EXCHANGED)
    _check_values(values, 0xFFFF)
    words = (EXCHANGE, read_address, count, write_address, len(values), 2 * len(values))
    pdu = struct.pack(">BHHHHB", *words) + struct.pack(">%dH" % len(values), *values)
    return Request(
        pdu, 2 + 2 * count, lambda answer: list(struct.unpack_from(">%dH" % count, answer, 2))
    )


def _repeated(pdu, size=None):
    """The Request whose answer repeats its first `size` bytes."""
    expected = pdu[:size] if size else pdu

    def decode(answer):
        if answer != expected:
            raise BadAnswer("the device repeats another request than it was sent")

    return Request(pdu, len(expected), decode)


def values_of(request, answer):
    """What an answer holds. Raises ModbusError for an exception, BadAnswer for nonsense."""
    function = request.pdu[0]
    if len(answer) == 2 and answer[0] == function | 0x80:
        raise ModbusError(function, answer[1])
    if len(answer) != request.size or answer[0] != function:
        words = (function, request.size, answer[0] if answer else -1, len(answer))
        raise BadAnswer("expected function %d in %d bytes, got %d in %d" % words)
    return request.decode(answer)


def _check_span(address, count, most):
    if not 1 <= count <= most:
        raise ValueError("count: expected 1 to %d, got %d" % (most, count))
    if not 0 <= address <= 0x10000 - count:
        raise ValueError(
            "address: %d and the %d after it are not all below 65536" % (address, count)
        )


def _check_values(values, most):
    for index, value in enumerate(values):
        if not 0 <= value <= most:
            raise ValueError("values[%d]: expected 0 to %d, got %d" % (index, most, value))


def checksum(data):
    """CRC-16 of a serial frame, as the two bytes that follow it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)
