"""A field device in memory, which answers as the protocol says a server does.

For trying things out and for tests; `tables` has for each table's name a list of values. `rtu` and
`tcp` take frames and give the answers' bytes; `silent` lets it answer nothing.
"""

import struct

from agent.devices import modbus

_ADDRESS, _VALUE, _FUNCTION = 2, 3, 1
_READS = {table.read: name for name, table in modbus.TABLES.items()}
_WRITES = {5: "coils", 6: "holding-registers", 15: "coils", 16: "holding-registers"}


class Refusal(Exception):
    """An exception answer, by its number."""


class FakeField:
    """A device of `unit`, with 32 values in each table; what is not there is refused."""

    def __init__(self, unit=1, size=32):
        self.unit = unit
        self.tables = {name: [0] * size for name in modbus.TABLES}
        self.silent = False
        self.heard = []  # function codes
        self._stream = b""

    def rtu(self, data):
        """The far end of a serial line: takes a whole frame."""
        body = bytes(data[:-2])
        if self.silent or modbus.checksum(body) != data[-2:] or body[0] not in (0, self.unit):
            return b""
        answer = self.answer(body[1:])
        if body[0] == 0:
            return b""
        answer = body[:1] + answer
        return answer + modbus.checksum(answer)

    def tcp(self, data):
        """The far end of a connection: takes bytes in any pieces."""
        self._stream += bytes(data)
        told = b""
        while len(self._stream) >= 8:
            number, _, length, unit = struct.unpack(">HHHB", self._stream[:7])
            if len(self._stream) < 6 + length:
                break
            pdu, self._stream = self._stream[7 : 6 + length], self._stream[6 + length :]
            if not self.silent:
                answer = self.answer(pdu)
                told += struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer
        return told

    def answer(self, pdu):
        """The answer to a request."""
        function = pdu[0]
        self.heard.append(function)
        try:
            return bytes([function]) + self._do(function, pdu[1:])
        except Refusal as refusal:
            return bytes([function | 0x80, refusal.args[0]])

    def _do(self, function, rest):
        if function in _READS:
            return self._read(_READS[function], *struct.unpack(">HH", rest))
        if function in (5, 6):
            address, value = struct.unpack(">HH", rest)
            if function == 5 and value not in (0, 0xFF00):
                raise Refusal(_VALUE)
            self._put(_WRITES[function], address, [value // 0xFF00 if function == 5 else value])
            return rest
        if function in (15, 16):
            address, count, size = struct.unpack(">HHB", rest[:5])
            values = self._values(function, rest[5:], count)
            self._put(_WRITES[function], address, values)
            return rest[:4]
        if function == modbus.MASK:
            address, keep, put = struct.unpack(">HHH", rest)
            old = self._span("holding-registers", address, 1)[0]
            self._put("holding-registers", address, [old & keep | put & ~keep & 0xFFFF])
            return rest
        if function == modbus.EXCHANGE:
            first, count, address, written, _ = struct.unpack(">HHHHB", rest[:9])
            self._put("holding-registers", address, self._values(16, rest[9:], written))
            return self._read("holding-registers", first, count)
        raise Refusal(_FUNCTION)

    def _values(self, function, data, count):
        if function == 15:
            return [data[i // 8] >> i % 8 & 1 for i in range(count)]
        return list(struct.unpack(">%dH" % count, data))

    def _span(self, table, address, count):
        if address + count > len(self.tables[table]):
            raise Refusal(_ADDRESS)
        return self.tables[table][address : address + count]

    def _put(self, table, address, values):
        self._span(table, address, len(values))
        self.tables[table][address : address + len(values)] = values

    def _read(self, table, address, count):
        values = self._span(table, address, count)
        if table in modbus.BITS:
            data = bytearray((count + 7) // 8)
            for index, value in enumerate(values):
                data[index // 8] |= value << index % 8
        else:
            data = struct.pack(">%dH" % count, *values)
        return bytes([len(data)]) + bytes(data)
