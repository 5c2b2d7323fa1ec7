"""`modbus.*` over MQTT on every runtime, against pymodbus: by TCP, and on a serial line."""

import os
import select
import socket
import threading
import tty

import pytest
from conftest import FieldDevice
from provision import Unavailable, runtimes

UNIT = 7
HOLDING = "holding-registers"


@pytest.fixture
def server():
    """`server(framer)` gives the port of a server with fresh tables."""
    started = []

    def start(framer):
        started.append(FieldDevice(framer, UNIT))
        return started[-1].port

    yield start
    for field in started:
        field.close()


class Wire:
    """A pseudo terminal whose far end is a connection to the server: bytes go both ways."""

    def __init__(self, port):
        self._far, near = os.openpty()
        tty.setraw(near)
        self.path = os.ttyname(near)
        self._near = near
        self._channel = socket.create_connection(("127.0.0.1", port))
        self._end, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self):
        while True:
            ready, _, _ = select.select([self._far, self._channel, self._end], [], [])
            if self._end in ready:
                return
            if self._far in ready:
                self._channel.sendall(os.read(self._far, 4096))
            if self._channel in ready:
                os.write(self._far, self._channel.recv(4096))

    def close(self):
        os.write(self._stop, b"x")
        self._thread.join()
        self._channel.close()
        for descriptor in (self._far, self._near, self._end, self._stop):
            os.close(descriptor)


def call(caller, device, path, verb, **params):
    reply = caller.call(device, "modbus." + verb, dict(params, path=path, unit=UNIT))
    assert "result" in reply, reply
    return reply["result"]


def allow(caller, device, path):
    span = {"kind": "modbus", "where": "%s/%d" % (path, UNIT), "last": 499999, "write": True}
    reply = caller.call(device, "policy.set", {"hardware": [span]})
    assert "result" in reply, reply


def everything(caller, device, path):
    """All functions, once, and what each leaves behind, as the server sees it."""
    told = call(caller, device, path, "read", table="coils", address=1, count=20)
    assert told == {"values": [int(i % 3 == 0) for i in range(1, 21)]}
    told = call(caller, device, path, "read", table="discrete-inputs", address=0, count=9)
    assert told == {"values": [int(i % 3 != 0) for i in range(9)]}
    told = call(caller, device, path, "read", table="input-registers", address=60, count=4)
    assert told == {"values": [65475, 65474, 65473, 65472]}
    told = call(caller, device, path, "read", address=0, count=64)
    assert told == {"values": [i * 3 for i in range(64)]}
    assert call(caller, device, path, "write", address=5, values=[500]) == {"before": [15]}
    told = call(caller, device, path, "write", address=6, values=[600, 700])
    assert told == {"before": [18, 21]}
    told = call(caller, device, path, "write", table="coils", address=1, values=[1])
    assert told == {"before": [0]}
    told = call(caller, device, path, "write", table="coils", address=2, values=[1, 0, 1, 1])
    assert told == {"before": [0, 1, 0, 0]}
    told = call(caller, device, path, "read", table="coils", address=0, count=7)
    assert told == {"values": [1, 1, 1, 0, 1, 1, 1]}
    assert call(caller, device, path, "mask", address=8, keep=0xF0, put=0x05) == {"before": [24]}
    params = {"read_address": 5, "count": 5, "write_address": 9, "values": [900]}
    told = call(caller, device, path, "exchange", **params)
    assert told == {"values": [500, 600, 700, 0x15, 900]}
    wanted = [
        {"name": "level", "address": 5, "scale": 0.01, "unit": "m"},
        {"name": "count", "address": 6, "type": "u32", "order": "cdab"},
        {"name": "pump", "table": "coils", "address": 2, "type": "bool"},
    ]
    told = call(caller, device, path, "sample", map=wanted)
    assert told["values"] == {"level": 500 * 0.01, "count": 700 << 16 | 600, "pump": True}
    assert told["units"] == {"level": "m"} and told["errors"] == {}
    for address in (64, 63):
        params = {"path": path, "unit": UNIT, "address": address, "count": 2}
        error = caller.call(device, "modbus.read", params)["error"]
        assert error["data"]["exception"] == "illegal-data-address", error


def test_a_device_on_the_network_is_read_and_written(start_device, runtime, caller5, server):
    path = "127.0.0.1:%d" % server("socket")
    device = start_device(runtime)
    caller5.wait_for_state(device, "online")
    error = caller5.call(device, "modbus.read", {"path": path, "unit": UNIT, "address": 0})[
        "error"
    ]
    assert error["code"] == "denied"
    allow(caller5, device, path)
    everything(caller5, device, path)


@pytest.mark.parametrize("name", ("cpython", "micropython-gil", "micropython-oldest"))
def test_a_device_on_a_serial_line_is_read_and_written(start_device, name, caller5, server):
    try:
        runtime = runtimes.get(name)
    except Unavailable as reason:
        pytest.skip(str(reason))
    wire = Wire(server("rtu"))
    try:
        device = start_device(runtime)
        caller5.wait_for_state(device, "online")
        allow(caller5, device, wire.path)
        everything(caller5, device, wire.path)
    finally:
        wire.close()
