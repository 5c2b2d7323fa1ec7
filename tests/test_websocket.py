"""MQTT in WebSocket frames: fed whole and byte by byte, taken whole and in small pieces."""

import hashlib
from binascii import b2a_base64

from mqtt_peer import connack, publish
from support import raises, skip

from agent.mqtt import websocket
from agent.mqtt.faults import TransportError
from agent.mqtt.websocket import WebSocket, make_frame


class Inner:
    """A transport that hears what it is told and takes `most` bytes at a time."""

    buffers = False
    handshaking = False
    pollable = None
    name = "inner"

    def __init__(self, most=1 << 20, piece=1 << 20):
        self.most = most
        self.piece = piece
        self.written = b""
        self.coming = b""

    def open(self):
        pass

    def finish(self):
        return True

    def write(self, data):
        self.written += bytes(data[: self.most])
        return min(len(data), self.most)

    def read_into(self, view):
        count = min(len(view), len(self.coming), self.piece)
        view[:count] = self.coming[:count]
        self.coming = self.coming[count:]
        return count

    def acknowledge(self):
        pass

    def close(self):
        pass


def answer(key, protocol=b"mqtt", accept=None, status=b"101 Switching Protocols"):
    digest = b2a_base64(hashlib.sha1(key + websocket._GUID).digest())[:-1]
    lines = (
        b"HTTP/1.1 " + status,
        b"Upgrade: WebSocket",
        b"connection: Upgrade",
        b"Sec-WebSocket-Accept: " + (accept or digest),
        b"Sec-WebSocket-Protocol: " + protocol,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


def opened(inner, behind=b""):
    """A WebSocket over `inner`, past its handshake; `behind` comes with the answer."""
    if not hasattr(hashlib, "sha1"):
        skip("this interpreter has no SHA-1")
    socket = WebSocket(inner, "broker", 8080, "/mqtt")
    socket.open()
    while socket._pending:
        assert not socket.finish()
        assert not socket.handshaking or not socket._pending
    inner.coming = answer(socket._key) + behind
    for _ in range(2000):
        if socket.finish():
            break
    inner.written = b""
    return socket


def frame(data, opcode=2, final=True):
    """As a broker sends it."""
    size = len(data)
    head = bytes(((128 if final else 0) | opcode,))
    if size < 126:
        return head + bytes((size,)) + data
    if size < 65536:
        return head + bytes((126, size >> 8, size & 255)) + data
    return head + bytes((127, 0, 0, 0, 0, 0, size >> 16, size >> 8 & 255, size & 255)) + data


def everything(socket, room=64):
    """All that can be read now, in a buffer of `room` bytes."""
    view = memoryview(bytearray(room))
    found = b""
    count = socket.read_into(view)
    while count:
        found += bytes(view[:count])
        count = socket.read_into(view)
    return found


def unmask(data):
    """The payloads of a client's frames, with their opcodes."""
    found = []
    while data:
        size, at = data[1] & 127, 2
        assert data[1] & 128
        if size == 126:
            size, at = data[2] << 8 | data[3], 4
        mask = data[at : at + 4]
        body = data[at + 4 : at + 4 + size]
        found.append((data[0], bytes([body[i] ^ mask[i % 4] for i in range(size)])))
        data = data[at + 4 + size :]
    return found


def test_the_handshake_asks_for_mqtt():
    inner = Inner()
    opened(inner)
    inner = Inner()
    WebSocket(inner, "broker", 8080, "/mqtt").finish()
    lines = inner.written.split(b"\r\n")
    assert lines[0] == b"GET /mqtt HTTP/1.1" and b"Host: broker:8080" in lines
    assert b"Sec-WebSocket-Protocol: mqtt" in lines and lines[-2:] == [b"", b""]


def test_another_answer_is_refused():
    if not hasattr(hashlib, "sha1"):
        skip("this interpreter has no SHA-1")
    for wrong in (
        {"protocol": b"chat"},
        {"accept": b"AAAA"},
        {"status": b"404 Not Found"},
    ):
        inner = Inner()
        socket = WebSocket(inner, "broker", 8080, "/mqtt")
        socket.finish()
        inner.coming = answer(socket._key, **wrong)
        assert raises(TransportError, socket.finish).code == "refused"
    inner = Inner()
    socket = WebSocket(inner, "broker", 8080, "/mqtt")
    socket.finish()
    inner.coming = b"x" * 5000
    assert raises(TransportError, socket.finish).code == "refused"


def test_what_is_sent_is_binary_and_masked():
    for size in (0, 1, 2, 3, 4, 125, 126, 127, 1000, 20000):
        data = bytes([n * 7 % 256 for n in range(size)])
        assert unmask(make_frame(2, data, b"\x01\xf2\x03\x84")) == [(0x82, data)], size
    inner = Inner()
    socket = opened(inner)
    assert socket.write(b"hello") == 5
    assert unmask(inner.written) == [(0x82, b"hello")]


def test_a_frame_that_leaves_in_pieces_leaves_once():
    for most in (1, 3, 7):
        inner = Inner(most)
        socket = opened(inner)
        for data in (b"x", b"hello", b"y" * 300):
            sent = 0
            for _ in range(2000):
                sent += socket.write(data[sent:])
                if sent == len(data):
                    break
            assert sent == len(data)
        assert unmask(inner.written) == [(0x82, b"x"), (0x82, b"hello"), (0x82, b"y" * 300)]


def test_a_frame_may_arrive_byte_by_byte():
    data = connack() + publish("a", b"x" * 300) + publish("b", b"")
    for piece in (1, 2, 5, 1 << 20):
        for cut in (0, 1, 4, 7, len(data)):
            for room in (1, 3, 64, 1000):
                inner = Inner(piece=piece)
                behind = frame(data[:cut], 2, False) + frame(b"", 0, False)
                socket = opened(inner, behind + frame(data[cut:], 0))
                found = everything(socket, room)
                assert found == data, (piece, cut, room)


def test_a_large_frame_passes_a_small_buffer():
    data = bytes(range(256)) * 300
    assert everything(opened(Inner(piece=100), frame(data)), 128) == data


def test_a_ping_is_answered_amid_a_message():
    inner = Inner()
    socket = opened(inner, frame(b"ab", 2, False) + frame(b"are you?", 9) + frame(b"c", 0))
    assert everything(socket) == b"abc"
    assert unmask(inner.written) == [(0x8A, b"are you?")]
    inner.coming = frame(b"", 9) + frame(b"unasked", 10)
    assert everything(socket) == b"" and unmask(inner.written)[1:] == [(0x8A, b"")]


def test_a_close_is_a_loss_with_its_code():
    error = raises(TransportError, everything, opened(Inner(), frame(b"\x03\xe9bye", 8)))
    assert error.code == "lost" and "1001" in error.message
    assert raises(TransportError, everything, opened(Inner(), frame(b"", 8))).code == "lost"


def test_what_the_standard_forbids_ends_it():
    for data in (
        frame(b"text", 1),
        frame(b"x", 0),
        frame(b"x", 3),
        frame(b"x", 11),
        frame(b"x", 2, False) + frame(b"y", 2),
        frame(b"x", 9, False),
        frame(b"x" * 126, 9),
        b"\xc2\x01x",
        b"\x82\x81abcdx",
        b"\x82\x7e\x00\x05hello",
        b"\x82\x7f" + b"\xff" * 8,
        b"\x82\x7f\0\0\0\0\0\0\0\x01x",
    ):
        socket = opened(Inner(), data)
        assert raises(TransportError, everything, socket).code == "refused", data
