"""The two ways of Modbus: frames on a serial line (RTU), and a connection (TCP).

Contract of both: `exchange(unit, request, wait_ms)` is a generator that yields the ms it wants to
rest, and returns the values of the answer; an exception of the device is a ModbusError, silence
and broken frames are DeviceErrors of code `failed`. Unit 0 of a serial line is everybody, and
nobody answers it. `close()` gives the way back.
"""

import struct

from agent.devices import faults, modbus, waiting

PORT = 502
MOST_TCP = 260  # bytes of a frame


def make(use):
    """Opens both ways; a serial line is the capability `uart`'s."""
    return Links(use)


class Links:
    """`open(path, settings, wait_ms)` of a device file or `host:port`."""

    def __init__(self, use):
        self._use = use

    def open(self, path, settings, wait_ms):
        """A generator that returns the link; it waits for a line that another command has."""
        if ":" not in path and not _is_host(path):
            patience = waiting.Patience(wait_ms)
            while True:
                try:
                    return Rtu(path, self._use("uart").open(path, settings))
                except faults.DeviceError as error:
                    rest = patience.rest()
                    if error.code != "busy" or rest is None:
                        raise
                yield rest
        host, _, port = path.partition(":")
        if port and not (port.isdigit() and 0 < int(port) < 65536):
            raise faults.refusal(path, "expected host:port")
        return (yield from _connect(path, host, int(port or PORT), wait_ms))


def _is_host(path):
    return "/" not in path and "." in path


def _connect(path, host, port, wait_ms):
    from agent.mqtt.faults import TransportError
    from agent.mqtt.tcp import Tcp  # needs sockets, which not every board has

    channel = Tcp(host, port)
    try:
        channel.open()
        if not (yield from waiting.until(wait_ms, channel.finish)):
            raise TransportError("timeout", "no connection in %d ms" % wait_ms)
    except TransportError as error:
        channel.close()
        raise faults.refusal(path, error.message, "unavailable")
    return TcpLink(path, channel)


class Rtu:
    """Frames on a line: unit, request, checksum; told apart by silence."""

    def __init__(self, path, line):
        self._path = path
        self._line = line
        # 3.5 characters of 11 bits, from 19200 baud on 1.75 ms
        self._gap_ms = 2 if line.baud > 19200 else 38500 // line.baud + 1

    def exchange(self, unit, request, wait_ms):
        """Send a request, and give what the answer holds."""
        line = self._line
        yield self._gap_ms
        line.flush_input()
        frame = bytes([unit]) + request.pdu
        frame += modbus.checksum(frame)
        done = yield from waiting.send(line, frame, wait_ms)
        if done < len(frame):
            raise faults.refusal(self._path, "the line took %d bytes" % done, "failed")
        if unit == 0:
            yield wait_ms  # nobody answers: time to do what was asked
            return None
        wait_ms += len(frame) * 11000 // line.baud  # until it is out
        head = yield from self._receive(2, wait_ms)
        if len(head) < 2:
            raise self._silent(unit, head)
        # An exception is one byte after the function.
        missing = (1 if head[1] & 0x80 else request.size - 1) + 2
        frame = head + (yield from self._receive(missing, wait_ms))
        if len(frame) < 4 or modbus.checksum(frame[:-2]) != frame[-2:]:
            words = "a broken frame of %d bytes: wrong checksum, or cut short" % len(frame)
            raise faults.refusal(self._path, words, "failed")
        if frame[0] != unit:
            words = "unit %d answers in place of %d" % (frame[0], unit)
            raise faults.refusal(self._path, words, "failed")
        return modbus.values_of(request, frame[1:-2])

    def _receive(self, size, wait_ms):
        # Within a frame a driver or an adapter may pause: USB ones hold bytes for 16 ms.
        return waiting.receive(self._line, size, wait_ms, self._gap_ms + 30)

    def _silent(self, unit, head):
        words = "unit %d does not answer" % unit if not head else "one byte came, and no more"
        return faults.refusal(self._path, words, "failed")

    def close(self):
        """Give the line back."""
        self._line.close()


class TcpLink:
    """Frames on a connection: a number, the length, unit and request."""

    def __init__(self, path, channel):
        self._path = path
        self._channel = channel
        self._number = 0

    def exchange(self, unit, request, wait_ms):
        """Send a request, and give what the answer holds; stale answers are passed over."""
        self._number = self._number + 1 & 0xFFFF
        frame = struct.pack(">HHHB", self._number, 0, len(request.pdu) + 1, unit) + request.pdu
        yield from waiting.send(self, frame, wait_ms)
        while True:
            head = yield from self._receive(7, unit, wait_ms)
            number, protocol, length, _ = struct.unpack(">HHHB", head)
            if protocol or not 3 <= length <= MOST_TCP:
                raise faults.refusal(self._path, "what answers is no Modbus", "failed")
            answer = yield from self._receive(length - 1, unit, wait_ms)
            if number == self._number:
                return modbus.values_of(request, answer)

    def _receive(self, size, unit, wait_ms):
        data = yield from waiting.receive(self, size, wait_ms, wait_ms)
        if len(data) < size:
            raise faults.refusal(self._path, "unit %d does not answer" % unit, "failed")
        return data

    def read(self, size):
        """At most `size` bytes that are there."""
        buffer = bytearray(size)
        count = self._attempt(self._channel.read_into, buffer)
        return bytes(buffer[:count])

    def write(self, data):
        """How many bytes the connection took."""
        return self._attempt(self._channel.write, data)

    def _attempt(self, call, argument):
        try:
            return call(argument)
        except faults.LimpetError as error:
            raise faults.refusal(self._path, error.message, "unavailable")

    def close(self):
        """Close the connection."""
        self._channel.close()
