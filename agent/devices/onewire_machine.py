"""Thermometers on a board's pin, by MicroPython's `_onewire`, which has a wire's bits in C.

The contract is `onewire`'s; a bus is called by its pin, `onewire22`. The wire wants a resistor to
its supply, as each thermometer wants one of its own. Sources: Maxim's data sheets of the DS18B20
and the DS18S20, and its application note 187 (the search).
"""

import struct
from binascii import hexlify, unhexlify

import _onewire
import machine

from agent.devices import board, faults

_SEARCH, _MATCH, _CONVERT, _READ = 0xF0, 0x55, 0x44, 0xBE
_MEASURES_MS = 750  # with all twelve bits
_MOST = 64  # devices on a wire: a fault on it must not search for ever
# Steps to a degree, by family: DS18S20; DS1822, DS18B20, DS1825, DS28EA00.
_STEPS = {0x10: 2, 0x22: 16, 0x28: 16, 0x3B: 16, 0x42: 16}
_NOT_READY = b"\x50\x05"  # what it holds after power-on, before its first measurement


def make(use):
    """The board's."""
    return Bus()


class Bus:
    """Buses by pin."""

    def devices(self, path):
        """Names as the kernel writes them: family and number."""
        return [_name(address) for address in _search(path, _open(path))]

    def read(self, path, device):
        """The temperature: the chip measures, then it is asked."""
        pin = _open(path)
        address = _address(device)
        _select(path, pin, address, _CONVERT)
        yield _MEASURES_MS
        _select(path, pin, address, _READ)
        data = bytes([_onewire.readbyte(pin) for _ in range(9)])
        if data == b"\xff" * 9:
            raise faults.refusal(device, "not on %s" % path, "unavailable")
        if _onewire.crc8(data):
            raise faults.refusal(device, "a broken answer: wrong checksum", "failed")
        steps = _STEPS[address[0]]
        if data[:2] == _NOT_READY and steps == 16:
            raise faults.refusal(device, "it lost power and has not measured", "failed")
        value = int(struct.unpack("<h", data[:2])[0] * 1000 / steps)
        return {"millidegrees": value, "unit": "m°C"}


def _open(path):
    options = (machine.Pin.OPEN_DRAIN, machine.Pin.PULL_UP)
    return board.attempt(
        path, "open", machine.Pin, board.number_of(path, "onewire"), *options, value=1
    )


def _select(path, pin, address, command):
    if not _onewire.reset(pin):
        raise faults.refusal(path, "nothing answers on it", "unavailable")
    for byte in bytes([_MATCH]) + address + bytes([command]):
        _onewire.writebyte(pin, byte)


def _search(path, pin):
    """Every address on the wire: at a bit that devices differ in, the 0 is followed first."""
    found = []
    address = bytearray(8)
    branch = -1  # the last place where a 1 is still to be followed
    while len(found) < _MOST and _onewire.reset(pin):
        _onewire.writebyte(pin, _SEARCH)
        branch = _follow(path, pin, address, branch)
        if _onewire.crc8(address):
            raise faults.refusal(path, "a broken answer: wrong checksum", "failed")
        found.append(bytes(address))
        if branch < 0:
            break
    return found


def _follow(path, pin, address, branch):
    """Follow one address to its end; returns the place to branch at next, -1 for none."""
    following = -1
    for place in range(64):
        at, mask = place >> 3, 1 << (place & 7)
        bit, other = _onewire.readbit(pin), _onewire.readbit(pin)
        if bit and other:
            raise faults.refusal(path, "what was there answers no more", "failed")
        if bit == other:
            bit = 1 if place == branch or (place < branch and address[at] & mask) else 0
            if not bit:
                following = place
        _onewire.writebit(pin, bit)
        address[at] = address[at] | mask if bit else address[at] & ~mask
    return following


def _name(address):
    return "%02x-%s" % (address[0], hexlify(bytes(reversed(address[1:7]))).decode())


def _address(device):
    """The eight bytes of a name. Raises DeviceError for what is no thermometer's."""
    try:
        data = unhexlify(device.replace("-", ""))
    except ValueError:
        data = b""
    if len(data) != 7 or device[2:3] != "-" or data[0] not in _STEPS:
        raise faults.refusal(device, "no thermometer, as onewire.list has them", "unavailable")
    address = data[:1] + bytes(reversed(data[1:]))
    return address + bytes([_onewire.crc8(address)])
