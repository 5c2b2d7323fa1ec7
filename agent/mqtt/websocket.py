"""MQTT in WebSocket frames (RFC 6455), over TCP or TLS: for networks that let only HTTP through.

One rule: it is a transport as tcp.py describes it, and holds nothing of a message: frames are
taken apart in the buffer of whoever reads. Section 6 of the MQTT 5.0 standard says what may be in
them: binary data, cut without regard to packets. A back-end file, loaded where the configuration
names a path.
"""

import hashlib
from binascii import b2a_base64

from interpreter import random_bytes

from agent.mqtt.faults import TransportError

_MOST_ANSWER_BYTES = 2048  # of HTTP: header lines beyond it are no broker's
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3 of the RFC
_CONTINUED, _BINARY, _CLOSE, _PING, _PONG = 0, 2, 8, 9, 10
_FINAL = 128
_MASKED = 128

_REQUEST = (
    "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)


class WebSocket:
    """One connection over `inner`, a transport to `host`:`port`; `path` is that of the URL."""

    def __init__(self, inner, host, port, path):
        self._inner = inner
        self.name = inner.name + " (WebSocket)"
        self._key = b2a_base64(random_bytes(16))[:-1]
        self._pending = (_REQUEST % (path, host, port, self._key.decode())).encode()
        self._answer = b""  # of HTTP, then of what came behind it
        self._is_open = False
        self._owes = False  # whether the last byte of the pending frame is still to be reported
        self._head = b""  # of a frame, as far as it has come
        self._left = 0  # bytes of its payload still to come
        self._opcode = None  # of the frame that is being read; None between two
        self._in_message = False  # whether its last frame is still to come
        self._control = b""  # the payload of a ping, or of a close
        self.pollable = None

    @property
    def buffers(self):
        """Whether bytes may be here that the poller knows nothing of."""
        return self._inner.buffers or len(self._answer) > 0

    @property
    def handshaking(self):
        """Whether what is to be written waits for the other side."""
        return self._inner.handshaking or (not self._is_open and not self._pending)

    def open(self):
        """Begin to connect."""
        self._inner.open()
        self.pollable = self._inner.pollable

    def finish(self):
        """Whether the connection is there, and has become a WebSocket."""
        if not self._inner.finish():
            self.pollable = self._inner.pollable
            return False
        self.finish = self._shake_hands
        return self._shake_hands()

    def _shake_hands(self):
        self._flush()
        if self._pending:
            return False
        view = memoryview(bytearray(256))
        while b"\r\n\r\n" not in self._answer:
            count = self._inner.read_into(view)
            if not count:
                return False
            self._answer += bytes(view[:count])
            if len(self._answer) > _MOST_ANSWER_BYTES:
                raise self._wrong("an answer without an end")
        head, self._answer = self._answer.split(b"\r\n\r\n", 1)
        self._check(head.split(b"\r\n"))
        self._is_open = True
        return True

    def _check(self, lines):
        """Raise what stands against the broker's answer, section 4.1 of the RFC."""
        words = lines[0].split(b" ")
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or words[1] != b"101":
            raise self._wrong("it answers %r" % lines[0][:80])
        told = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            told[name.strip().lower()] = value.strip()
        if told.get(b"upgrade", b"").lower() != b"websocket":
            raise self._wrong("no upgrade to a WebSocket")
        if told.get(b"sec-websocket-protocol") != b"mqtt":  # MQTT-6.0.0-4
            raise self._wrong("not the protocol mqtt")
        if hasattr(hashlib, "sha1"):  # without TLS some boards have none
            wanted = b2a_base64(hashlib.sha1(self._key + _GUID).digest())[:-1]
            if told.get(b"sec-websocket-accept") != wanted:
                raise self._wrong("a wrong Sec-WebSocket-Accept")

    def _wrong(self, text):
        return TransportError("refused", "%s: %s" % (self.name, text))

    def _flush(self):
        if self._pending:
            self._pending = self._pending[self._inner.write(self._pending) :]

    def write(self, data):
        """How many bytes of `data` were taken: all but one, until the frame around them is out."""
        if self._pending:
            self._flush()
            if self._pending:
                return 0
            if self._owes:
                self._owes = False
                return 1
        self._pending = make_frame(_BINARY, data, random_bytes(4))
        self._flush()
        self._owes = len(self._pending) > 0
        return len(data) - self._owes

    def read_into(self, view):
        """Bytes of MQTT that were put into `view`, 0 if none are there now."""
        while True:
            if self._answer:
                count = min(len(view), len(self._answer))
                view[:count] = self._answer[:count]
                self._answer = self._answer[count:]
            else:
                count = self._inner.read_into(view)
                if not count:
                    return 0
            count = self._unwrap(view, count)
            if count:
                return count

    def _unwrap(self, view, count):
        """Take the frames in `view[:count]` apart; how much of MQTT stands in front then."""
        at = put = 0
        while at < count or (self._opcode is not None and not self._left):
            if self._opcode is None:
                at = self._read_head(view, at, count)
                continue
            step = min(self._left, count - at)
            if self._opcode >= _CLOSE:
                self._control += bytes(view[at : at + step])
            elif step:
                if at != put:
                    view[put : put + step] = bytes(view[at : at + step])
                put += step
            at += step
            self._left -= step
            if not self._left:
                self._end_frame()
        return put

    def _read_head(self, view, at, count):
        head = self._head
        while at < count:
            head += bytes(view[at : at + 1])
            at += 1
            if len(head) < 2:
                continue
            length = head[1] & 127
            if len(head) == 2 + (0 if length < 126 else 2 if length == 126 else 8):
                self._head = b""
                self._begin_frame(head)
                return at
        self._head = head
        return at

    def _begin_frame(self, head):
        """Section 5.2 of the RFC; a broker's frames have no mask, section 5.1."""
        opcode, length = head[0] & 15, head[1]
        is_final = head[0] & _FINAL
        if head[0] & 0x70 or length & _MASKED:
            raise self._wrong("a frame with reserved bits or a mask")
        if length > 125:
            length = 0
            for byte in head[2:]:
                length = length << 8 | byte
            if length < (126 if len(head) == 4 else 65536) or length >> 62:
                raise self._wrong("a length not in its shortest form, or beyond all bounds")
        if opcode >= _CLOSE:
            if opcode > _PONG or not is_final or length > 125:
                raise self._wrong("a control frame with opcode %d" % opcode)
        elif opcode != (_CONTINUED if self._in_message else _BINARY):  # MQTT-6.0.0-1
            raise self._wrong("a frame with opcode %d" % opcode)
        else:
            self._in_message = not is_final
        self._opcode = opcode
        self._left = length

    def _end_frame(self):
        opcode, self._opcode = self._opcode, None
        control, self._control = self._control, b""
        if opcode == _CLOSE:
            code = control[0] << 8 | control[1] if len(control) > 1 else 1005
            text = "%s closed the connection (%d)" % (self.name, code)
            raise TransportError("lost", text)
        if opcode == _PING and not self._pending:  # else it is late, which a pong may be
            self._pending = make_frame(_PONG, control, random_bytes(4))
            self._flush()

    def acknowledge(self):
        """Let the other side know now that what was read has come."""
        self._inner.acknowledge()

    def close(self):
        """Give everything back; take it out of every poller first. May be called again."""
        self._inner.close()
        self.pollable = None


def make_frame(opcode, data, mask):
    """A whole frame as a client sends it, section 5.2 of the RFC; `mask` is four bytes."""
    size = len(data)
    if size < 126:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 65536:
        head = bytes((_FINAL | opcode, _MASKED | 126, size >> 8, size & 255))
    else:
        head = bytes((_FINAL | opcode, _MASKED | 127)) + b"\0\0\0\0"
        head += bytes((size >> 24, size >> 16 & 255, size >> 8 & 255, size & 255))
    if not size:
        return head + mask
    # As one long number: on MicroPython many times faster than byte by byte.
    key = int.from_bytes(mask * (size // 4 + 1), "big") >> 8 * (4 - size % 4)
    return head + mask + (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")
