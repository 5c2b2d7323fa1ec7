"""Chips behind the lab's bridge, as their data sheets have them: what their drivers talk to.

Each has `write(data)` and `read(size)`, what goes over I2C between start and stop. The one rule:
they know nothing of the kernel; a driver that takes them for real is the test. Sources: Texas
Instruments SBAS473 (ADS1015), Maxim 19-4930 (DS2482-100), 19-7487 (DS18B20).
"""


class Converter:
    """An ADS1015: four voltages in mV, of which the one is converted that the driver asks for."""

    _RANGES_MV = (6144, 4096, 2048, 1024, 512, 256, 256, 256)

    def __init__(self, levels_mv):
        self._levels = levels_mv
        self._registers = [0, 0x8583, 0x8000, 0x7FFF]
        self._pointer = 0

    def write(self, data):
        """The pointer, and a register after it."""
        self._pointer = data[0] & 3
        if len(data) == 3:
            self._registers[self._pointer] = data[1] << 8 | data[2]
            if self._pointer == 1:
                self._convert()

    def read(self, size):
        """The register that is pointed to, the high byte first."""
        value = self._registers[self._pointer]
        return bytes([value >> 8, value & 0xFF])[:size]

    def _convert(self):
        wanted = self._registers[1]
        input_ = wanted >> 12 & 7
        level = self._levels[input_ - 4] if input_ >= 4 else self._levels[0] - self._levels[1]
        steps = level * 2048 // self._RANGES_MV[wanted >> 9 & 7]
        self._registers[0] = (max(-2048, min(2047, steps)) << 4) & 0xFFFF


class Master:
    """A DS2482: a 1-wire bus with `devices` on it."""

    _STATUS, _DATA, _SETTINGS = 0xF0, 0xE1, 0xC3
    _PRESENT, _LEVEL, _WAS_RESET, _FIRST, _SECOND, _WAY = 0x02, 0x08, 0x10, 0x20, 0x40, 0x80

    def __init__(self, devices):
        self._devices = devices
        self._pointer = self._STATUS
        self._registers = {self._STATUS: 0x18, self._DATA: 0, self._SETTINGS: 0}
        self._commands = {
            0xF0: self._restart,
            0xE1: self._point,
            0xD2: self._set_up,
            0xB4: self._reset,
            0x87: self._bit,
            0xA5: self._send,
            0x96: self._receive,
            0x78: self._triplet,
        }

    def write(self, data):
        """A command, and its one argument where it has one."""
        command = self._commands.get(data[0])
        if command:
            self._pointer = self._STATUS
            command(data[1] if len(data) > 1 else 0)

    def read(self, size):
        """The register that is pointed to, again and again."""
        return bytes([self._registers[self._pointer]] * size)

    def _restart(self, _):
        self._tell(self._WAS_RESET)
        self._registers[self._SETTINGS] = 0

    def _point(self, register):
        self._pointer = register if register in self._registers else self._STATUS

    def _set_up(self, value):
        self._registers[self._SETTINGS] = value & 0x0F
        self._pointer = self._SETTINGS

    def _reset(self, _):
        for device in self._devices:
            device.reset()
        self._tell(self._PRESENT if self._devices else 0)

    def _bit(self, value):
        self._tell(self._FIRST if self._slot(value >> 7) else 0)

    def _send(self, byte):
        for place in range(8):
            self._slot(byte >> place & 1)
        self._tell(0)

    def _receive(self, _):
        self._registers[self._DATA] = sum([self._slot(1) << place for place in range(8)])
        self._tell(0)

    def _triplet(self, value):
        first, second = self._slot(1), self._slot(1)
        way = value >> 7 if first == second else first
        self._slot(way)
        bits = self._FIRST * first | self._SECOND * second | self._WAY * way
        self._tell(bits)

    def _slot(self, bit):
        """One bit on the wire: whoever pulls it down wins."""
        return min([bit] + [device.slot(bit) for device in self._devices])

    def _tell(self, bits):
        self._registers[self._STATUS] = self._LEVEL | bits


class Thermometer:
    """A DS18B20 with an address of seven bytes, family first; `celsius` in steps of 1/16."""

    _SEARCH, _MATCH, _SKIP, _READ_ADDRESS = 0xF0, 0x55, 0xCC, 0x33
    _CONVERT, _READ, _WRITE = 0x44, 0xBE, 0x4E

    def __init__(self, address, celsius):
        self._address = bits_of(with_sum(address))
        self._celsius = celsius
        self._memory = [0x50, 0x05, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10]
        self.is_broken = False  # a bit of what it tells is turned over
        self._takes = self._gives = None
        self.reset()

    def reset(self):
        """The pulse that begins everything."""
        self._gives = iter(())
        self._takes = self._take_command(self._on_address)
        next(self._takes)

    def slot(self, bit):
        """A time slot: 0 pulls the wire down, 1 lets go; what the master writes is `bit`."""
        gives = next(self._gives, None)
        if gives is not None:
            return gives
        if self._takes is not None:
            try:
                self._takes.send(bit)
            except StopIteration:
                self._takes = None
        return 1

    def _take_command(self, then):
        command = yield from take_byte()
        yield from then(command)

    def _on_address(self, command):
        if command == self._SEARCH:
            yield from self._be_searched()
        elif command == self._MATCH:
            for bit in self._address:
                if (yield) != bit:
                    return
        elif command == self._READ_ADDRESS:
            self._gives = iter(self._address)
        elif command != self._SKIP:
            return
        yield from self._take_command(self._on_function)

    def _be_searched(self):
        for bit in self._address:
            self._gives = iter((bit, 1 - bit))
            if (yield) != bit:
                return

    def _on_function(self, command):
        if command == self._CONVERT:
            value = int(self._celsius * 16) & 0xFFFF
            self._memory[:2] = [value & 0xFF, value >> 8]
        elif command == self._READ:
            told = list(bits_of(with_sum(self._memory)))
            if self.is_broken:
                told[3] = 1 - told[3]
            self._gives = iter(told)
        elif command == self._WRITE:
            for place in (2, 3, 4):
                self._memory[place] = yield from take_byte()


def take_byte():
    """Eight bits, the lowest first."""
    value = 0
    for place in range(8):
        value |= (yield) << place
    return value


def bits_of(data):
    """The bits in the order in which they go over the wire."""
    return [byte >> place & 1 for byte in data for place in range(8)]


def with_sum(data):
    """The bytes with their CRC-8 (x8 + x5 + x4 + 1) after them."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return list(data) + [crc]
