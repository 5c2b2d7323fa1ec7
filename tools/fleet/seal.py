"""The caller's side of seals: requests sealed, answers and states checked.

    L1 KEY FORM MARK SEQ CODE
    ...the body...

FORM is `live` (MARK is the nonce in the device's status, SEQ rises), `left` (MARK is a counter,
for a device that is away) or `many` (signed, for a group). Rule: what claims to come from a device
is worth what its seal says; a caller with a key takes no answer without one. This mirrors
agent/commands/seal.py by the wire contract alone.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time

from .errors import BadReply

START = b"L1 "
MAC_BYTES = 16
_WORD = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_MAXIMUM_LINES = 64  # a device has 16 keys at most


class Sealer:
    """Seals in the name of one key. May be used from several threads."""

    def __init__(self, key):
        self.key = key
        self._lock = threading.Lock()  # guards _last
        self._last = 0

    def request(self, device, topic, body, nonce=None) -> bytes:
        """`body` sealed for a device: live with its nonce, else to be left for it."""
        number = self._next()
        if nonce is None:
            head = f"L1 {self.key.name} left {number} 0"
        else:
            head = f"L1 {self.key.name} live {nonce} {number}"
        code = _code(self.key.secret_for(device), "down", device, topic, head.encode(), body)
        return f"{head} {code.hex()}\n".encode() + body

    def group_call(self, target, topic, body) -> bytes:
        """`body` signed for `target`, `all` or `group/NAME`. Raises KeyFileError."""
        head = f"L1 {self.key.name} many {self._next()} 0"
        whole = hashlib.sha256(_covered("down", target, topic, head.encode(), body)).digest()
        return f"{head} {self.key.sign(b'L1 many' + bytes(1) + whole).hex()}\n".encode() + body

    def skip_to(self, number):
        """From now on numbers are above `number`: the device has seen that one."""
        with self._lock:
            self._last = max(self._last, number)

    def _next(self):
        # Microseconds since 1970: they rise from one process to the next without a file. Where
        # this clock was set back, the device's answer `stale` tells the number to go on from.
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last

    def open(self, device, topic, payload) -> bytes:
        """The body of what `device` sealed for this key. Raises BadReply."""
        return self.open_numbered(device, topic, payload)[0]

    def open_numbered(self, device, topic, payload):
        """(body, nonce, number) of what `device` sealed for this key. Raises BadReply."""
        lines, body = split(payload)
        for line in lines:
            words = line.split(b" ")
            if len(words) == 6 and words[1] == self.key.name.encode() and words[2] == b"live":
                head = line[: -len(words[5]) - 1]
                code = _code(self.key.secret_for(device), "up", device, topic, head, body)
                if hmac.compare_digest(code.hex().encode(), words[5]):
                    return body, words[3].decode(), int(words[4])
                raise BadReply("an answer whose seal is wrong")
        raise BadReply("an answer without a seal for this key")

    def wrap(self, device, name, secret) -> str:
        """Another key's secret for `device`, as its `key.add` takes it under this key."""
        salt = secrets.token_bytes(16)
        text = f"L1 wrap\0{device}\0{name}\0".encode() + salt
        pad = hmac.digest(self.key.secret_for(device), text, "sha256")
        return (salt + bytes(a ^ b for a, b in zip(pad, secret, strict=True))).hex()


def is_seal_word(word) -> bool:
    """Whether `word` can stand in a seal line: a device may say anything."""
    return bool(_WORD.match(word))


def split(payload):
    """(seal lines, body): nothing is checked."""
    lines = []
    while payload.startswith(START) and len(lines) < _MAXIMUM_LINES:
        line, feed, rest = payload.partition(b"\n")
        if not feed:
            break
        lines.append(line)
        payload = rest
    return lines, payload


def _covered(direction, target, topic, head, body):
    # The last empty field stands for MQTT 5's response topic, which is not used here: the reply
    # topic is in the body.
    return f"L1\0{direction}\0{target}\0{topic}\0\0".encode() + head + b"\n" + body


def _code(secret, direction, device, topic, head, body):
    text = _covered(direction, device, topic, head, body)
    return hmac.digest(secret, text, "sha256")[:MAC_BYTES]
