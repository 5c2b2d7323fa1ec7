"""An agent that asks a time server, on every runtime; before TLS, where that is configured."""

import socket
import struct
import threading
import time

import pytest

FROM_1970 = 2208988800


@pytest.fixture
def time_server():
    """A time server on loopback that is right: (port, list of questions)."""
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.bind(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                data, peer = channel.recvfrom(128)
            except OSError:
                return
            asked.append(time.monotonic())
            now = time.time() + FROM_1970
            head = struct.pack(">BBBBII4s", 0x24, 1, 6, 0xEC, 0, 0, b"GPS\0")
            stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
            channel.sendto(head + bytes(8) + data[40:48] + bytes(8) + stamp, peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield channel.getsockname()[1], asked
    channel.close()


def test_the_clock_is_synced_by_a_time_server(start_device, runtime, caller5, time_server):
    port, asked = time_server
    clock = {"synced_file": "/nowhere", "ntp": [{"host": "127.0.0.1", "port": port}]}
    device = start_device(runtime, clock=clock)
    caller5.wait_for_state(device, "online")
    told = {"quality": None}
    end = time.monotonic() + 20
    while told["quality"] != "synced" and time.monotonic() < end:
        told = caller5.call(device, "system.info")["result"]["clock"]
    assert told["quality"] == "synced" and len(asked) == 1
    assert abs(told["unix_ms"] - time.time() * 1000) < 5000


def test_before_tls_comes_the_time(start_device, caller5, time_server):
    from provision import runtimes

    _, asked = time_server
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    servers = [{"host": "127.0.0.1", "port": silent.getsockname()[1]}]
    servers.append({"host": "127.0.0.1", "port": time_server[0]})
    start_device(
        runtimes.get("cpython"),
        clock={"synced_file": "/nowhere", "ntp": servers},
        mqtt={"port": listener.getsockname()[1], "tls": {"verify": False}},
    )
    listener.accept()[0].close()
    assert len(asked) == 1  # after the first server's silence, and before the first connection
    listener.close()
    silent.close()
