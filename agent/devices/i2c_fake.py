"""An I2C bus in memory, of chips with registers. The contract is `ioctl_fake`'s.

A chip is a bytearray of 256 registers and a place that every access moves on, as in most chips;
a `held` address is a kernel driver's.
"""

from agent.devices import faults, layout, requests
from agent.devices.ioctl_fake import EBUSY, EINVAL, Driver

I2C, SMBUS = 0x00000001, 0x0C7F0000
_ENXIO = 6


class FakeBus(Driver):
    """`chips` is a dict of address: bytearray; `can` what the adapter knows."""

    def __init__(self, target, chips, can=I2C | SMBUS, held=()):
        super().__init__(target)
        self.chips = chips
        self.files = {"class/i2c-dev/i2c-1/name": "limpet bus"}
        self._can = can
        self._held = held
        self._address = None
        self._places = {}
        self.answers = {
            "I2C_FUNCS": lambda value: can,
            "I2C_SLAVE": self._choose,
            "I2C_RDWR": self._messages,
            "I2C_SMBUS": self._smbus,
        }

    def _choose(self, address):
        if address > 0x7F:
            raise faults.os_error(EINVAL)
        if address in self._held:
            raise faults.os_error(EBUSY)
        self._address = address

    def _messages(self, words):
        if not self._can & I2C:
            raise faults.os_error(95)
        abi = self.target[1]
        size = layout.size_of(requests.I2C_MESSAGE, abi)
        packed = self.at(words["msgs"])
        for index in range(words["nmsgs"]):
            message = layout.unpack(requests.I2C_MESSAGE, packed[index * size :], abi)
            buffer = self.at(message["buf"])
            if message["flags"] & 1:
                buffer[:] = self._read(message["addr"], message["len"])
            else:
                self._write(message["addr"], buffer)

    def _smbus(self, words):
        block = self.at(words["data"])
        kind, address, big = words["size"], self._address, self.target[1].order == ">"
        if kind > 1:
            self._write(address, [words["command"]])
        if words["read_write"]:
            count = {1: 1, 2: 1, 3: 2}.get(kind, block[0])
            told = self._read(address, count)
            if kind == 8:
                block[1 : 1 + count] = told
            else:
                block[:count] = bytes(reversed(told)) if big else told
        elif kind == 8:
            self._write(address, [words["command"]] + list(block[1 : 1 + block[0]]))
        elif kind > 1:
            data = list(block[: kind - 1])
            self._write(address, [words["command"]] + (data[::-1] if big else data))
        else:
            self._write(address, [words["command"]][:kind])

    def _chip(self, address):
        if address not in self.chips:
            raise faults.os_error(_ENXIO)
        return self.chips[address]

    def _write(self, address, data):
        chip = self._chip(address)
        if len(data):
            self._places[address] = data[0]
        for value in data[1:]:
            chip[self._move(address)] = value

    def _read(self, address, count):
        chip = self._chip(address)
        return bytes([chip[self._move(address)] for _ in range(count)])

    def _move(self, address):
        place = self._places.get(address, 0)
        self._places[address] = (place + 1) % 256
        return place
