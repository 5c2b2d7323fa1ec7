"""Bytes verified a piece at a time, against one hash of 16 bytes and a size.

The one rule: nothing leaves here that was not verified, and what arrives may be cut anywhere. A
blob's pieces are UNIT bytes each; if there are more than one, lists of their hashes stand before
them in the stream, so that reading on is enough: each list vouches for what follows it, and the
blob's own hash for the first. So whoever sends cannot lie about more than one piece, and to go on
after an interruption nothing need be kept but the verified beginning of the stream.

Hashes are the first 16 bytes of SHA-256: another content for a given hash costs 2**128 tries, and
who could choose both contents can sign as well. Pure.
"""

from hashlib import sha256

UNIT = 2048  # bytes of a piece: with its message it fits the smallest usual packet, 4096
HASH_BYTES = 16
FAN = UNIT // HASH_BYTES  # hashes in a list


class Lie(Exception):
    """A piece that is not the one that was promised."""


def piece_hash(data):
    """The hash of a piece or a list."""
    return sha256(data).digest()[:HASH_BYTES]


def height(size):
    """How many lists stand above each piece of a blob of `size` bytes."""
    levels, covered = 0, UNIT
    while covered < size:
        levels += 1
        covered *= FAN
    return levels


def stream_bytes(size):
    """Bytes of the whole stream: the blob's, and its lists'."""
    total, nodes = size, -(-size // UNIT)
    while nodes > 1:
        total += nodes * HASH_BYTES
        nodes = -(-nodes // FAN)
    return total


class Verifier:
    """Takes a stream, gives what it holds. `offset` is how much of the stream is verified."""

    def __init__(self, size, root):
        self._height = height(size)
        self._size = self._left = size  # of the blob; what is not delivered yet
        self._lists = [[root, 0]]  # from the top: hashes, and how many bytes of them are used
        self._held = bytearray(UNIT)
        self._count = 0
        self.offset = 0

    @property
    def done(self):
        """Whether all of the blob has come."""
        return self._left == 0

    @property
    def share(self):
        """How much of the blob has come, 0 to 1."""
        return 1 - self._left / self._size

    def forget(self):
        """What was fed and not verified is gone: the stream goes on at `offset`."""
        self._count = 0

    def wanted(self):
        """Bytes of the next unit, 0 when done."""
        level = self._height + 1 - len(self._lists)
        covers = min(self._left, UNIT * FAN**level)
        if level == 0 or not covers:
            return covers
        return -(-covers // (UNIT * FAN ** (level - 1))) * HASH_BYTES

    def feed(self, data):
        """A generator of (unit, is_piece), verified, as far as `data` completes them.

        A unit is a memoryview, good until the next one. Raises Lie; then `forget` and go on.
        """
        at = 0
        held = memoryview(self._held)
        while at < len(data):
            wanted = self.wanted()
            if not wanted:
                raise Lie("more than was promised")
            count = min(wanted - self._count, len(data) - at)
            held[self._count : self._count + count] = data[at : at + count]
            self._count += count
            at += count
            if self._count == wanted:
                self._count = 0
                is_piece = self._check(held[:wanted])
                self.offset += wanted
                yield held[:wanted], is_piece

    def _check(self, unit):
        top = self._lists[-1]
        if piece_hash(unit) != top[0][top[1] : top[1] + HASH_BYTES]:
            raise Lie("not what was promised")
        is_piece = len(self._lists) > self._height
        top[1] += HASH_BYTES
        if is_piece:
            self._left -= len(unit)
        else:
            self._lists.append([bytes(unit), 0])
        while self._lists and self._lists[-1][1] == len(self._lists[-1][0]):
            self._lists.pop()
        return is_piece
