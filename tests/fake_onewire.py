"""MicroPython's `_onewire` over devices in memory, bit by bit.

The one rule: what it gives is what the C module does, and `wires` says what hangs where. A device
has `reset()` and `slot(bit)`, as those of tools/labs/chips.py.
"""

wires = {}  # by pin's number: a list of devices


def _devices(pin):
    return wires.get(pin._number, [])


def reset(pin):
    for device in _devices(pin):
        device.reset()
    return bool(_devices(pin))


def readbit(pin):
    return min([1] + [device.slot(1) for device in _devices(pin)])


def writebit(pin, value):
    for device in _devices(pin):
        device.slot(value & 1)


def readbyte(pin):
    return sum([readbit(pin) << place for place in range(8)])


def writebyte(pin, value):
    for place in range(8):
        writebit(pin, value >> place)


def crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc
