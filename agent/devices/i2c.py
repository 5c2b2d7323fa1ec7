"""Chips on an I2C bus: written to and read from in one go, found by asking.

Contract: `buses()` opens what it lists and asks no chip. `open(path)` gives a Bus. `transfer`
writes, then reads after a repeated start, as one transaction or not at all; nobody at the address
is `unavailable`, a chip that a kernel driver holds is `busy`. `scan` touches each address once,
as gently as the bus allows, and still may confuse a chip: it is the caller's to want it.
Addresses have 7 bits. An adapter that knows SMBus only does what SMBus can express; the rest is
refused with that reason. Sources: linux/i2c.h, linux/i2c-dev.h, Documentation/i2c.
"""

from agent.devices import faults, layout, requests

START = "/dev/i2c-"
MAX_BYTES = 512  # in one direction of one transaction; the kernel takes 8192

_READ = 1  # I2C_M_RD, I2C_SMBUS_READ
_QUICK, _BYTE, _BYTE_DATA, _WORD_DATA, _BLOCK_DATA = 0, 1, 2, 3, 8  # I2C_SMBUS_*
_BLOCK = 32  # bytes that an SMBus block holds
# I2C_FUNC_*: what an adapter can do
_CAN = (
    (0x00000001, "i2c"),
    (0x00010000, "quick"),
    (0x00060000, "byte"),
    (0x00180000, "byte-data"),
    (0x00600000, "word-data"),
    (0x0C000000, "block-data"),
)
_NOBODY = ("ENXIO", "EREMOTEIO", "EIO", "ENODEV", "ETIMEDOUT")


def make(use):
    """The buses of this machine."""
    return Buses(use("ioctl"), use("sysfs"))


class Buses:
    """Opens buses by `transport`; `sysfs` knows their names."""

    def __init__(self, transport, sysfs):
        self._transport = transport
        self._sysfs = sysfs

    def buses(self):
        """Every bus: path, name, and what its adapter can; or its error."""
        found = []
        for name in self._sysfs.names("class/i2c-dev", "i2c-"):
            words = {"path": "/dev/" + name}
            words["name"] = self._sysfs.read("class/i2c-dev/%s/name" % name, "")
            try:
                with self.open(words["path"]) as bus:
                    words["can"] = bus.can
            except faults.DeviceError as error:
                words["error"] = error.message
            found.append(words)
        return found

    def open(self, path):
        """The Bus at `path`. Raises DeviceError."""
        if not path.startswith(START):
            raise faults.refusal(path, "no I2C bus: expected %s1" % START)
        device = self._transport.open(path, True)
        try:
            functions = device.ask("I2C_FUNCS")
        except faults.DeviceError:
            device.close()
            raise
        can = [word for bits, word in _CAN if functions & bits == bits]
        return Bus(device, self._transport.address_of, can)


class Bus:
    """An open bus. `can` is what its adapter knows, of the words in _CAN."""

    def __init__(self, device, address_of, can):
        self.can = can
        self._device = device
        self._address_of = address_of

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Give the bus back."""
        self._device.close()

    def transfer(self, address, data, size):
        """Write `data`, then read `size` bytes, either may be none; returns what was read."""
        self._choose(address)
        if "i2c" in self.can and (data or size):
            return self._in_messages(address, data, size)
        return self._by_smbus(data, size)

    def scan(self, first, last):
        """(addresses where something answers, those that a kernel driver holds)."""
        found, held = [], []
        for address in range(first, last + 1):
            # What i2c-tools found out: a quick write can upset these, so they are read.
            reads = 0x30 <= address <= 0x37 or 0x50 <= address <= 0x5F or "quick" not in self.can
            try:
                self._choose(address)
                self._smbus(_READ if reads else 0, 0, _BYTE if reads else _QUICK, bytearray(34))
                found.append(address)
            except faults.DeviceError as error:
                if error.code == "busy":
                    held.append(address)
                elif error.data.get("name") not in _NOBODY:
                    raise
        return found, held

    def _choose(self, address):
        # The kernel refuses here, and only here, what one of its own drivers holds.
        self._device.tell("I2C_SLAVE", address)

    def _in_messages(self, address, data, size):
        abi = self._device.target[1]
        out, back = bytearray(data), bytearray(size)
        messages = bytearray()
        count = 0
        for buffer, flags in ((out, 0), (back, _READ)):
            if buffer:
                words = {"addr": address, "flags": flags, "len": len(buffer)}
                words["buf"] = self._address_of(buffer)
                messages += layout.pack(requests.I2C_MESSAGE, words, abi)
                count += 1
        words = {"msgs": self._address_of(messages), "nmsgs": count}
        self._device.tell("I2C_RDWR", words)
        return bytes(back)

    def _by_smbus(self, data, size):
        """The SMBus transaction that has the same form on the wire."""
        block = bytearray(34)
        command = data[0] if data else 0
        if size == 0:
            return self._write_by_smbus(command, data, block)
        if not data:
            if size > 1:
                raise self._cannot("reads of several bytes without a register")
            kind = _BYTE
        elif len(data) > 1:
            raise self._cannot("more than one byte written before a read")
        else:
            kind = {1: _BYTE_DATA, 2: _WORD_DATA}.get(size, _BLOCK_DATA)
        if size > _BLOCK:
            raise self._cannot("more than %d bytes" % _BLOCK)
        block[0] = size
        self._smbus(_READ, command, kind, block)
        if kind == _BLOCK_DATA:
            return bytes(block[1 : 1 + size])
        return bytes(self._in_wire_order(block, size))

    def _write_by_smbus(self, command, data, block):
        rest = data[1:]
        kind = {0: _BYTE if data else _QUICK, 1: _BYTE_DATA, 2: _WORD_DATA}.get(len(rest))
        if kind is None:
            kind = _BLOCK_DATA
            if len(rest) > _BLOCK:
                raise self._cannot("more than %d bytes" % _BLOCK)
            block[0] = len(rest)
            block[1 : 1 + len(rest)] = bytes(rest)
        else:
            block[: len(rest)] = self._in_wire_order(bytes(rest), len(rest))
        self._smbus(0, command, kind, block)
        return b""

    def _in_wire_order(self, block, size):
        """A word is the machine's own in memory, and low byte first on the bus."""
        part = block[:size]
        if size == 2 and self._device.target[1].order == ">":
            part = bytes([part[1], part[0]])
        return part

    def _smbus(self, direction, command, kind, block):
        words = {"read_write": direction, "command": command, "size": kind}
        words["data"] = self._address_of(block)
        self._device.tell("I2C_SMBUS", words)

    def _cannot(self, what):
        text = "%s: this adapter knows SMBus only, which has no %s"
        return faults.refusal(self._device.path, text % ("transfer", what), "unavailable")
