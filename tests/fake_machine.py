"""A board's module `machine`, for the back ends that are written for it.

The one rule: what it does is what MicroPython's documentation of `machine` says, no more; a test
moves its hardware through the module-level tables. It stands for no port in particular.
"""

import sys

import fake_onewire
from support import skip

from agent.devices.faults import os_error

WDT_RESET, PWRON_RESET = 3, 1
_cause = PWRON_RESET


def reset_cause():
    return _cause


class WDT:
    made = []

    def __init__(self, id=0, timeout=5000):
        if not 1 <= timeout <= 8388:
            raise ValueError("timeout exceeds 8388")
        self.timeout_ms = self.left_ms = timeout
        self.made.append(self)

    def feed(self):
        self.left_ms = self.timeout_ms


levels = {}  # of pins, by number
watchers = {}  # of pins: (handler, trigger, pin)


def pull_pin(number, level):
    """Something outside moves a pin."""
    before, levels[number] = levels.get(number, 0), level
    handler, trigger, pin = watchers.get(number, (None, 0, None))
    if handler and before != level and trigger & (1 if level else 2):
        handler(pin)


class Pin:
    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN, IRQ_RISING, IRQ_FALLING = 0, 1, 2, 1, 2, 1, 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        if not isinstance(id, int) or not 0 <= id < 30:
            raise ValueError("invalid pin")
        self._number = id
        self._mode = mode
        if value is not None:
            levels[id] = value

    def value(self, x=None):
        if x is None:
            return levels.get(self._number, 0)
        if self._mode == self.OUT:
            levels[self._number] = x
        return None

    def irq(self, handler=None, trigger=3):
        watchers[self._number] = (handler, trigger, self)


chips = {}  # address: bytearray of 256 registers, on every bus


class I2C:
    def __init__(self, id, *, freq=400000):
        if id not in (0, 1):
            raise ValueError("I2C(%d) doesn't exist" % id)
        self._places = {}

    def scan(self):
        return sorted(address for address in chips if 0x08 <= address <= 0x77)

    def writeto(self, addr, buf, stop=True):
        chip = self._chip(addr)
        if buf:
            self._places[addr] = buf[0]
        for value in buf[1:]:
            chip[self._move(addr)] = value
        return len(buf)

    def readfrom(self, addr, nbytes, stop=True):
        chip = self._chip(addr)
        return bytes([chip[self._move(addr)] for _ in range(nbytes)])

    def _chip(self, addr):
        if addr not in chips:
            raise os_error(5)
        return chips[addr]

    def _move(self, addr):
        place = self._places.get(addr, 0)
        self._places[addr] = (place + 1) % 256
        return place


serial = {"in": bytearray(), "out": bytearray()}  # on every line: to be read, and written
serial_peer = []  # what answers what is written, if there is one


class UART:
    def __init__(self, id, baudrate=9600, bits=8, parity=None, stop=1, timeout=0):
        if id not in (0, 1):
            raise ValueError("UART(%d) doesn't exist" % id)

    def read(self, nbytes):
        data = bytes(serial["in"][:nbytes])
        serial["in"] = serial["in"][nbytes:]
        return data or None

    def write(self, buf):
        serial["out"] += buf
        for answer in serial_peer:
            serial["in"] += answer(bytes(buf))
        return len(buf)

    def sendbreak(self):
        pass

    def deinit(self):
        pass


spi_peer = [lambda data: data]  # what the chip gives back


class SPI:
    LSB = 1

    def __init__(self, id, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=0):
        if id not in (0, 1):
            raise ValueError("SPI(%d) doesn't exist" % id)

    def write_readinto(self, write_buf, read_buf):
        read_buf[:] = spi_peer[0](bytes(write_buf))

    def deinit(self):
        pass


voltages = {}  # by pin: 0 to 65535


class ADC:
    def __init__(self, pin):
        if pin not in (26, 27):
            raise ValueError("Pin doesn't have ADC capabilities")
        self._pin = pin

    def read_u16(self):
        return voltages.get(self._pin, 0)

    def read_uv(self):
        return self.read_u16() * 3300000 // 65535


pulses = {}  # by pin: (freq, duty_ns)


class PWM:
    def __init__(self, dest, *, freq=0, duty_ns=0, invert=False):
        self._number = dest._number
        pulses[self._number] = (freq, duty_ns)

    def deinit(self):
        pulses.pop(self._number, None)


now = [(2026, 11, 24, 1, 12, 30, 15, 0)]


class RTC:
    def datetime(self, date=None):
        if date is None:
            return now[0]
        now[0] = date
        return None


ram = bytearray(64)  # from address 0x1000 on


class _Memory:
    def __init__(self, width):
        self._width = width

    def __getitem__(self, address):
        at = address - 0x1000
        return int.from_bytes(ram[at : at + self._width], "little")

    def __setitem__(self, address, value):
        at = address - 0x1000
        ram[at : at + self._width] = value.to_bytes(self._width, "little")


mem8, mem16, mem32 = _Memory(1), _Memory(2), _Memory(4)


def load(name):
    """The back end `name`, over this module in place of the runtime's own `machine`."""
    path = "agent.devices." + name
    before = sys.modules.get("machine")
    sys.modules["machine"] = sys.modules[__name__]
    sys.modules["_onewire"] = fake_onewire
    sys.modules.pop(path, None)  # it may be there over the runtime's own
    try:
        __import__(path)
        return sys.modules[path]
    except ImportError:
        if "--frozen" in sys.argv:
            skip("this file is for Linux: it leaves out the back ends of boards")
        raise
    finally:
        sys.modules.pop(path, None)
        del sys.modules["_onewire"]
        if before is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = before
