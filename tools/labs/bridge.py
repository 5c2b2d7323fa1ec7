"""Runs in the lab's guest: a USB bridge MCP2221, and what hangs on it, made from /dev/uhid.

    bridge.py

The kernel's own drivers find it, its I2C bus and analog inputs, and behind the bus an ADS1015 at
0x49 and a DS2482 at 0x18 with two thermometers. The one rule: it stands for hardware, so it uses
nothing of the agent. Sources: Microchip DS20005565 (the reports), linux/uhid.h.
"""

import struct

from chips import Converter, Master, Thermometer

UHID_DESTROY, UHID_OUTPUT, UHID_CREATE2, UHID_INPUT2 = 1, 6, 11, 12
EVENT_BYTES = 4 + 4372  # the type, and the largest of the union
BUS_USB, VENDOR, PRODUCT = 3, 0x04D8, 0x00DD
# 64 bytes in, 64 bytes out, of no kind that HID knows
REPORTS = bytes.fromhex("0600ff0901a1010901150026ff00750895408102090195409102c0")
OUTPUT_AT = 4 + 4096  # where the size stands in an output event

STATUS, WRITE, READ, READ_AGAIN, WRITE_ON, GET = 0x10, 0x90, 0x91, 0x93, 0x94, 0x40
GET_LINES, SET_LINES, GET_SETTINGS, FLASH = 0x51, 0x50, 0x61, 0xB0
NO_ANSWER = 0x25
ANALOG = 2  # what lines 1 and 2 are
INPUTS = (310, 620, 0)  # of 1024 steps


class Bridge:
    """What answers the reports. `chips` are by address."""

    def __init__(self, chips):
        self._chips = chips
        self._found = b""
        self._is_lost = False
        self._levels = [0, 0, 0, 0]
        self._ways = [1, 1, 1, 1]

    def answer(self, asked):
        """The report that answers one."""
        answer = bytearray(64)
        answer[0] = asked[0]
        deed = _DEEDS.get(asked[0])
        if deed:
            deed(self, asked, answer)
        return answer

    def _status(self, asked, answer):
        if asked[2] == 0x10:  # cancel
            self._is_lost = False
        answer[3] = asked[3]
        answer[20] = 0x40 if self._is_lost else 0
        struct.pack_into("<3H", answer, 50, *INPUTS)

    def _write(self, asked, answer):
        chip = self._chips.get(asked[3] >> 1)
        self._is_lost = chip is None
        if chip:
            chip.write(asked[4 : 4 + (asked[1] | asked[2] << 8)])

    def _read(self, asked, answer):
        chip = self._chips.get(asked[3] >> 1)
        self._is_lost = chip is None
        self._found = chip.read(asked[1] | asked[2] << 8) if chip else b""

    def _get(self, asked, answer):
        part, self._found = self._found[:60], self._found[60:]
        answer[2] = NO_ANSWER if self._is_lost else 0x55
        answer[3] = len(part)
        answer[4 : 4 + len(part)] = part

    def _get_lines(self, asked, answer):
        for line in range(4):
            answer[2 + 2 * line], answer[3 + 2 * line] = self._levels[line], self._ways[line]

    def _set_lines(self, asked, answer):
        answer[: len(asked)] = asked
        answer[1] = 0
        for line in range(4):
            at = 2 + 4 * line
            if asked[at]:
                self._levels[line] = asked[at + 1]
            if asked[at + 2]:
                self._ways[line] = asked[at + 3]

    def _settings(self, asked, answer):
        answer[22:26] = bytes([0, ANALOG, ANALOG, 0])


_DEEDS = {
    STATUS: Bridge._status,
    WRITE: Bridge._write,
    WRITE_ON: Bridge._write,
    READ: Bridge._read,
    READ_AGAIN: Bridge._read,
    GET: Bridge._get,
    GET_LINES: Bridge._get_lines,
    SET_LINES: Bridge._set_lines,
    GET_SETTINGS: Bridge._settings,
}


def main():
    """Plug the bridge in, and answer until the guest ends."""
    warm = Thermometer([0x28, 0xC3, 0xFD, 0xE2, 0x05, 0, 0], 23.125)
    cold = Thermometer([0x28, 0x01, 0, 0, 0, 0, 0], -10.0625)
    bridge = Bridge({0x49: Converter([1000, 250, 3300, 0]), 0x18: Master([warm, cold])})
    device = open("/dev/uhid", "r+b", 0)
    device.write(
        struct.pack("<I128s64s64sHHIIII", UHID_CREATE2, b"limpet bridge", b"", b"",
                    len(REPORTS), BUS_USB, VENDOR, PRODUCT, 1, 0) + REPORTS
    )  # fmt: skip
    event = bytearray(EVENT_BYTES)
    while True:
        count = device.readinto(event)
        if count and struct.unpack_from("<I", event)[0] == UHID_OUTPUT:
            size = struct.unpack_from("<H", event, OUTPUT_AT)[0]
            asked = bytes(event[4 : 4 + size]) + bytes(64 - size)
            device.write(struct.pack("<IH", UHID_INPUT2, 64) + bridge.answer(asked))


main()
